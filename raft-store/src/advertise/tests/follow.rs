//! Keeping up with the state.

use std::collections::BTreeSet;

use super::world::*;
use crate::advertise::{Announcer, GRACEFUL_SHUTDOWN, PeerKey, Phase, SessionChange, Update};
use crate::model::*;

const LEAF: fn() -> PeerKey = || (Dialect::Native, "leaf".to_owned());

fn world() -> World {
    let mut world = World::new();
    let mut told = advertisement(Dialect::Native, "all");
    told.communities.insert(Community::Standard(65_000, 1));
    let pods = BgpAdvertisement { what: Advertised::PodCidrs, ..advertisement(Dialect::Native, "pods") };
    world.put([
        put_peer(peer(Dialect::Native, "leaf", "10.0.9.1")),
        put_advertisement(told),
        put_advertisement(pods),
        put_service(service("web", "10.0.0.1")),
        put_service(service("db", "10.0.0.2")),
    ]);
    world
}

/// The prefixes of an update for the leaf, withdrawn ones with a minus.
fn changed(update: &Update) -> Vec<String> {
    let routes = update.routes.get(&LEAF()).into_iter().flat_map(|routes| routes.iter());
    routes.map(|route| format!("{}{}", if route.attributes.is_some() { "" } else { "-" }, route.prefix)).collect()
}

#[test]
fn a_first_look_opens_sessions_whose_routes_are_in_their_table() {
    let world = world();
    let mut announcer = Announcer::new("a".into());
    let update = announcer.follow(&world.state);
    assert!(matches!(update.sessions[&LEAF()], SessionChange::Opened(_)) && update.routes.is_empty());
    let expected = ["10.0.0.1/32", "10.0.0.2/32", "10.1.0.0/24"].map(str::to_owned);
    assert_eq!(prefixes(&announcer, &LEAF()), BTreeSet::from(expected));
    assert!(announcer.follow(&world.state).is_empty());
}

#[test]
fn a_change_of_a_service_gives_its_routes_alone() {
    let mut world = world();
    let mut announcer = world.announcer("a");
    world.put([put_service(service("web", "10.0.0.7"))]);
    assert_eq!(changed(&announcer.follow(&world.state)), ["-10.0.0.1/32", "10.0.0.7/32"]);
    let mut local = service("web", "10.0.0.7");
    local.external_policy = TrafficPolicy::Local;
    world.put([put_service(local)]);
    assert_eq!(changed(&announcer.follow(&world.state)), ["-10.0.0.7/32"]);
    world.put([endpoints("web", &["b"])]);
    assert_eq!(changed(&announcer.follow(&world.state)), [] as [&str; 0]);
    world.put([endpoints("web", &["a", "b"])]);
    assert_eq!(changed(&announcer.follow(&world.state)), ["10.0.0.7/32"]);
    world.remove(ObjectKey::Service(key("web")));
    assert_eq!(changed(&announcer.follow(&world.state)), ["-10.0.0.7/32"]);
}

#[test]
fn a_change_of_an_advertisement_sends_only_what_differs() {
    let mut world = world();
    let mut announcer = world.announcer("a");
    let mut told = advertisement(Dialect::Native, "all");
    told.communities.insert(Community::Standard(65_000, 2));
    let one = Selector::label("io.kubernetes.service.name", "web");
    told.what = services(&[ServiceAddressKind::LoadBalancer], Some(vec![one]));
    world.put([put_advertisement(told)]);
    let update = announcer.follow(&world.state);
    assert_eq!(changed(&update), ["10.0.0.1/32", "-10.0.0.2/32"]);
    assert!(update.sessions.is_empty(), "the session stays up");
    let leaf = BgpPeer { port: 1179, ..peer(Dialect::Native, "leaf", "10.0.9.1") };
    world.put([put_peer(leaf)]);
    let update = announcer.follow(&world.state);
    assert!(matches!(update.sessions[&LEAF()], SessionChange::Changed(_)) && update.routes.is_empty());
    world.remove(ObjectKey::BgpPeer(Dialect::Native, "leaf".into()));
    assert_eq!(announcer.follow(&world.state).sessions[&LEAF()], SessionChange::Closed);
}

