//! A node leaves the group for good, is forgotten, and may come back as a new one.

use super::*;
use crate::machine::{Command, Proposal};
use crate::model::*;

/// A group of two nodes with one service on the first.
struct Group {
    state: State,
    index: u64,
}

impl Group {
    fn new() -> Self {
        let mut group = Self { state: State::default(), index: 0 };
        let web = Object::Service(Box::new(Service::bare(ServiceKey::new("default", "web"))));
        group.done(configure(vec![node("a"), node("b"), pool(), policy(), web]));
        group.open("a", 1);
        group.open("b", 1);
        assert_eq!(group.owner(), ("a".into(), Epoch(1)));
        group
    }

    fn apply(&mut self, command: Command) -> (Outcome, Vec<Event>) {
        self.index += 1;
        let applied = self.state.apply(self.index, &Proposal { at_ms: 0, by: "test".into(), command });
        (applied.outcome, applied.events)
    }

    fn done(&mut self, command: Command) -> Vec<Event> {
        let (outcome, events) = self.apply(command);
        assert_eq!(outcome, Outcome::Done);
        events
    }

    fn open(&mut self, node: &str, run: u64) -> (Outcome, Vec<Event>) {
        self.apply(Command::OpenSession { node: node.into(), incarnation: Incarnation(run) })
    }

    fn leave(&mut self, node: &str) -> (Outcome, Vec<Event>) {
        self.apply(Command::Leave { node: node.into() })
    }

    fn forget(&mut self, node: &str) -> (Outcome, Vec<Event>) {
        self.apply(Command::Forget { node: node.into() })
    }

    fn close(&mut self, node: &str) -> Vec<Event> {
        let node = NodeName::from(node);
        let session = self.state.members[&node].session.expect("it has a session").id;
        self.done(Command::CloseSession { node, session })
    }

    /// Gives up all that the node owns.
    fn release(&mut self, node: &str) {
        let node = NodeName::from(node);
        let addresses = self.state.owned_by(&node).map(|(address, owned)| (address, owned.epoch)).collect();
        self.done(Command::Release { node, addresses });
    }

    /// Who has the one address, and under which epoch.
    fn owner(&self) -> (NodeName, Epoch) {
        let owned = self.state.owners.values().next().expect("somebody owns it");
        (owned.node.clone(), owned.epoch)
    }
}

fn configure(put: Vec<Object>) -> Command {
    Command::Configure(Delta { put, ..Delta::default() })
}

fn node(name: &str) -> Object {
    Object::Node(Node {
        name: name.into(),
        labels: Labels::new(),
        address: None,
        interfaces: None,
        pod_cidrs: Vec::new(),
        addresses: Vec::new(),
        weight: 1,
        network_unavailable: false,
        unschedulable: false,
    })
}

fn pool() -> Object {
    Object::Pool(Box::new(Pool {
        name: "pool".into(),
        dialect: Dialect::Native,
        age: Age::default(),
        labels: Labels::new(),
        blocks: vec![Block::Cidr("10.0.0.0/28".parse().unwrap())],
        disabled: false,
        auto_assign: true,
        reserve_first_last: false,
        avoid_buggy: false,
        scope: PoolScope::default(),
        priority: None,
    }))
}

fn policy() -> Object {
    Object::L2Policy(Box::new(L2Policy {
        name: "all".into(),
        dialect: Dialect::Native,
        age: Age::default(),
        service_selectors: Vec::new(),
        pools: PoolMatch::All,
        node_selectors: Vec::new(),
        interfaces: InterfaceMatch::All,
        addresses: AddressKinds { load_balancer: true, external: true },
        preferences: Vec::new(),
        any_subnet: false,
    }))
}

#[test]
fn a_node_that_leaves_hands_over_before_it_is_forgotten() {
    let mut group = Group::new();
    let (outcome, events) = group.leave("a");
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(events[..2], [Event::Leaving { node: "a".into() }, Event::Drained { node: "a".into(), on: true }]);
    assert!(matches!(events[2..], [Event::ReleaseAsked { why: MoveReason::NodeDrained, .. }]), "{events:?}");
    assert_eq!(group.leave("a"), (Outcome::Done, Vec::new()), "asked once more, it is leaving already");
    assert_eq!(group.owner().0, "a".into(), "it answers until it has released");
    assert!(matches!(group.forget("a").0, Outcome::Refused(_)), "it still runs");
    group.release("a");
    assert_eq!(group.owner(), ("b".into(), Epoch(2)));
    group.close("a");
    assert_eq!(group.forget("a"), (Outcome::Done, vec![Event::Forgotten { node: "a".into() }]));
    assert_eq!(group.state.members.keys().collect::<Vec<_>>(), [&NodeName::from("b")]);
    assert!(matches!(group.forget("a").0, Outcome::Refused(_)), "there is nothing left to forget");
    assert!(matches!(group.leave("a").0, Outcome::Refused(_)), "nor anybody to leave");
}

#[test]
fn a_forgotten_node_comes_back_as_a_new_one() {
    let mut group = Group::new();
    let report = NodeReport { version: "1".into(), ..NodeReport::default() };
    group.done(Command::Report { node: "a".into(), incarnation: Incarnation(1), report });
    group.leave("a");
    group.release("a");
    group.close("a");
    group.forget("a");
    let (outcome, _) = group.open("a", 2);
    assert_eq!(outcome, Outcome::Session(SessionId(group.index)));
    let member = group.state.members[&NodeName::from("a")].clone();
    assert!(!member.draining && !member.leaving && member.report.is_none() && member.refused.is_empty(), "{member:?}");
    group.leave("b");
    group.release("b");
    assert_eq!(group.owner(), ("a".into(), Epoch(3)), "it serves again, under an epoch that it never had");
}

#[test]
fn a_node_that_the_configuration_gave_up_does_not_come_back() {
    let mut group = Group::new();
    group.leave("a");
    group.release("a");
    group.close("a");
    let remove = vec![ObjectKey::Node("a".into())];
    group.done(Command::Configure(Delta { remove, ..Delta::default() }));
    group.forget("a");
    assert!(matches!(group.open("a", 2).0, Outcome::Refused(_)));
    assert!(!group.state.members.contains_key(&NodeName::from("a")), "and leaves no trace");
    group.done(configure(vec![node("a")]));
    assert!(matches!(group.open("a", 2).0, Outcome::Session(_)), "until it is wanted again");
}

#[test]
fn a_dead_node_leaves_at_once_and_one_that_is_to_serve_again_stays() {
    let mut group = Group::new();
    group.close("a");
    assert_eq!(group.owner(), ("b".into(), Epoch(2)));
    group.leave("a");
    assert_eq!(group.forget("a").0, Outcome::Done);
    group.leave("b");
    group.done(Command::Drain { node: "b".into(), on: false });
    let member = group.state.members[&NodeName::from("b")].clone();
    assert!(!member.leaving && !member.draining, "{member:?}");
}
