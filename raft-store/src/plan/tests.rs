//! The acceptance examples of balance and stability, and the article's L2 example by hand.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::machine::MoveReason;
use crate::model::*;

fn node(name: &str, address: &str, rack: &str) -> Object {
    Object::Node(Node {
        name: name.into(),
        labels: Labels::from([("rack".to_owned(), rack.to_owned())]),
        address: None,
        interfaces: Some(vec![Interface { name: "net0".into(), addresses: vec![address.parse().unwrap()], up: true }]),
        pod_cidrs: Vec::new(),
        addresses: Vec::new(),
        weight: 1,
        network_unavailable: false,
        unschedulable: false,
    })
}

fn pool(first: &str, last: &str) -> Object {
    let range = IpRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
    Object::Pool(Box::new(Pool {
        name: "pool".into(),
        dialect: Dialect::Native,
        age: Age::default(),
        labels: Labels::new(),
        blocks: vec![Block::Range(range)],
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
    }))
}

fn put(objects: Vec<Object>) -> Wanted {
    let mut wanted = Wanted::default();
    objects.into_iter().for_each(|object| wanted.put(object));
    wanted
}

/// `services` services over nodes 1 to `nodes`, all on one segment.
fn cluster(nodes: &[u8], services: usize) -> Wanted {
    let nodes = nodes.iter().map(|n| node(&format!("node{n}"), &format!("10.0.5.1{n}/24"), "rack0"));
    let services =
        (0..services).map(|n| Object::Service(Box::new(Service::bare(ServiceKey::new("default", format!("s{n:03}"))))));
    put(nodes.chain([pool("10.0.5.100", "10.0.5.254"), policy()]).chain(services).collect())
}

fn loads(plan: &Plan) -> Vec<usize> {
    let mut loads = BTreeMap::<&str, usize>::new();
    plan.owners.iter().for_each(|owner| *loads.entry(&owner.node).or_default() += 1);
    let mut loads: Vec<_> = loads.into_values().collect();
    loads.sort_unstable();
    loads
}

#[test]
fn a_hundred_addresses_spread_move_and_return() {
    let first = plan(&cluster(&[1, 2, 3, 4], 100), None);
    assert_eq!(loads(&first), [25, 25, 25, 25]);

    let second = plan(&cluster(&[1, 2, 4], 100), Some(&first));
    assert_eq!(loads(&second), [33, 33, 34]);
    assert_eq!(second.moves.len(), 25);
    assert!(second.moves.iter().all(|step| step.from == "node3" && step.why == MoveReason::NodeLost));
    assert_eq!(first.allocations, second.allocations, "P2");

    let third = plan(&cluster(&[1, 2, 3, 4], 100), Some(&second));
    assert_eq!(loads(&third), [25, 25, 25, 25]);
    assert_eq!(third.moves.len(), 25);
    assert!(third.moves.iter().all(|step| step.to.as_deref() == Some("node3") && step.why == MoveReason::Rebalance));
    assert!(third.moves.iter().all(|step| {
        let epoch = |plan: &Plan| plan.owners.iter().find(|owner| owner.address == step.address).unwrap().epoch;
        epoch(&third) == epoch(&second) + 1
    }));
}

#[test]
fn the_same_input_again_changes_nothing() {
    let first = plan(&cluster(&[1, 2, 3], 50), None);
    let again = plan(&cluster(&[1, 2, 3], 50), Some(&first));
    assert_eq!(again, first);
}

#[test]
fn services_that_lose_their_address_are_listed() {
    let first = plan(&cluster(&[1], 4), None);
    assert_eq!(first.lost, []);
    let mut wanted = cluster(&[1], 4);
    wanted.put(pool("10.0.5.102", "10.0.5.104"));
    wanted.services.remove(&ServiceKey::new("default", "s003"));
    let second = plan(&wanted, Some(&first));
    let told: Vec<String> =
        second.lost.iter().map(|of| format!("{} {:?} {:?} {}", of.service, of.addresses, of.now, of.why)).collect();
    assert_eq!(
        told,
        [
            "default/s000 [10.0.5.100] [10.0.5.103] its pool, or what it asks for, has changed",
            "default/s001 [10.0.5.101] [10.0.5.104] its pool, or what it asks for, has changed",
            "default/s003 [10.0.5.103] [] the service is gone",
        ]
    );
    wanted.put(pool("10.0.5.102", "10.0.5.102"));
    let third = plan(&wanted, Some(&first));
    assert!(third.lost[0].why.starts_with("OutOfAddresses: ") && third.lost[0].now.is_empty(), "{:?}", third.lost);
}

#[test]
fn only_the_segment_that_holds_the_address_answers() {
    let mut wanted = cluster(&[1, 2], 10);
    wanted.put(node("node3", "10.0.10.11/24", "rack1"));
    let plan = plan(&wanted, None);
    let nodes: BTreeSet<_> = plan.owners.iter().map(|owner| owner.node.as_str()).collect();
    assert_eq!(nodes, BTreeSet::from(["node1", "node2"]));
    assert!(plan.owners.iter().all(|owner| owner.interfaces == ["net0"] && owner.epoch == 1));
}

#[test]
fn what_is_full_leaves_the_rest_pending() {
    let mut wanted = cluster(&[1], 4);
    wanted.put(pool("10.0.5.100", "10.0.5.102"));
    let plan = plan(&wanted, None);
    assert_eq!(plan.allocations.len(), 3);
    assert_eq!(plan.pending.len(), 1);
    assert_eq!(plan.pending[0].service, "default/s003");
    assert_eq!(plan.pending[0].reason, "OutOfAddresses");
    assert_eq!((plan.pools[0].total, plan.pools[0].used), (3, 3));
}
