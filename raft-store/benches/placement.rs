//! Placement at size: a first plan, the loss of a node, and the way back to the optimum.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use quorumlb_raft_store::model::{
    AddressKinds, Age, Dialect, Interface, InterfaceMatch, L2Policy, Labels, Node, NodeName, Pool, PoolMatch,
    PoolScope, Service, ServiceKey, Wanted,
};
use quorumlb_raft_store::placement::{
    Eligibility, Item, Move, NodeView, Problem, assign_orphans, is_optimal, rebalance,
};

fn wanted(nodes: u32, services: u32) -> Wanted {
    let mut wanted = Wanted::default();
    for index in 0..nodes {
        let name = NodeName(format!("node{index:04}"));
        let address = IpAddr::from(Ipv4Addr::from(0x0a00_0001 + index));
        let network = ipnetwork::IpNetwork::new(address, 8).expect("8 is a prefix length");
        let node = Node {
            name: name.clone(),
            labels: Labels::new(),
            address: None,
            interfaces: Some(vec![Interface { name: "net0".into(), addresses: vec![network], up: true }]),
            pod_cidrs: Vec::new(),
            addresses: vec![address],
            weight: 1,
            network_unavailable: false,
            unschedulable: false,
        };
        wanted.nodes.insert(name, node);
    }
    for index in 0..services {
        let key = ServiceKey::new("default", format!("service{index:06}"));
        wanted.services.insert(key.clone(), Box::new(Service::bare(key)));
    }
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
    wanted.l2_policies.insert((policy.dialect, policy.name.clone()), policy);
    wanted
}

fn pool() -> Pool {
    Pool {
        name: "pool".into(),
        dialect: Dialect::Native,
        age: Age::default(),
        labels: Labels::new(),
        blocks: Vec::new(),
        disabled: false,
        auto_assign: true,
        reserve_first_last: false,
        avoid_buggy: false,
        scope: PoolScope::default(),
        priority: None,
    }
}

/// Verdicts for all services, then owners for all that have none: what a plan and a node loss do.
fn replan(wanted: &Wanted, dead: Option<u32>, owners: &[Option<u32>]) -> Vec<Move> {
    let (pool, nobody) = (pool(), BTreeSet::new());
    let view = |(index, (name, node)): (u32, (&NodeName, _))| {
        let node: &Node = node;
        let interfaces = node.interfaces.as_deref();
        let view = NodeView { node, live: dead != Some(index), draining: false, interfaces, refused: &nobody };
        (name.clone(), view)
    };
    let views: BTreeMap<NodeName, NodeView> = (0_u32..).zip(&wanted.nodes).map(view).collect();
    let mut eligibility = Eligibility::new(wanted, &views);
    let addresses = (0x0a80_0000_u32..).map(|bits| IpAddr::from(Ipv4Addr::from(bits)));
    let items = wanted.services.values().zip(addresses).zip(owners).map(|((service, address), owner)| Item {
        class: eligibility.of(wanted, address, Some(&pool), &[service]).class(),
        owner: *owner,
    });
    let items = items.collect();
    assign_orphans(&eligibility.problem(items))
}

fn owners(moves: &[Move]) -> Vec<Option<u32>> {
    moves.iter().map(|one| Some(one.to)).collect()
}

/// Every item with its own set of two to five nodes, as with traffic policy Local, and no owners yet.
fn local(nodes: u32, items: u32) -> Problem {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((state >> 33) % u64::from(bound)).unwrap_or(0)
    };
    let mut class = || {
        let size = 2 + next(4);
        // The product of two uniform choices crowds the low nodes, so that there is something to relieve.
        let members: BTreeSet<u32> = (0..size).map(|_| next(nodes) * next(nodes) / nodes).collect();
        members.into_iter().collect::<Vec<u32>>()
    };
    let classes: Vec<Vec<u32>> = (0..items).map(|_| class()).collect();
    let items = (0..items).map(|class| Item { class, owner: None });
    Problem {
        weights: vec![1; nodes as usize],
        loads: Vec::new(),
        items: items.collect(),
        classes,
        fallbacks: Vec::new(),
    }
}

fn assigned(mut problem: Problem) -> Problem {
    for one in assign_orphans(&problem) {
        problem.items[one.item as usize].owner = Some(one.to);
    }
    problem
}

/// What is left when a node was lost, its items went elsewhere, and it is back.
fn after_return(problem: &Problem, node: u32) -> Problem {
    let mut without = assigned(problem.clone());
    without.classes.iter_mut().for_each(|class| class.retain(|member| *member != node));
    Problem { classes: problem.classes.clone(), ..assigned(without) }
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("placement");
    group.sample_size(10);
    for nodes in [4, 1000] {
        let wanted = wanted(nodes, 10_000);
        let before = owners(&replan(&wanted, None, &vec![None; 10_000]));
        group.bench_function(format!("node loss, 10,000 addresses, {nodes} nodes"), |bencher| {
            bencher.iter(|| replan(black_box(&wanted), Some(1), &before));
        });
    }
    let large = wanted(1000, 100_000);
    group.bench_function("first plan, 100,000 addresses, 1,000 nodes", |bencher| {
        bencher.iter(|| replan(black_box(&large), None, &vec![None; 100_000]));
    });
    let one_class = Problem {
        weights: vec![1; 1000],
        loads: Vec::new(),
        classes: vec![(0..1000).collect()],
        fallbacks: Vec::new(),
        items: vec![Item { class: 0, owner: Some(0) }; 100_000],
    };
    let orphans = local(1000, 100_000);
    let returned = after_return(&orphans, 500);
    group.bench_function("first plan, 100,000 classes of 2 to 5 of 1,000 nodes", |bencher| {
        bencher.iter(|| assign_orphans(black_box(&orphans)));
    });
    for (name, problem) in [("one class, all on one node", one_class), ("100,000 classes, a node is back", returned)] {
        group.bench_function(format!("rebalance, {name}"), |bencher| {
            bencher.iter_batched(|| problem.clone(), |problem| rebalance(&problem, usize::MAX), BatchSize::LargeInput);
        });
        group.bench_function(format!("rebalance by 10, {name}"), |bencher| {
            bencher.iter(|| rebalance(black_box(&problem), 10));
        });
        group.bench_function(format!("is optimal, {name}"), |bencher| bencher.iter(|| is_optimal(black_box(&problem))));
    }
    group.finish();
}

criterion_group!(placement, benches);
criterion_main!(placement);
