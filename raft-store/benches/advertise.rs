//! What one node tells its routers: all of it anew, and after the change of one service.

#![expect(clippy::disallowed_types, reason = "a bench takes the time")]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use quorumlb_raft_store::advertise::Announcer;
use quorumlb_raft_store::machine::{Command, Proposal, State};
use quorumlb_raft_store::model::{
    Advertised, Age, BgpAdvertisement, BgpPeer, BgpRemote, BgpSource, BgpTimers, Block, Community, Delta, Dialect,
    Family, Labels, Node, NodeName, Object, PeerFamily, PeerMatch, Pool, PoolMatch, PoolScope, RemoteAsn, Selector,
    Service, ServiceAddressKind, ServiceKey,
};

fn node(index: u32) -> Object {
    Object::Node(Node {
        name: name(index),
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

fn name(index: u32) -> NodeName {
    NodeName(format!("node{index:04}"))
}

fn service(index: u32, generation: u32) -> Object {
    let key = ServiceKey::new(format!("team-{:02}", index % 50), format!("service-{index:06}"));
    let mut service = Service::bare(key);
    service.labels.insert("tier".into(), if (index + generation).is_multiple_of(2) { "front" } else { "back" }.into());
    Object::Service(Box::new(service))
}

fn peer(index: u8) -> Object {
    let name = format!("leaf{index}");
    Object::BgpPeer(Box::new(BgpPeer {
        name: name.clone(),
        dialect: Dialect::Native,
        age: Age::default(),
        policy: "policy".into(),
        instance: String::new(),
        short_name: name,
        node_selectors: Vec::new(),
        local_asn: Some(65_000),
        remote: BgpRemote::Address([10, 0, 0, index].into()),
        remote_asn: RemoteAsn::Internal,
        port: 179,
        listen_port: None,
        source: BgpSource::Any,
        router_id: None,
        timers: BgpTimers::default(),
        ebgp_hops: 1,
        minimum_ttl: None,
        graceful_restart_seconds: None,
        password: None,
        bfd: None,
        families: vec![PeerFamily { family: Family::V4, advertisements: None }],
    }))
}

fn advertisement(name: &str, selectors: Vec<Selector>, community: u16) -> Object {
    Object::BgpAdvertisement(Box::new(BgpAdvertisement {
        name: name.into(),
        dialect: Dialect::Native,
        labels: Labels::new(),
        peers: PeerMatch::All,
        node_selectors: Vec::new(),
        what: Advertised::Services {
            kinds: [ServiceAddressKind::LoadBalancer].into(),
            selectors: Some(selectors),
            pools: PoolMatch::All,
        },
        aggregation_v4: 32,
        aggregation_v6: 128,
        communities: [Community::Standard(65_000, community)].into(),
        local_pref: None,
    }))
}

fn pool() -> Object {
    Object::Pool(Box::new(Pool {
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
    }))
}

fn put(state: &mut State, put: Vec<Object>) {
    let command = Command::Configure(Delta { put, ..Delta::default() });
    state.apply(1, &Proposal { at_ms: 0, by: name(0), command });
}

fn state(nodes: u32, services: u32) -> State {
    let mut state = State::default();
    let front = vec![Selector::label("tier", "front")];
    let ground = [pool(), peer(1), peer(2), advertisement("all", Vec::new(), 1), advertisement("front", front, 2)];
    put(&mut state, (0..nodes).map(node).chain(ground).collect());
    put(&mut state, (0..services).map(|index| service(index, 0)).collect());
    state
}

fn routes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("advertise");
    group.sample_size(10);
    for (nodes, services) in [(4, 1_000), (1_000, 10_000), (1_000, 100_000)] {
        let what = format!("{services} services, {nodes} nodes");
        let mut state = state(nodes, services);
        group.bench_function(format!("everything, {what}"), |bencher| {
            bencher.iter_with_large_drop(|| {
                let mut announcer = Announcer::new(name(0));
                announcer.follow(black_box(&state));
                announcer
            });
        });
        let mut announcer = Announcer::new(name(0));
        announcer.follow(&state);
        let mut generation = 0;
        group.bench_function(format!("one service changed, {what}"), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    generation += 1;
                    put(&mut state, vec![service(generation % services, generation)]);
                    let start = Instant::now();
                    black_box(announcer.follow(black_box(&state)));
                    taken += start.elapsed();
                }
                taken
            });
        });
        group.bench_function(format!("not programmed, then programmed, {what}"), |bencher| {
            let address = "10.128.0.0".parse().expect("an address");
            bencher.iter(|| {
                announcer.set_unprogrammed(&state, BTreeSet::from([address]));
                announcer.set_unprogrammed(&state, BTreeSet::new())
            });
        });
    }
    group.finish();
}

criterion_group!(advertise, routes);
criterion_main!(advertise);
