//! Random histories: an ownership ends only by its owner's release or refusal, or with its session (P3); epochs only grow; every owner has a session; a stored state goes on as one that was never stored; what is kept up step by step
//! equals what is worked out from scratch.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::model::*;

const NODES: [&str; 4] = ["a", "b", "c", "d"];

#[derive(Clone, Debug)]
enum Step {
    Open(usize, u64),
    Expire(usize),
    Close(usize),
    Link(usize, bool),
    Drain(usize, bool),
    Service(u8, Shape),
    Unservice(u8),
    Endpoints(u8, usize),
    Pick(usize),
    Forget(usize),
    Weight(usize, u32),
    ReleaseAll(usize),
    Refuse(usize, usize),
    Rebalance(u32),
    Put(u8, Shape),
    Delete(u8),
    HandOver(usize),
    Leave(usize),
}

/// What a service is like.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Plain,
    Local,
    Sharing,
    External(u8),
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        3 => Just(Shape::Plain),
        1 => Just(Shape::Local),
        1 => Just(Shape::Sharing),
        1 => (0..4_u8).prop_map(Shape::External),
    ]
}

fn service(key: ServiceKey, shape: Shape) -> Object {
    Object::Service(Box::new(shaped(key, shape)))
}

fn shaped(key: ServiceKey, shape: Shape) -> Service {
    let mut service = Service::bare(key);
    match shape {
        Shape::Plain => {}
        Shape::Local => service.external_policy = TrafficPolicy::Local,
        Shape::Sharing => {
            let sharing = Sharing { key: "k".into(), namespaces: BTreeSet::new(), permit_different_pods: false };
            service.requests.native_sharing = Some(Box::new(sharing));
        }
        Shape::External(last) => service.external_ips = vec![IpAddr::from([10, 0, 0, 100 + last])],
    }
    service
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES.len();
    prop_oneof![
        4 => (node.clone(), 1..4_u64).prop_map(|(node, run)| Step::Open(node, run)),
        1 => node.clone().prop_map(Step::Expire),
        1 => node.clone().prop_map(Step::Close),
        2 => (node.clone(), any::<bool>()).prop_map(|(node, up)| Step::Link(node, up)),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, on)| Step::Drain(node, on)),
        4 => (0..12_u8, shape()).prop_map(|(service, shape)| Step::Service(service, shape)),
        2 => (0..12_u8).prop_map(Step::Unservice),
        2 => (0..12_u8, node.clone()).prop_map(|(service, node)| Step::Endpoints(service, node)),
        1 => node.clone().prop_map(Step::Pick),
        1 => node.clone().prop_map(Step::Forget),
        1 => (node.clone(), 1..4_u32).prop_map(|(node, weight)| Step::Weight(node, weight)),
        3 => node.clone().prop_map(Step::ReleaseAll),
        1 => (node.clone(), 0..12_usize).prop_map(|(node, which)| Step::Refuse(node, which)),
        2 => (0..8_u32).prop_map(Step::Rebalance),
        // Some under the names of those from the files, which refuse them or take them over.
        2 => (10..14_u8, shape()).prop_map(|(service, shape)| Step::Put(service, shape)),
        1 => (10..14_u8).prop_map(Step::Delete),
        1 => node.clone().prop_map(Step::HandOver),
        1 => node.prop_map(Step::Leave),
    ]
}

fn node(index: usize, weight: u32) -> Object {
    Object::Node(Node {
        name: NODES[index].into(),
        labels: Labels::from([("name".to_owned(), NODES[index].to_owned())]),
        address: None,
        interfaces: Some(vec![interface(true)]),
        pod_cidrs: Vec::new(),
        addresses: Vec::new(),
        weight,
        network_unavailable: false,
        unschedulable: false,
    })
}

fn interface(up: bool) -> Interface {
    Interface { name: "net0".into(), addresses: vec!["10.0.0.1/24".parse().unwrap()], up }
}

fn ground() -> Vec<Object> {
    let pool = Pool {
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
    };
    let nodes = (0..NODES.len()).map(|index| node(index, 1));
    nodes.chain([Object::Pool(Box::new(pool)), policy("policy", None), Object::EndpointsKnown(true)]).collect()
}

/// A policy that prefers a node, or none.
fn policy(name: &str, prefers: Option<usize>) -> Object {
    let wish = |index: usize| NodePreference { weight: 1, nodes: Selector::label("name", NODES[index]) };
    Object::L2Policy(Box::new(L2Policy {
        name: name.into(),
        dialect: Dialect::Native,
        age: Age::default(),
        service_selectors: Vec::new(),
        pools: PoolMatch::All,
        node_selectors: Vec::new(),
        interfaces: InterfaceMatch::All,
        addresses: AddressKinds { load_balancer: true, external: true },
        preferences: prefers.map(wish).into_iter().collect(),
        any_subnet: false,
    }))
}

fn configure(put: Vec<Object>) -> Command {
    Command::Configure(Delta { put, ..Delta::default() })
}

fn owned(state: &State, node: &NodeName) -> Vec<(IpAddr, Epoch)> {
    state.owned_by(node).map(|(address, owned)| (address, owned.epoch)).collect()
}

