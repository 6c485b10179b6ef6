//! Random histories: an ownership ends only by its owner's release, report or refusal, or with its session (P3); epochs
//! only grow; every owner has a session; a stored state goes on as one that was never stored.

use std::collections::BTreeMap;
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
    Service(u8, bool),
    Weight(usize, u32),
    ReleaseAll(usize),
    Refuse(usize, usize),
    Rebalance(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let node = 0..NODES.len();
    prop_oneof![
        4 => (node.clone(), 1..4_u64).prop_map(|(node, run)| Step::Open(node, run)),
        1 => node.clone().prop_map(Step::Expire),
        1 => node.clone().prop_map(Step::Close),
        2 => (node.clone(), any::<bool>()).prop_map(|(node, up)| Step::Link(node, up)),
        1 => (node.clone(), any::<bool>()).prop_map(|(node, on)| Step::Drain(node, on)),
        4 => (0..12_u8, any::<bool>()).prop_map(|(service, there)| Step::Service(service, there)),
        1 => (node.clone(), 1..4_u32).prop_map(|(node, weight)| Step::Weight(node, weight)),
        3 => node.clone().prop_map(Step::ReleaseAll),
        1 => (node, 0..12_usize).prop_map(|(node, which)| Step::Refuse(node, which)),
        2 => (0..8_u32).prop_map(Step::Rebalance),
    ]
}

fn node(index: usize, weight: u32) -> Object {
    Object::Node(Node {
        name: NODES[index].into(),
        labels: Labels::new(),
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
    let policy = L2Policy {
        name: "policy".into(),
        dialect: Dialect::Native,
        age: Age::default(),
        service_selectors: Vec::new(),
        pools: PoolMatch::All,
        node_selectors: Vec::new(),
        interfaces: InterfaceMatch::All,
        addresses: AddressKinds { load_balancer: true, external: false },
        preferences: Vec::new(),
        any_subnet: false,
    };
    let nodes = (0..NODES.len()).map(|index| node(index, 1));
    nodes.chain([Object::Pool(Box::new(pool)), Object::L2Policy(Box::new(policy))]).collect()
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
            (Command::Report { node: node.clone(), incarnation, report }, Some(node))
        }
        Step::Drain(index, on) => (Command::Drain { node: name(*index), on: *on }, None),
        Step::Service(number, there) => {
            let key = ServiceKey::new("default", format!("s{number}"));
            let command = match there {
                true => configure(vec![Object::Service(Box::new(Service::bare(key)))]),
                false => Command::Configure(Delta { remove: vec![ObjectKey::Service(key)], ..Delta::default() }),
            };
            (command, None)
        }
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
    })
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
            twin = stored_and_loaded(&twin);
            prop_assert_eq!(&twin, &state);
        }
    }
}
