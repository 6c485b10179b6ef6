//! One command through `State::apply` in a state that holds much already: it is to cost what it changes, not what there
//! is.

#![expect(clippy::disallowed_types, reason = "a bench takes the time")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quorumlb_raft_store::machine::{Command, Epoch, Event, Incarnation, NodeReport, Proposal, State};
use quorumlb_raft_store::model::{
    AddressKinds, Age, Block, Delta, Dialect, Interface, InterfaceMatch, L2Policy, Labels, Node, NodeName, Object,
    ObjectKey, Pool, PoolMatch, PoolScope, Service, ServiceKey,
};

fn node(index: u32) -> Object {
    let address = format!("10.0.{}.{}/8", index / 250, index % 250 + 1).parse().expect("an address");
    Object::Node(Node {
        name: name(index),
        labels: Labels::new(),
        address: None,
        interfaces: Some(vec![Interface { name: "net0".into(), addresses: vec![address], up: true }]),
        pod_cidrs: Vec::new(),
        addresses: Vec::new(),
        weight: 1,
        network_unavailable: false,
        unschedulable: false,
    })
}

fn name(index: u32) -> NodeName {
    NodeName(format!("node{index:04}"))
}

fn key(index: u32) -> ServiceKey {
    ServiceKey::new(format!("team-{:02}", index % 50), format!("service-{index:06}"))
}

fn service(index: u32) -> Object {
    Object::Service(Box::new(Service::bare(key(index))))
}

fn ground(nodes: u32) -> Vec<Object> {
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
    let rest = [Object::Pool(Box::new(pool)), Object::L2Policy(Box::new(policy))];
    (0..nodes).map(node).chain(rest).collect()
}

fn proposal(command: Command) -> Proposal {
    Proposal { at_ms: 0, by: name(0), command }
}

fn put(put: Vec<Object>) -> Proposal {
    proposal(Command::Configure(Delta { put, ..Delta::default() }))
}

fn remove(services: std::ops::Range<u32>) -> Proposal {
    let remove = services.map(|index| ObjectKey::Service(key(index))).collect();
    proposal(Command::Configure(Delta { remove, ..Delta::default() }))
}

fn state(nodes: u32, services: u32) -> State {
    let mut state = State::default();
    state.apply(1, &put(ground(nodes)));
    for index in 0..nodes {
        let open = Command::OpenSession { node: name(index), incarnation: Incarnation(1) };
        state.apply(u64::from(index) + 2, &proposal(open));
        let report = Command::Report { node: name(index), incarnation: Incarnation(1), report: report(index) };
        state.apply(1_000_000, &proposal(report));
    }
    state.apply(2_000_000, &put((0..services).map(service).collect()));
    assert_eq!(state.owners.len(), services as usize);
    state
}

fn report(index: u32) -> NodeReport {
    let Object::Node(node) = node(index) else { return NodeReport::default() };
    NodeReport { version: "1".into(), interfaces: node.interfaces.unwrap_or_default(), ..NodeReport::default() }
}

#[derive(Clone, Copy, PartialEq)]
enum Count {
    Coming,
    Going,
}

/// Services come, go, and their owners release the addresses; the time of one half.
fn come_and_go(state: &mut State, come: &Proposal, go: &Proposal, rounds: u64, count: Count) -> Duration {
    let (mut coming, mut going) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        let start = Instant::now();
        let granted = state.apply(1, black_box(come)).events;
        coming += start.elapsed();
        let asked = |event: &Event| match event {
            Event::Granted { address, node, epoch, .. } => Some((node.clone(), (*address, *epoch))),
            _ => None,
        };
        let mut releases: BTreeMap<NodeName, Vec<(IpAddr, Epoch)>> = BTreeMap::new();
        for (node, owned) in granted.iter().filter_map(asked) {
            releases.entry(node).or_default().push(owned);
        }
        let release = |(node, addresses)| proposal(Command::Release { node, addresses });
        let releases: Vec<Proposal> = releases.into_iter().map(release).collect();
        let start = Instant::now();
        state.apply(1, black_box(go));
        for release in &releases {
            state.apply(1, black_box(release));
        }
        going += start.elapsed();
    }
    if count == Count::Coming { coming } else { going }
}

fn one_by_one(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(20);
    for (nodes, services) in [(4, 1_000), (4, 20_000), (4, 100_000), (1_000, 20_000)] {
        let mut state = state(nodes, services);
        let what = format!("{services} services, {nodes} nodes");
        for count in [1, 500] {
            let services = services..services + count;
            let (come, go) = (put(services.clone().map(service).collect()), remove(services));
            group.bench_function(format!("new services, {count}, {what}"), |bencher| {
                bencher.iter_custom(|rounds| come_and_go(&mut state, &come, &go, rounds, Count::Coming));
            });
            group.bench_function(format!("services gone and released, {count}, {what}"), |bencher| {
                bencher.iter_custom(|rounds| come_and_go(&mut state, &come, &go, rounds, Count::Going));
            });
        }
        let (address, owned) = state.owners.iter().next().expect("it has owners");
        let (address, node) = (*address, owned.node.clone());
        group.bench_function(format!("one address is released, {what}"), |bencher| {
            bencher.iter(|| {
                let owned = &state.owners[&address];
                let addresses = vec![(address, owned.epoch)];
                let release = proposal(Command::Release { node: owned.node.clone(), addresses });
                state.apply(1, black_box(&release))
            });
        });
        let again = proposal(Command::Report {
            node: node.clone(),
            incarnation: Incarnation(1),
            report: state.members[&node].report.clone().unwrap_or_default(),
        });
        group.bench_function(format!("a report without change, {what}"), |bencher| {
            bencher.iter(|| state.apply(1, black_box(&again)));
        });
        let rebalance = proposal(Command::Rebalance { limit: 10 });
        group.bench_function(format!("is it unbalanced, unchanged, {what}"), |bencher| {
            bencher.iter(|| black_box(&state).unbalanced());
        });
        group.bench_function(format!("rebalance what is balanced, {what}"), |bencher| {
            bencher.iter(|| state.apply(1, black_box(&rebalance)));
        });
        group.bench_function(format!("is it unbalanced, after a change, {what}"), |bencher| {
            bencher.iter_batched_ref(|| state.clone(), |state| state.unbalanced(), BatchSize::PerIteration);
        });
    }
    group.finish();
}

fn node_loss(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a node is lost, its session expires");
    group.sample_size(10);
    for (nodes, services) in [(4, 10_000), (1_000, 10_000), (4, 40_000)] {
        let state = state(nodes, services);
        let session = state.members[&name(1)].session.expect("it is live").id;
        let expire = proposal(Command::ExpireSession { node: name(1), session });
        group.bench_function(format!("{services} addresses, {nodes} nodes"), |bencher| {
            bencher.iter_batched_ref(|| state.clone(), |state| state.apply(1, &expire), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(apply, one_by_one, node_loss);
criterion_main!(apply);
