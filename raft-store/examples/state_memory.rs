//! What a state takes: `cargo run --release -p quorumlb-raft-store --example state_memory -- 20000`.
//! Prints the growth of the resident set while a state of that many services is built, part by part.

use quorumlb_raft_store::machine::{Command, Incarnation, Proposal, State};
use quorumlb_raft_store::model::{
    AddressKinds, Age, Block, Delta, Dialect, Interface, InterfaceMatch, L2Policy, Labels, Node, NodeName, Object,
    Pool, PoolMatch, PoolScope, Port, Protocol, Service, ServiceKey,
};

fn resident_kib() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4
}

fn ground() -> Vec<Object> {
    let node = |index: u32| {
        let address = format!("10.0.0.{}/8", index + 1).parse().expect("an address");
        Object::Node(Node {
            name: NodeName(format!("node{index}")),
            labels: Labels::new(),
            address: None,
            interfaces: Some(vec![Interface { name: "net0".into(), addresses: vec![address], up: true }]),
            pod_cidrs: Vec::new(),
            addresses: Vec::new(),
            weight: 1,
            network_unavailable: false,
            unschedulable: false,
        })
    };
    let pool = Pool {
        name: "pool".into(),
        dialect: Dialect::Native,
        age: Age::default(),
        labels: Labels::new(),
        blocks: vec![Block::Cidr("10.128.0.0/14".parse().expect("a network"))],
        disabled: false,
        auto_assign: true,
        reserve_first_last: false,
        avoid_buggy: false,
        scope: PoolScope::default(),
        priority: None,
    };
    let policy = L2Policy {
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
    };
    (0..4).map(node).chain([Object::Pool(Box::new(pool)), Object::L2Policy(Box::new(policy))]).collect()
}

/// With two labels, a pod selector and a port, as services usually have.
fn service(index: u32) -> Object {
    let mut service = Service::bare(ServiceKey::new(format!("team-{:02}", index % 50), format!("service-{index:06}")));
    service.labels.insert("app".into(), format!("app-{}", index % 997));
    service.labels.insert("tier".into(), "front".into());
    service.pod_selector.insert("app".into(), format!("app-{}", index % 997));
    service.ports = [Port { number: 80, protocol: Protocol::Tcp, name: "http".into() }].into();
    Object::Service(Box::new(service))
}

fn main() {
    let services = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let start = resident_kib();
    let mut state = State::default();
    let mut apply = |command| state.apply(1, &Proposal { at_ms: 0, by: "test".into(), command });
    apply(Command::Configure(Delta { put: ground(), ..Delta::default() }));
    for index in 0..4 {
        let node = NodeName(format!("node{index}"));
        apply(Command::OpenSession { node, incarnation: Incarnation(1) });
    }
    for index in 0..services {
        apply(Command::Configure(Delta { put: vec![service(index)], ..Delta::default() }));
    }
    println!("{services} services: {} KiB, {} bytes each in place", resident_kib() - start, size_of::<Service>());
    let before = resident_kib();
    let wanted = state.wanted.clone();
    println!("  wanted, copied: {} KiB", resident_kib() - before);
    let before = resident_kib();
    let (book, owners) = (state.book.clone(), resident_kib());
    println!("  book, copied: {} KiB", owners - before);
    let copy = state.owners.clone();
    println!("  owners, copied: {} KiB", resident_kib() - owners);
    assert_eq!(wanted.services.len() + book.grants().count() + copy.len(), 3 * services as usize);
}
