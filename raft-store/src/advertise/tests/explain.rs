//! Why a node does not tell an address.

use super::world::*;
use crate::advertise::{Cause, LiveSession, NoSession, PeerKey, Phase, Untold};
use crate::model::*;

fn metallb(name: &str) -> PeerKey {
    (Dialect::MetalLb, name.to_owned())
}

/// A service of MetalLB's on 10.0.2.1, told to `leaf` by nodes with endpoints.
fn world() -> World {
    let mut world = World::new();
    world.put([
        put_peer(BgpPeer { families: v4(), ..peer(Dialect::MetalLb, "leaf", "10.0.9.1") }),
        put_advertisement(advertisement(Dialect::MetalLb, "all")),
        put_service(service("web", "10.0.2.1")),
        endpoints("web", &["b"]),
    ]);
    world
}

fn v4() -> Vec<PeerFamily> {
    vec![PeerFamily { family: Family::V4, advertisements: None }]
}

fn nearest(world: &World, node: &str, peer: &str, address: &str, live: &LiveSession) -> Option<Untold> {
    let announcer = world.announcer(node);
    let explained = announcer.explain(&world.state, &metallb(peer), address.parse().unwrap(), live);
    assert_eq!(explained.told.is_empty(), !explained.obstacles.is_empty(), "{explained:?}");
    explained.obstacles.first().map(|obstacle| obstacle.why.clone())
}

/// A change, and the reason that it gives.
type Case = (fn(&mut World), Untold);

#[test]
fn each_rule_has_its_reason() {
    let cases: [Case; 12] = [
        (|world| world.remove(ObjectKey::Service(key("web"))), Untold::NoService),
        (
            |world| world.put([with_advertisement(|told| told.peers = PeerMatch::Names(["x".into()].into()))]),
            Untold::NoAdvertisement,
        ),
        (|world| world.put([with_advertisement(|told| told.what = Advertised::PodCidrs)]), Untold::NotAboutServices),
        (
            |world| {
                let none = vec![Selector::label("a", "b")];
                let what = services(&[ServiceAddressKind::LoadBalancer], Some(none));
                world.put([with_advertisement(|told| told.what = what)]);
            },
            Untold::ServiceNotSelected,
        ),
        (
            |world| {
                let what = services(&[ServiceAddressKind::Cluster], Some(Vec::new()));
                world.put([with_advertisement(|told| told.what = what)]);
            },
            Untold::KindNotWanted,
        ),
        (
            |world| {
                let mut told = advertisement(Dialect::MetalLb, "all");
                if let Advertised::Services { pools, .. } = &mut told.what {
                    *pools = PoolMatch::Some { names: ["other".to_owned()].into(), selectors: Vec::new() };
                }
                world.put([put_advertisement(told)]);
            },
            Untold::PoolNotSelected,
        ),
        (
            |world| world.put([with_advertisement(|told| told.node_selectors = vec![Selector::label("name", "b")])]),
            Untold::NodeNotSelected,
        ),
        (
            |world| {
                let mut node = plain_node("a");
                node.labels.insert(EXCLUDE_LABEL.to_owned(), String::new());
                world.put([Object::Node(node)]);
            },
            Untold::Excluded,
        ),
        (
            |world| world.put([Object::Node(Node { network_unavailable: true, ..plain_node("a") })]),
            Untold::NetworkUnavailable,
        ),
        (|world| world.put([endpoints("web", &[])]), Untold::NoBackend),
        (
            |world| {
                let service = Service { external_policy: TrafficPolicy::Local, ..service("web", "10.0.2.1") };
                world.put([put_service(service)]);
            },
            Untold::NoLocalBackend,
        ),
        (
            |world| {
                let on_b = vec![Selector::label("name", "b")];
                let leaf = peer(Dialect::MetalLb, "leaf", "10.0.9.1");
                world.put([put_peer(BgpPeer { node_selectors: on_b, families: v4(), ..leaf })]);
            },
            Untold::NoSession(NoSession::NotSelected),
        ),
    ];
    assert_eq!(nearest(&world(), "a", "leaf", "10.0.2.1", &LiveSession::Unknown), None);
    for (change, why) in cases {
        let mut world = world();
        change(&mut world);
        assert_eq!(nearest(&world, "a", "leaf", "10.0.2.1", &LiveSession::Unknown), Some(why));
    }
}

fn with_advertisement(change: impl FnOnce(&mut BgpAdvertisement)) -> Object {
    let mut told = advertisement(Dialect::MetalLb, "all");
    change(&mut told);
    put_advertisement(told)
}

#[test]
fn what_is_known_at_run_time_counts() {
    let world = world();
    let ask = |peer, address, live: &LiveSession| nearest(&world, "a", peer, address, live);
    assert_eq!(ask("leaf", "10.0.2.1", &LiveSession::Up([Family::V4].into())), None);
    assert_eq!(ask("leaf", "10.0.2.1", &LiveSession::Down), Some(Untold::SessionDown));
    let v6 = LiveSession::Up([Family::V6].into());
    assert_eq!(ask("leaf", "10.0.2.1", &v6), Some(Untold::FamilyNotNegotiated(Family::V4)));
    assert_eq!(ask("nobody", "10.0.2.1", &v6), Some(Untold::NoSession(NoSession::NoPeer)));
    assert_eq!(nearest(&world, "c", "leaf", "10.0.2.1", &v6), Some(Untold::NoNode));
    let mut announcer = world.announcer("a");
    let address = "10.0.2.1".parse().unwrap();
    announcer.set_phase(Phase::Withdrawn);
    let explained = announcer.explain(&world.state, &metallb("leaf"), address, &LiveSession::Unknown);
    assert_eq!(explained.obstacles[0].why, Untold::Draining);
    assert_eq!(explained.obstacles[0].to_string(), "advertisement all: service default/web: the node is draining");
    announcer.set_phase(Phase::Serving);
    announcer.set_unprogrammed(&world.state, [address].into());
    let explained = announcer.explain(&world.state, &metallb("leaf"), address, &LiveSession::Unknown);
    assert_eq!(explained.obstacles[0].why, Untold::NotProgrammed);
}

#[test]
fn the_family_must_be_wanted() {
    let mut world = world();
    let mut external = Service::bare(key("six"));
    external.external_ips = vec!["fd00::1".parse().unwrap()];
    world.put([put_service(external)]);
    let why = nearest(&world, "a", "leaf", "fd00::1", &LiveSession::Unknown);
    assert_eq!(why, Some(Untold::FamilyNotWanted(Family::V6)));
}

#[test]
fn what_is_told_comes_with_its_causes() {
    let mut world = world();
    let aggregate = BgpAdvertisement { aggregation_v4: 24, ..advertisement(Dialect::MetalLb, "wide") };
    world.put([put_advertisement(aggregate)]);
    let announcer = world.announcer("a");
    let ask = |address: &str| {
        let explained =
            announcer.explain(&world.state, &metallb("leaf"), address.parse().unwrap(), &LiveSession::Unknown);
        let told = explained.told.into_iter().map(|route| (route.prefix.to_string(), route.because));
        told.collect::<Vec<_>>()
    };
    let cause = |advertisement: &str, service| vec![Cause { advertisement: advertisement.to_owned(), service }];
    let web = Some(key("web"));
    assert_eq!(
        ask("10.0.2.1"),
        [("10.0.2.1/32".to_owned(), cause("all", web.clone())), ("10.0.2.0/24".to_owned(), cause("wide", web)),]
    );
    assert_eq!(ask("10.0.2.9"), [("10.0.2.0/24".to_owned(), cause("wide", None))], "by another's aggregate");
}
