use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::sharing::{Pact, Terms, may_share};
use super::world::*;
use crate::model::{Dialect, Port, Protocol, Service, ServiceKey, TrafficPolicy};

fn local(mut service: Service, pods: Option<&str>, permit: bool) -> Service {
    service.external_policy = TrafficPolicy::Local;
    service.pod_selector = pods.map(|pods| ("app".to_owned(), pods.to_owned())).into_iter().collect();
    for sharing in [&mut service.requests.cilium_sharing, &mut service.requests.native_sharing].into_iter().flatten() {
        sharing.permit_different_pods = permit;
    }
    service
}

#[test]
fn cilium_and_native_share_by_key_namespace_ports_policy_and_pods() {
    let a = |name: &str| ports(asking(service(name), "10.0.0.5"), &[80]);
    let b = |name: &str| ports(asking(service(name), "10.0.0.5"), &[81]);
    let udp_80 = |name: &str| {
        let mut service = b(name);
        service.ports = [Port { number: 80, protocol: Protocol::Udp, name: String::new() }].into();
        service
    };
    for (a, b, expected) in [
        (sharing(a("x/a"), "k", &[]), sharing(b("x/b"), "k", &[]), "10.0.0.5"),
        (sharing(a("x/a"), "k", &[]), sharing(b("x/b"), "other", &[]), "+SharingRefused"),
        (a("x/a"), sharing(b("x/b"), "k", &[]), "+SharingRefused"),
        (sharing(a("x/a"), "k", &[]), b("x/b"), "+AddressInUse"),
        (sharing(a("x/a"), "k", &[]), sharing(a("x/b"), "k", &[]), "+SharingRefused"),
        (sharing(a("x/a"), "k", &[]), sharing(udp_80("x/b"), "k", &[]), "10.0.0.5"),
        (sharing(a("x/a"), "k", &[]), sharing(b("y/b"), "k", &[]), "+SharingRefused"),
        (sharing(a("x/a"), "k", &["y"]), sharing(b("y/b"), "k", &[]), "+SharingRefused"),
        (sharing(a("x/a"), "k", &[]), sharing(b("y/b"), "k", &["x"]), "+SharingRefused"),
        (sharing(a("x/a"), "k", &["y"]), sharing(b("y/b"), "k", &["*"]), "10.0.0.5"),
        (sharing(a("x/a"), "k", &[]), local(sharing(b("x/b"), "k", &[]), Some("w"), false), "+SharingRefused"),
        (
            local(sharing(a("x/a"), "k", &[]), Some("w"), false),
            local(sharing(b("x/b"), "k", &[]), Some("w"), false),
            "10.0.0.5",
        ),
        (
            local(sharing(a("x/a"), "k", &[]), Some("w"), true),
            local(sharing(b("x/b"), "k", &[]), Some("v"), false),
            "+SharingRefused",
        ),
        (
            local(sharing(a("x/a"), "k", &[]), Some("w"), true),
            local(sharing(b("x/b"), "k", &[]), Some("v"), true),
            "10.0.0.5",
        ),
        (
            local(sharing(a("x/a"), "k", &[]), None, true),
            local(sharing(b("x/b"), "k", &[]), None, true),
            "+SharingRefused",
        ),
    ] {
        for dialect in [Dialect::Cilium, Dialect::Native] {
            let mut world = World::new([pool(dialect, "p", &["10.0.0.0/24"])]);
            world.set([a.clone()]);
            world.set([b.clone()]);
            let got = world.all(&[&a.key.to_string(), &b.key.to_string()]);
            assert_eq!(got, ["10.0.0.5", expected], "{dialect:?} {a:?} {b:?}");
        }
    }
}

