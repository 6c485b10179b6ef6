//! Which sessions a node keeps.

use std::collections::BTreeMap;

use super::world::*;
use crate::advertise::{NextHop, NoSession, PeerKey, SessionKind, Sessions};
use crate::model::*;

fn sessions(world: &World, node: &str) -> Sessions {
    Sessions::of(&world.state.wanted.bgp, &world.state.views()[&node.into()])
}

fn cilium(name: &str) -> PeerKey {
    (Dialect::Cilium, name.to_owned())
}

#[test]
fn overrides_of_a_node_count_for_its_instance_alone() {
    let mut world = World::new();
    let mut without_asn = peer(Dialect::Cilium, "spine", "10.0.9.2");
    (without_asn.local_asn, without_asn.instance) = (None, "second".to_owned());
    let own = InstanceOverride {
        router_id: Some([1, 2, 3, 4].into()),
        listen_port: Some(1790),
        local_asn: Some(65_009),
        local_addresses: BTreeMap::from([("leaf".to_owned(), [10, 0, 9, 11].into())]),
    };
    let second = InstanceOverride { local_asn: Some(65_010), ..InstanceOverride::default() };
    let instances = BTreeMap::from([("main".to_owned(), own), ("second".to_owned(), second)]);
    world.put([
        put_peer(peer(Dialect::Cilium, "leaf", "10.0.9.1")),
        put_peer(without_asn),
        put_peer(BgpPeer { instance: String::new(), ..peer(Dialect::Native, "native", "10.0.9.3") }),
        Object::BgpOverride(Box::new(BgpOverride { node: "a".into(), instances })),
    ]);
    let bgp = &world.state.wanted.bgp;
    let on_a = sessions(&world, "a");
    let leaf = on_a.get(bgp, &cilium("leaf")).unwrap();
    assert_eq!((leaf.local_asn, leaf.listen_port, leaf.router_id), (65_009, Some(1790), Some([1, 2, 3, 4].into())));
    assert_eq!(leaf.source, BgpSource::Address([10, 0, 9, 11].into()));
    assert_eq!(leaf.kind(), SessionKind::External, "by the override it is of another AS");
    assert_eq!(on_a.get(bgp, &cilium("spine")).unwrap().local_asn, 65_010);
    assert_eq!(on_a.get(bgp, &(Dialect::Native, "native".into())).unwrap().local_asn, 65_000);
    let on_b = sessions(&world, "b");
    assert_eq!(on_b.get(bgp, &cilium("leaf")).unwrap().kind(), SessionKind::Internal);
    assert_eq!(on_b.get(bgp, &cilium("spine")), Err(NoSession::NoLocalAsn));
    assert_eq!(on_b.get(bgp, &cilium("nobody")), Err(NoSession::NoPeer));
}

#[test]
fn of_two_policies_of_cilium_the_older_one_stands() {
    let mut world = World::new();
    let of = |policy: &str, created, name, address| BgpPeer {
        policy: policy.to_owned(),
        age: Age { created },
        ..peer(Dialect::Cilium, name, address)
    };
    world.put([
        put_peer(of("newer", Some(2), "newer/peer", "10.0.9.1")),
        put_peer(of("older", Some(1), "older/peer", "10.0.9.2")),
        put_peer(of("older", Some(1), "older/second", "10.0.9.3")),
        put_peer(peer(Dialect::Native, "native", "10.0.9.4")),
    ]);
    let found = sessions(&world, "a");
    let kept: Vec<&str> = found.kept.iter().map(|session| session.peer.1.as_str()).collect();
    assert_eq!(kept, ["older/peer", "older/second", "native"]);
    let stands = NoSession::OtherPolicy { stands: "older".into() };
    assert_eq!(found.refused, BTreeMap::from([(cilium("newer/peer"), stands)]));
}

#[test]
fn a_node_keeps_one_session_with_a_router() {
    let mut world = World::new();
    let on_b = vec![Selector::label("name", "b")];
    world.put([
        put_peer(BgpPeer { node_selectors: on_b, ..peer(Dialect::MetalLb, "first", "10.0.9.1") }),
        put_peer(peer(Dialect::MetalLb, "second", "10.0.9.1")),
        put_peer(BgpPeer { port: 1179, ..peer(Dialect::MetalLb, "third", "10.0.9.1") }),
    ]);
    let kept = |node| sessions(&world, node).kept.into_iter().map(|session| session.peer.1).collect::<Vec<_>>();
    assert_eq!(kept("a"), ["second", "third"]);
    assert_eq!(kept("b"), ["first", "third"]);
    let why = &sessions(&world, "b").refused[&(Dialect::MetalLb, "second".into())];
    assert_eq!(*why, NoSession::SameRouter { stands: "first".into() });
}

#[test]
fn the_kind_and_the_next_hop_follow_the_router() {
    let mut world = World::new();
    let with = |remote: BgpRemote, remote_asn| BgpPeer { remote, remote_asn, ..peer(Dialect::Native, "x", "10.0.9.1") };
    let address = |text: &str| BgpRemote::Address(text.parse().unwrap());
    let [own, plain] = [NextHop::Session, NextHop::OfInterface(Family::V6)];
    for (remote, asn, kind, hops) in [
        (address("10.0.9.1"), RemoteAsn::Internal, SessionKind::Internal, [own, plain]),
        (address("fd00::1"), RemoteAsn::External, SessionKind::External, [NextHop::ExtendedOrInterface, own]),
        (
            BgpRemote::Interface("net0".into()),
            RemoteAsn::FromOpen,
            SessionKind::FromOpen,
            [NextHop::ExtendedOrInterface, own],
        ),
        (BgpRemote::DefaultGateway(Family::V4), RemoteAsn::Number(1), SessionKind::External, [own, plain]),
    ] {
        world.put([put_peer(with(remote, asn))]);
        let session = &sessions(&world, "a").kept[0];
        assert_eq!((session.kind(), Family::BOTH.map(|family| session.next_hop(family))), (kind, hops));
        assert_eq!(session.accepts(65_000), kind != SessionKind::External);
        assert_eq!(session.accepts(1), kind != SessionKind::Internal);
        assert_eq!(session.accepts(2), [SessionKind::FromOpen].contains(&kind) || asn == RemoteAsn::External);
    }
}

#[test]
fn the_router_id_is_the_nodes_first_ipv4_address() {
    let mut world = World::new();
    world.put([put_peer(peer(Dialect::Native, "leaf", "10.0.9.1"))]);
    let id = |world: &World| sessions(world, "a").kept[0].router_id;
    assert_eq!(id(&world), None);
    let addresses = ["127.0.0.1/8", "10.0.5.12/24", "10.0.5.11/24", "fd00::1/64"].map(|text| text.parse().unwrap());
    let interface = Interface { name: "net0".into(), addresses: addresses.into(), up: true };
    world.put([Object::Node(Node { interfaces: Some(vec![interface]), ..plain_node("a") })]);
    assert_eq!(id(&world), Some([10, 0, 5, 11].into()));
}
