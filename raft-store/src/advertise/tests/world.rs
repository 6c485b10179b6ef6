//! Small clusters to ask.

use std::collections::{BTreeMap, BTreeSet};

use crate::advertise::{Announcer, PeerKey};
use crate::machine::{Command, Outcome, Proposal, State};
use crate::model::*;

/// A state that objects are put into, as a node would propose them.
#[derive(Default)]
pub(super) struct World {
    pub(super) state: State,
    index: u64,
}

impl World {
    /// Nodes `a` and `b`, a pool 10.0.0.0/24 of each dialect's own network, and known endpoints.
    pub(super) fn new() -> Self {
        let mut world = Self::default();
        let mut objects = vec![Object::EndpointsKnown(true), node("a"), node("b")];
        objects.extend([(Dialect::Native, 0), (Dialect::Cilium, 1), (Dialect::MetalLb, 2)].map(pool));
        world.put(objects);
        world
    }

    pub(super) fn put(&mut self, objects: impl IntoIterator<Item = Object>) {
        self.configure(Delta { put: objects.into_iter().collect(), ..Delta::default() });
    }

    pub(super) fn remove(&mut self, key: ObjectKey) {
        self.configure(Delta { remove: vec![key], ..Delta::default() });
    }

    fn configure(&mut self, delta: Delta) {
        self.apply(Command::Configure(delta));
    }

    pub(super) fn apply(&mut self, command: Command) {
        self.index += 1;
        let proposal = Proposal { at_ms: 0, by: "a".into(), command };
        assert_eq!(self.state.apply(self.index, &proposal).outcome, Outcome::Done);
    }

    /// A node's announcer that has seen the state.
    pub(super) fn announcer(&self, node: &str) -> Announcer {
        let mut announcer = Announcer::new(node.into());
        announcer.follow(&self.state);
        announcer
    }
}

/// What an announcer tells a peer, by prefix.
pub(super) fn told(announcer: &Announcer, peer: &PeerKey) -> BTreeMap<String, (u32, String)> {
    let routes = announcer.table(peer).into_iter().flat_map(|table| table.routes());
    routes
        .map(|route| {
            let communities: Vec<String> = route.attributes.communities.iter().map(ToString::to_string).collect();
            (route.prefix.to_string(), (route.attributes.local_pref, communities.join(" ")))
        })
        .collect()
}

/// The prefixes that an announcer tells a peer.
pub(super) fn prefixes(announcer: &Announcer, peer: &PeerKey) -> BTreeSet<String> {
    told(announcer, peer).into_keys().collect()
}

pub(super) fn plain_node(name: &str) -> Node {
    let pods = if name == "a" { "10.1.0.0/24" } else { "10.1.1.0/24" };
    Node {
        name: name.into(),
        labels: Labels::from([("name".to_owned(), name.to_owned())]),
        address: None,
        interfaces: None,
        pod_cidrs: vec![pods.parse().unwrap()],
        addresses: Vec::new(),
        weight: 1,
        network_unavailable: false,
        unschedulable: false,
    }
}

pub(super) fn node(name: &str) -> Object {
    Object::Node(plain_node(name))
}

fn pool((dialect, number): (Dialect, u8)) -> Object {
    Object::Pool(Box::new(Pool {
        name: format!("{dialect:?}"),
        dialect,
        age: Age::default(),
        labels: Labels::new(),
        blocks: vec![Block::Cidr(format!("10.0.{number}.0/24").parse().unwrap())],
        disabled: false,
        auto_assign: true,
        reserve_first_last: false,
        avoid_buggy: false,
        scope: PoolScope::default(),
        priority: None,
    }))
}

/// A peer of our own AS that every node keeps a session with, told by labels for Cilium.
pub(super) fn peer(dialect: Dialect, name: &str, address: &str) -> BgpPeer {
    let families = Family::BOTH.map(|family| PeerFamily { family, advertisements: Some(Selector::default()) });
    BgpPeer {
        name: name.to_owned(),
        dialect,
        age: Age::default(),
        policy: "policy".to_owned(),
        instance: "main".to_owned(),
        short_name: name.to_owned(),
        node_selectors: Vec::new(),
        local_asn: Some(65_000),
        remote: BgpRemote::Address(address.parse().unwrap()),
        remote_asn: RemoteAsn::Number(65_000),
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
        families: families.into(),
    }
}

/// An advertisement of the pools' addresses of every service, to every peer of its dialect.
pub(super) fn advertisement(dialect: Dialect, name: &str) -> BgpAdvertisement {
    BgpAdvertisement {
        name: name.to_owned(),
        dialect,
        labels: Labels::new(),
        peers: PeerMatch::All,
        node_selectors: Vec::new(),
        what: services(&[ServiceAddressKind::LoadBalancer], Some(Vec::new())),
        aggregation_v4: 32,
        aggregation_v6: 128,
        communities: BTreeSet::new(),
        local_pref: None,
    }
}

pub(super) fn services(kinds: &[ServiceAddressKind], selectors: Option<Vec<Selector>>) -> Advertised {
    Advertised::Services { kinds: kinds.iter().copied().collect(), selectors, pools: PoolMatch::All }
}

pub(super) fn put_peer(peer: BgpPeer) -> Object {
    Object::BgpPeer(Box::new(peer))
}

pub(super) fn put_advertisement(told: BgpAdvertisement) -> Object {
    Object::BgpAdvertisement(Box::new(told))
}

pub(super) fn key(name: &str) -> ServiceKey {
    ServiceKey::new("default", name)
}

/// A service that asks for an address by the annotation of each dialect whose pool it is from.
pub(super) fn service(name: &str, address: &str) -> Service {
    let mut service = Service::bare(key(name));
    service.requests.load_balancer_ip = Some(address.parse().unwrap());
    service
}

pub(super) fn put_service(service: Service) -> Object {
    Object::Service(Box::new(service))
}

/// Ready endpoints on these nodes.
pub(super) fn endpoints(name: &str, nodes: &[&str]) -> Object {
    let endpoint = |(number, node): (usize, &&str)| Endpoint {
        address: format!("10.9.0.{number}").parse().unwrap(),
        node: Some((*node).into()),
        ready: true,
        serving: true,
        terminating: false,
    };
    Object::Endpoints(key(name), nodes.iter().enumerate().map(endpoint).collect())
}