#[test]
fn sessions_that_are_told_the_same_share_a_table() {
    let mut world = world();
    world.put([put_peer(peer(Dialect::Native, "second", "10.0.9.2"))]);
    let mut announcer = world.announcer("a");
    let second = (Dialect::Native, "second".to_owned());
    assert!(std::ptr::eq(announcer.table(&LEAF()).unwrap(), announcer.table(&second).unwrap()));
    world.put([put_service(service("more", "10.0.0.3"))]);
    let update = announcer.follow(&world.state);
    assert!(std::sync::Arc::ptr_eq(&update.routes[&LEAF()], &update.routes[&second]));
    let mut only = advertisement(Dialect::Native, "only");
    (only.peers, only.aggregation_v4) = (PeerMatch::Names(["second".to_owned()].into()), 24);
    world.put([put_advertisement(only)]);
    let update = announcer.follow(&world.state);
    assert_eq!(changed(&update), [] as [&str; 0]);
    assert_eq!(update.routes[&second].len(), 1, "a session that gets a table of its own is sent the difference");
}

#[test]
fn a_shared_address_is_told_until_the_last_service_is_gone() {
    let mut world = world();
    let external = |name| {
        let mut service = Service::bare(key(name));
        (service.kind, service.external_ips) = (ServiceKind::ClusterIp, vec!["30.0.0.1".parse().unwrap()]);
        put_service(service)
    };
    let told = advertisement(Dialect::Native, "external");
    world.put([
        put_advertisement(BgpAdvertisement { what: services(&[ServiceAddressKind::External], Some(vec![])), ..told }),
        external("one"),
        external("two"),
    ]);
    let mut announcer = world.announcer("a");
    world.remove(ObjectKey::Service(key("one")));
    assert!(announcer.follow(&world.state).is_empty());
    world.remove(ObjectKey::Service(key("two")));
    assert_eq!(changed(&announcer.follow(&world.state)), ["-30.0.0.1/32"]);
}

#[test]
fn a_drained_node_marks_its_services_then_withdraws_them_and_keeps_its_pods() {
    let world = world();
    let mut announcer = world.announcer("a");
    let update = announcer.set_phase(Phase::GracefulShutdown);
    assert_eq!(changed(&update), ["10.0.0.1/32", "10.0.0.2/32"]);
    let now = told(&announcer, &LEAF());
    assert_eq!(now["10.0.0.1/32"], (0, format!("65000:1 {GRACEFUL_SHUTDOWN}")));
    assert_eq!(now["10.1.0.0/24"], (100, String::new()));
    assert_eq!(changed(&announcer.set_phase(Phase::Withdrawn)), ["-10.0.0.1/32", "-10.0.0.2/32"]);
    assert_eq!(prefixes(&announcer, &LEAF()), BTreeSet::from(["10.1.0.0/24".to_owned()]));
    assert_eq!(changed(&announcer.set_phase(Phase::Serving)), ["10.0.0.1/32", "10.0.0.2/32"]);
    assert_eq!(told(&announcer, &LEAF()), told(&world.announcer("a"), &LEAF()));
}

#[test]
fn what_the_datapath_has_not_confirmed_is_not_told() {
    let mut world = world();
    let mut announcer = world.announcer("a");
    let address = |text: &str| text.parse().unwrap();
    let update = announcer.set_unprogrammed(&world.state, [address("10.0.0.1"), address("10.0.0.3")].into());
    assert_eq!(changed(&update), ["-10.0.0.1/32"]);
    world.put([put_service(service("more", "10.0.0.3"))]);
    assert!(announcer.follow(&world.state).is_empty());
    let update = announcer.set_unprogrammed(&world.state, [address("10.0.0.1")].into());
    assert_eq!(changed(&update), ["10.0.0.3/32"]);
}

#[test]
fn addresses_turn_when_the_first_service_begins_and_the_last_one_ends_to_have_them_told() {
    let mut world = world();
    let mut announcer = Announcer::new("a".into());
    let began = |update: &Update| (update.addresses.began.clone(), update.addresses.ended.clone());
    let of =
        |addresses: &[&str]| addresses.iter().map(|text| text.parse().unwrap()).collect::<BTreeSet<std::net::IpAddr>>();
    assert_eq!(began(&announcer.follow(&world.state)), (of(&["10.0.0.1", "10.0.0.2"]), of(&[])));
    world.put([put_service(service("web", "10.0.0.7"))]);
    assert_eq!(began(&announcer.follow(&world.state)), (of(&["10.0.0.7"]), of(&["10.0.0.1"])));
    assert_eq!(announcer.addresses().collect::<BTreeSet<_>>(), of(&["10.0.0.2", "10.0.0.7"]));
    world.remove(ObjectKey::BgpAdvertisement(Dialect::Native, "all".to_owned()));
    assert_eq!(began(&announcer.follow(&world.state)), (of(&[]), of(&["10.0.0.2", "10.0.0.7"])));
}