/// The command of a step, and the node whose ownerships it may end at once.
fn command(state: &State, step: &Step) -> Option<(Command, Option<NodeName>)> {
    let name = |index: usize| NodeName::from(NODES[index]);
    let key = |number: u8| ServiceKey::new("default", format!("s{number}"));
    let session = |node: &NodeName| state.members.get(node)?.session;
    Some(match step {
        Step::Open(index, run) => (Command::OpenSession { node: name(*index), incarnation: Incarnation(*run) }, None),
        Step::Expire(index) => {
            let node = name(*index);
            let session = session(&node)?.id;
            (Command::ExpireSession { node: node.clone(), session }, Some(node))
        }
        Step::Close(index) => {
            let node = name(*index);
            let session = session(&node)?.id;
            (Command::CloseSession { node: node.clone(), session }, Some(node))
        }
        Step::Link(index, up) => {
            let node = name(*index);
            let incarnation = session(&node)?.incarnation;
            let report = NodeReport { interfaces: vec![interface(*up)], ..NodeReport::default() };
            (Command::Report { node, incarnation, report }, None)
        }
        Step::Drain(index, on) => (Command::Drain { node: name(*index), on: *on }, None),
        Step::Service(number, shape) => (configure(vec![service(key(*number), *shape)]), None),
        Step::Unservice(number) => {
            let remove = vec![ObjectKey::Endpoints(key(*number)), ObjectKey::Service(key(*number))];
            (Command::Configure(Delta { remove, ..Delta::default() }), None)
        }
        Step::Endpoints(number, index) => {
            let endpoint = Endpoint {
                address: IpAddr::from([10, 1, 0, 1]),
                node: Some(name(*index)),
                ready: true,
                serving: true,
                terminating: false,
            };
            (configure(vec![Object::Endpoints(key(*number), BTreeSet::from([endpoint]))]), None)
        }
        Step::Pick(index) => (configure(vec![policy("second", Some(*index))]), None),
        Step::Forget(index) => (Command::Forget { node: name(*index) }, None),
        Step::Weight(index, weight) => (configure(vec![node(*index, *weight)]), None),
        Step::ReleaseAll(index) => {
            let node = name(*index);
            let moving = state.owned_by(&node).filter(|(_, owned)| owned.moving.is_some());
            let addresses = moving.map(|(address, owned)| (address, owned.epoch)).collect();
            (Command::Release { node: node.clone(), addresses }, Some(node))
        }
        Step::Refuse(index, which) => {
            let node = name(*index);
            let (address, epoch) = *owned(state, &node).get(*which)?;
            (Command::Refuse { node: node.clone(), address, epoch, message: "no room".into() }, Some(node))
        }
        Step::Rebalance(limit) => (Command::Rebalance { limit: *limit }, None),
        Step::Put(number, shape) => (Command::PutService(Box::new(shaped(key(*number), *shape))), None),
        Step::Delete(number) => (Command::DeleteService(key(*number)), None),
        Step::HandOver(index) => {
            let node = name(*index);
            let session = session(&node)?.id;
            (Command::HandOver { node, session }, None)
        }
        Step::Leave(index) => (Command::Leave { node: name(*index) }, None),
    })
}

/// A state from which everything derived was thrown away, with every address looked at once more.
fn looked_at_again(state: &State) -> (State, Vec<Event>) {
    let (mut again, mut events) = (state.clone(), Vec::new());
    again.reindex();
    again.settle(&owners::Reconsider::Everything, &mut events);
    (again, events)
}