#[test]
fn a_key_without_a_request_joins_where_it_can() {
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    world.set([service("x")]);
    world.set([sharing(ports(service("a"), &[80]), "k", &[])]);
    world.remove("x");
    world.set([sharing(ports(service("b"), &[81]), "k", &[]), sharing(ports(service("c"), &[80]), "k", &[])]);
    assert_eq!(world.all(&["a", "b", "c"]), ["10.0.0.1", "10.0.0.1", "10.0.0.0"]);
    assert_eq!(world.book.users_of(ip("10.0.0.1")).map(|key| key.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(world.book.addresses().collect::<Vec<_>>(), [ip("10.0.0.0"), ip("10.0.0.1")]);
    world.remove("a");
    assert_eq!(world.has("b"), "10.0.0.1", "the sibling stays");
    world.set([service("y")]);
    assert_eq!(world.has("y"), "10.0.0.2", "and the address is not free");
}

#[test]
fn who_changes_so_that_sharing_ends_goes_itself() {
    for pools in [false, true] {
        let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
        world.set([aged(sharing(ports(service("a"), &[80]), "k", &[]), 1)]);
        world.set([aged(sharing(ports(service("b"), &[81]), "k", &[]), 2)]);
        let clashing = aged(sharing(ports(service("a"), &[80, 81]), "k", &[]), 1);
        world.wanted.services.insert(key("a"), Box::new(clashing));
        world.look(pools, [key("a")]);
        assert_eq!(world.all(&["a", "b"]), ["10.0.0.1", "10.0.0.0"], "the older one changed, so it goes");
    }
}

#[test]
fn a_refused_request_is_retried_when_the_other_changes() {
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    world.set([sharing(ports(service("a"), &[80]), "k", &[])]);
    world.set([asking(sharing(ports(service("b"), &[80]), "k", &[]), "10.0.0.0")]);
    assert_eq!(world.has("b"), "+SharingRefused");
    assert_eq!(
        world.message("b"),
        "10.0.0.0 cannot be shared with default/a, which already answers on port 80/TCP; use another port or another \
         address"
    );
    world.set([sharing(ports(service("a"), &[443]), "k", &[])]);
    assert_eq!(world.all(&["a", "b"]), ["10.0.0.0", "10.0.0.0"]);
}

#[test]
fn a_waiting_service_joins_an_address_that_its_key_gets() {
    let mut world = World::new([cilium("p", &["10.0.0.1/32"])]);
    world.set([service("x")]);
    world.set([
        aged(sharing(ports(service("a"), &[80]), "k", &[]), 1),
        aged(sharing(ports(service("b"), &[81]), "k", &[]), 2),
    ]);
    assert_eq!(world.all(&["a", "b"]), ["+OutOfAddresses", "+OutOfAddresses"]);
    world.remove("x");
    assert_eq!(world.all(&["a", "b"]), ["10.0.0.1", "10.0.0.1"]);
}

#[test]
fn a_waiting_service_joins_a_holder_that_takes_up_its_key() {
    let mut world = World::new([cilium("p", &["10.0.0.1/32"])]);
    world.set([ports(service("holder"), &[80])]);
    world.set([sharing(ports(service("waits"), &[81]), "k", &[])]);
    assert_eq!(world.has("waits"), "+OutOfAddresses");
    world.set([sharing(ports(service("holder"), &[80]), "k", &[])]);
    assert_eq!(world.all(&["holder", "waits"]), ["10.0.0.1", "10.0.0.1"]);
}

#[test]
fn a_pool_that_does_not_serve_the_service_is_not_joined() {
    let mut world = World::new([
        for_tier(cilium("front", &["10.0.0.0/24"]), "front"),
        for_tier(cilium("back", &["10.0.1.0/24"]), "back"),
    ]);
    world.set([sharing(ports(tier(service("a"), "front"), &[80]), "k", &[])]);
    world.set([sharing(ports(tier(service("b"), "back"), &[81]), "k", &[])]);
    assert_eq!(world.has("b"), "10.0.1.0");
}

#[test]
fn a_conflict_does_not_part_those_who_share() {
    let mut newer = cilium("p", &["10.0.0.1/32"]);
    newer.age = crate::model::Age { created: Some(1) };
    let mut world = World::new([newer]);
    world.set([sharing(tier(service("a"), "front"), "k", &[]), sharing(tier(service("b"), "back"), "k", &[])]);
    world.set_pools([for_tier(cilium("older", &["10.0.0.0/24"]), "front")]);
    assert_eq!(world.all(&["a", "b"]), ["10.0.0.1", "10.0.0.1"]);
}

fn any_terms() -> impl Strategy<Value = Terms> {
    let namespaces = prop::collection::btree_set(prop::sample::select(vec!["x", "y", "z", "*"]), 0..3);
    let pods = prop::option::of(prop::sample::select(vec!["w", "v"]));
    let about = (prop::sample::select(vec!["x", "y", "z"]), namespaces, prop::bool::weighted(0.3), pods);
    let rest = (any::<bool>(), any::<bool>(), prop::collection::vec(0_u16..40, 0..2), any::<bool>());
    (about, rest).prop_map(|((namespace, consents, is_local, pods), (permit, k, numbers, metallb))| {
        let consents: Vec<&str> = consents.into_iter().collect();
        let key = if k { "k" } else { "l" };
        let mut service = sharing(ports(service(&format!("{namespace}/s")), &numbers), key, &consents);
        if is_local {
            service = local(service, pods, permit);
        }
        Terms::of(&service, if metallb { Dialect::MetalLb } else { Dialect::Cilium }).unwrap()
    })
}

proptest! {
    #[test]
    fn the_sums_of_a_pact_agree_with_asking_each_member(
        steps in prop::collection::vec((any_terms(), prop::option::weighted(0.2, 0_usize..30)), 1..60),
    ) {
        let mut pact: Option<Pact> = None;
        let mut members: BTreeMap<ServiceKey, Terms> = BTreeMap::new();
        for (number, (terms, leaver)) in steps.into_iter().enumerate() {
            let admitted = members.values().all(|member| may_share(member, &terms));
            let refused = pact.as_ref().and_then(|pact| pact.refuses(&terms));
            prop_assert_eq!(refused.is_none(), admitted, "{:?} against {:?}", terms, members);
            if let Some((_, against)) = refused {
                prop_assert!(!may_share(&members[against], &terms), "the wrong one is named");
            } else {
                let key = ServiceKey::new("n", format!("{number:03}"));
                members.insert(key.clone(), terms.clone());
                match &mut pact {
                    Some(pact) => pact.join(key, terms),
                    None => pact = Some(Pact::new(key, terms)),
                }
            }
            let gone = leaver.and_then(|at| members.keys().nth(at).cloned());
            if let (Some(gone), Some(agreed)) = (gone, &mut pact) {
                prop_assert_eq!(agreed.leave(&gone), members.remove(&gone));
            }
            if members.is_empty() {
                pact = None;
            }
        }
    }
}