fn stored_and_loaded(state: &State) -> State {
    crate::replica::import(&crate::replica::export(state).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn ownerships_end_only_as_promised(steps in prop::collection::vec(step(), 1..60)) {
        let mut state = State::default();
        let by = NodeName::from("test");
        state.apply(1, &Proposal { at_ms: 0, by: by.clone(), command: configure(ground()) });
        let mut twin = stored_and_loaded(&state);
        let mut epochs: BTreeMap<IpAddr, Epoch> = BTreeMap::new();
        for (index, step) in (2_u64..).zip(&steps) {
            let Some((command, ender)) = command(&state, step) else { continue };
            let before = state.owners.clone();
            let proposal = Proposal { at_ms: 0, by: by.clone(), command };
            let applied = state.apply(index, &proposal);
            prop_assert_eq!(&applied, &twin.apply(index, &proposal), "a restored replica decides the same");
            for (address, owned) in &before {
                let same = state.owners.get(address).is_some_and(|now| now.epoch == owned.epoch && now.node == owned.node);
                prop_assert!(
                    same || ender.as_ref() == Some(&owned.node),
                    "{} was taken from {} by {:?}", address, owned.node, step
                );
            }
            for event in &applied.events {
                if let Event::Granted { address, epoch, .. } = event {
                    let last = epochs.insert(*address, *epoch);
                    prop_assert!(last.is_none_or(|last| last < *epoch), "{} had epoch {:?} again", address, epoch);
                }
            }
            for (address, owned) in &state.owners {
                let member = state.members.get(&owned.node);
                prop_assert!(member.is_some_and(|member| member.session.is_some()), "{} has a dead owner", address);
            }
            let unbalanced = state.unbalanced();
            let (_, _, problem) = state.problem(&mut state.eligibility());
            prop_assert_eq!(unbalanced, !crate::placement::is_optimal(&problem), "after {:?}", step);
            twin = stored_and_loaded(&twin);
            prop_assert_eq!(&twin, &state);
            prop_assert_eq!(twin.unbalanced(), unbalanced);
            prop_assert_eq!(looked_at_again(&state), (twin.clone(), Vec::new()), "{:?} left something undone", step);
        }
    }
}

#[test]
fn an_external_address_that_is_taken_back_loses_its_owner() {
    let mut state = State::default();
    let mut apply = |index, command| {
        state.apply(index, &Proposal { at_ms: 0, by: NodeName::from("test"), command });
        state.owners.len()
    };
    apply(1, configure(ground()));
    apply(2, Command::OpenSession { node: "a".into(), incarnation: Incarnation(1) });
    let key = ServiceKey::new("default", "web");
    let external = |last| configure(vec![service(key.clone(), Shape::External(last))]);
    apply(3, configure(vec![Object::Endpoints(key.clone(), BTreeSet::new())]));
    assert_eq!(apply(4, external(1)), 2);
    assert_eq!(apply(5, external(2)), 3, "the old one waits for its owner's release");
    let asked = state.owners.iter().filter(|(_, owned)| owned.moving.is_some()).map(|(address, _)| *address);
    assert_eq!(asked.collect::<Vec<_>>(), ["10.0.0.101".parse::<IpAddr>().unwrap()]);
}

#[test]
fn the_address_of_a_deleted_service_is_released_because_nobody_has_it() {
    let mut state = State::default();
    let mut apply =
        |index, command| state.apply(index, &Proposal { at_ms: 0, by: NodeName::from("test"), command }).events;
    apply(1, configure(ground()));
    apply(2, Command::OpenSession { node: "a".into(), incarnation: Incarnation(1) });
    let key = ServiceKey::new("default", "web");
    apply(3, configure(vec![service(key.clone(), Shape::Plain)]));
    let events = apply(4, Command::Configure(Delta { remove: vec![ObjectKey::Service(key)], ..Delta::default() }));
    let asked = events.iter().find_map(|event| match event {
        Event::ReleaseAsked { address, epoch, why, .. } => Some((*address, *epoch, *why)),
        _ => None,
    });
    let (address, epoch, why) = asked.expect("its owner is asked to release it");
    assert_eq!(why, MoveReason::Unused);
    let events = apply(5, Command::Release { node: "a".into(), addresses: vec![(address, epoch)] });
    let message = "no service has the address any more".to_owned();
    assert_eq!(events, [Event::Unowned { address, from: "a".into(), message }]);
}

#[test]
fn a_wanted_state_is_adopted_as_a_delta_of_all_its_objects_is_applied() {
    let mut wanted = Wanted::default();
    ground().into_iter().for_each(|object| wanted.put(object));
    for (number, shape) in (0..).zip([Shape::Plain, Shape::Local, Shape::Sharing, Shape::Sharing, Shape::External(1)]) {
        wanted.put(service(ServiceKey::new("default", format!("s{number}")), shape));
    }
    let mut configured = State::default();
    configured.apply(
        1,
        &Proposal {
            at_ms: 0,
            by: "a".into(),
            command: Command::OpenSession { node: "a".into(), incarnation: Incarnation(1) },
        },
    );
    let (mut adopted, mut events) = (configured.clone(), Vec::new());
    let command = configure(wanted.objects().collect());
    let applied = configured.apply(2, &Proposal { at_ms: 0, by: "a".into(), command });
    adopted.adopt(wanted, &mut events);
    adopted.earlier_hold = configured.earlier_hold;
    assert_eq!((adopted, events), (configured, applied.events));
}

#[test]
fn the_longest_earlier_hold_counts_until_a_leader_has_seen_the_last_change_stand() {
    let mut state = State::default();
    let ms = std::time::Duration::from_millis;
    let apply = |state: &mut State, command| {
        let proposal = Proposal { at_ms: 0, by: NodeName::from("test"), command };
        state.apply(1, &proposal).outcome
    };
    let hold = |ms: std::time::Duration| {
        let liveness = Liveness { hold: ms, ..Liveness::default() };
        configure(vec![Object::Settings(ClusterSettings { liveness, ..ClusterSettings::default() })])
    };
    apply(&mut state, hold(ms(5000)));
    apply(&mut state, hold(ms(600)));
    let changes = state.hold_shrunk().unwrap();
    apply(&mut state, hold(ms(400)));
    assert_eq!(state.longest_hold(), ms(5000), "a promise of 5 s may still run");
    assert!(matches!(apply(&mut state, Command::HoldStands { changes }), Outcome::Refused(_)), "it changed again");
    let changes = state.hold_shrunk().unwrap();
    assert_eq!(apply(&mut state, Command::HoldStands { changes }), Outcome::Done);
    assert_eq!((state.longest_hold(), state.hold_shrunk()), (ms(400), None));
}
