use super::world::*;
use crate::model::{Dialect, Family, FamilyPolicy, Namespace, Pool, Selector, Service, TrafficPolicy};

fn pinned(mut pool: Pool, namespace: &str, priority: Option<u32>) -> Pool {
    pool.scope.pinned = true;
    pool.scope.namespaces.insert(namespace.into());
    pool.priority = priority;
    pool
}

fn asking_list(addresses: &[&str]) -> Service {
    let mut service = service("asking");
    service.requests.metallb = addresses.iter().map(|address| ip(address)).collect();
    service
}

fn dual(mut service: Service, policy: FamilyPolicy) -> Service {
    service.family_policy = policy;
    service.families = Family::BOTH.to_vec();
    service
}

#[test]
fn scoped_pools_are_asked_by_priority_then_the_others_by_name() {
    let mut world = World::new([
        metallb("a-open", &["10.0.0.1/32"]),
        metallb("b-open", &["10.0.0.2/32"]),
        pinned(metallb("c-late", &["10.0.1.1/32"]), "default", None),
        pinned(metallb("d-second", &["10.0.1.2/32"]), "default", Some(20)),
        pinned(metallb("e-first", &["10.0.1.3/32"]), "default", Some(10)),
        pinned(metallb("f-other", &["10.0.1.4/32"]), "elsewhere", Some(1)),
    ]);
    let names = ["s1", "s2", "s3", "s4", "s5", "s6"];
    world.set(names.map(service));
    let expected = ["10.0.1.3", "10.0.1.2", "10.0.1.1", "10.0.0.1", "10.0.0.2", "+OutOfAddresses"];
    assert_eq!(world.all(&names), expected);
}

#[test]
fn namespaces_are_named_or_selected() {
    let mut by_label = metallb("p", &["10.0.0.0/24"]);
    by_label.scope.pinned = true;
    by_label.scope.namespaces.insert("named".into());
    by_label.scope.namespace_selectors =
        vec![Selector::label("team", "web"), Selector::label("kubernetes.io/metadata.name", "by-name")];
    let mut world = World::new([by_label]);
    let mut team = Namespace { name: "team".into(), ..Namespace::default() };
    team.labels.insert("team".into(), "web".into());
    world.wanted.namespaces.insert("team".into(), team);
    world.look(true, []);
    world.set(["named/a", "team/a", "by-name/a", "other/a"].map(service));
    let got = world.all(&["named/a", "team/a", "by-name/a", "other/a"]);
    assert_eq!(got, ["10.0.0.1", "10.0.0.2", "10.0.0.0", "+NoMatchingPool"]);
    world.wanted.namespaces.clear();
    world.look(true, []);
    assert_eq!(world.has("team/a"), "+NoMatchingPool", "the namespace lost its label");
}

#[test]
fn auto_assign_off_gives_only_on_request() {
    let mut pool = metallb("metallb-system/expensive", &["10.0.0.0/24"]);
    pool.auto_assign = false;
    let mut world = World::new([pool]);
    let mut by_pool = service("by-pool");
    by_pool.requests.pool = Some("expensive".into());
    world.set([service("any"), by_pool, asking(service("by-address"), "10.0.0.9")]);
    assert_eq!(world.all(&["any", "by-pool", "by-address"]), ["+NoMatchingPool", "10.0.0.0", "10.0.0.9"]);
    assert!(world.message("any").contains("give out only on request (metallb-system/expensive)"));
}

#[test]
fn a_named_pool_binds() {
    let mut world = World::new([metallb("one", &["10.0.0.0/24"]), metallb("two", &["10.0.1.0/24"])]);
    let named = |pool: &str, service: Service| {
        let mut service = service;
        service.requests.pool = Some(pool.into());
        service
    };
    world.set([named("two", service("a"))]);
    assert_eq!(world.has("a"), "10.0.1.0");
    world.set([named("one", service("a"))]);
    assert_eq!(world.has("a"), "10.0.0.0", "the request changed");
    world.set([named("none", service("a"))]);
    assert_eq!(world.has("a"), "+NoMatchingPool");
    assert_eq!(world.message("a"), "there is no pool named none; create it or name another");
    world.set([named("one", asking(service("a"), "10.0.1.7"))]);
    assert_eq!(world.has("a"), "+AddressNotInPool");
}

#[test]
fn requests_are_one_of_each_family_at_most() {
    let mut world = World::new([metallb("p", &["10.0.0.0/24", "fd00::/64"]), metallb("q", &["fd01::/64"])]);
    world.set([asking(service("holder"), "10.0.0.50")]);
    for (addresses, expected) in [
        (&["10.0.0.5", "fd00::5"][..], "10.0.0.5 fd00::5"),
        (&["10.0.0.5", "10.0.0.6"], "10.0.0.5 +InvalidRequest"),
        (&["10.0.0.5", "fd00::5", "fd00::6"], "10.0.0.5 +InvalidRequest"),
        (&["10.0.0.7"], "10.0.0.7"),
    ] {
        world.set([asking_list(addresses)]);
        assert_eq!(world.has("asking").split(' ').next(), expected.split(' ').next(), "{addresses:?}");
        assert_eq!(world.has("asking").contains('+'), expected.contains('+'), "{addresses:?}");
    }
    for (addresses, expected) in [
        (&["10.0.0.50", "fd00::5"][..], "+AddressInUse"),
        (&["10.0.0.5", "fd01::5"], "+AddressNotInPool"),
        (&["10.0.0.5", "fd09::5"], "+AddressNotInPool"),
    ] {
        world.remove("asking");
        world.set([asking_list(addresses)]);
        assert_eq!(world.has("asking"), expected, "all or none: {addresses:?}");
    }
}

#[test]
fn both_ways_of_asking_are_invalid_and_keep_what_stands() {
    let mut world = World::new([metallb("p", &["10.0.0.0/24"])]);
    world.set([asking_list(&["10.0.0.5"])]);
    world.set([asking(asking_list(&["10.0.0.6"]), "10.0.0.7")]);
    assert_eq!(world.has("asking"), "10.0.0.5 +InvalidRequest");
    assert_eq!(
        world.message("asking"),
        "metallb.io/loadBalancerIPs and spec.loadBalancerIP are both set; keep one of them"
    );
    world.set([asking_list(&["10.0.0.6"])]);
    assert_eq!(world.has("asking"), "10.0.0.6");
}

#[test]
fn a_request_of_another_family_than_the_service_is_invalid() {
    let mut world = World::new([metallb("p", &["10.0.0.0/24", "fd00::/64"])]);
    let mut v6 = asking(service("a"), "10.0.0.5");
    v6.cluster_ips = vec![ip("fd99::1")];
    world.set([v6]);
    assert_eq!(world.has("a"), "+InvalidRequest");
}

#[test]
fn buggy_addresses_are_left_out_and_taken_back() {
    let mut world = World::new([metallb("p", &["10.0.0.254-10.0.1.1"])]);
    world.set(["a", "b", "c", "d"].map(service));
    assert_eq!(world.all(&["a", "b", "c", "d"]), ["10.0.0.254", "10.0.0.255", "10.0.1.0", "10.0.1.1"]);
    let mut avoiding = metallb("p", &["10.0.0.254-10.0.1.2"]);
    avoiding.avoid_buggy = true;
    world.set_pools([avoiding]);
    assert_eq!(world.all(&["a", "b", "c", "d"]), ["10.0.0.254", "10.0.1.2", "+OutOfAddresses", "10.0.1.1"]);
}

#[test]
fn dual_stack_comes_from_one_pool() {
    use FamilyPolicy::{PreferDualStack, RequireDualStack};
    let (v4, v6) = (metallb("a4", &["10.0.0.0/24"]), metallb("b6", &["fd00::/64"]));
    let both = metallb("c46", &["10.0.2.0/24", "fd02::/64"]);
    for (pools, policy, expected) in [
        (vec![v4.clone(), v6.clone()], RequireDualStack, "+FamilyUnavailable"),
        (vec![v4.clone(), v6.clone()], PreferDualStack, "10.0.0.0"),
        (vec![v6.clone()], PreferDualStack, "fd00::"),
        (vec![v4.clone(), v6.clone(), both.clone()], RequireDualStack, "10.0.2.0 fd02::"),
        (vec![v4.clone(), v6, both.clone()], PreferDualStack, "10.0.2.0 fd02::"),
        (vec![pinned(v4, "default", Some(1)), both], PreferDualStack, "10.0.0.0"),
    ] {
        let mut world = World::new(pools);
        world.set([dual(service("a"), policy)]);
        assert_eq!(world.has("a"), expected, "{policy:?}");
    }
}

#[test]
fn a_second_family_is_added_from_the_same_pool() {
    let mut world = World::new([metallb("a", &["10.0.0.0/24"]), metallb("b", &["fd00::/64"])]);
    for _ in 0..2 {
        world.set([dual(service("a"), FamilyPolicy::PreferDualStack)]);
        assert_eq!(world.has("a"), "10.0.0.0", "one is enough, and stays enough");
    }
    world.set_pools([metallb("a", &["10.0.0.0/24", "fd01::/64"])]);
    assert_eq!(world.has("a"), "10.0.0.0 fd01::");
    world.set([dual(service("a"), FamilyPolicy::RequireDualStack)]);
    world.set_pools([metallb("a", &["10.0.0.0/24"])]);
    assert_eq!(world.has("a"), "10.0.0.0 +FamilyUnavailable", "what is valid stays");
}

#[test]
fn sharing_needs_key_ports_and_policy() {
    let local = |mut service: Service, pods: &str| {
        service.external_policy = TrafficPolicy::Local;
        service.pod_selector.insert("app".into(), pods.into());
        service
    };
    let base = || sharing(ports(asking(service("x/a"), "10.0.0.5"), &[80]), "k", &[]);
    let other = |port| sharing(ports(asking(service("y/b"), "10.0.0.5"), &[port]), "k", &[]);
    for (a, b, expected) in [
        (base(), other(81), "10.0.0.5"),
        (base(), other(80), "+SharingRefused"),
        (base(), local(other(81), "web"), "+SharingRefused"),
        (local(base(), "web"), local(other(81), "web"), "10.0.0.5"),
        (local(base(), "web"), local(other(81), "db"), "+SharingRefused"),
        (base(), sharing(other(81), "k2", &[]), "+SharingRefused"),
        (base(), sharing(other(81), "", &[]), "+AddressInUse"),
    ] {
        let mut world = World::new([metallb("p", &["10.0.0.0/24"])]);
        world.set([a]);
        world.set([b]);
        assert_eq!(world.all(&["x/a", "y/b"]), ["10.0.0.5", expected]);
    }
}

#[test]
fn without_a_request_the_lowest_address_that_may_be_had_is_taken() {
    let mut world = World::new([metallb("p", &["10.0.0.0/24"])]);
    world.set([service("a")]);
    world.set([sharing(ports(service("b"), &[80]), "k", &[])]);
    world.remove("a");
    world.set([sharing(ports(service("c"), &[81]), "k", &[])]);
    world.set([sharing(ports(service("d"), &[82]), "k", &[])]);
    assert_eq!(world.all(&["b", "c", "d"]), ["10.0.0.1", "10.0.0.0", "10.0.0.0"]);
}

#[test]
fn overlapping_pools_are_safe() {
    let mut world = World::new([metallb("a", &["10.0.0.0/31"]), metallb("b", &["10.0.0.0/30"])]);
    world.set(["s1", "s2", "s3"].map(service));
    assert_eq!(world.all(&["s1", "s2", "s3"]), ["10.0.0.0", "10.0.0.1", "+OutOfAddresses"]);
    let off = world.book.pool_usage(&world.wanted).into_iter().filter(|pool| pool.conflict.is_some()).count();
    assert_eq!((off, world.book.grants_of(&key("s1"))[0].pool.0), (1, Dialect::MetalLb));
}

#[test]
fn a_conflict_does_not_part_the_two_addresses_of_a_service() {
    let mut newer = metallb("b", &["10.0.0.0/31", "fd00::/64"]);
    newer.age = crate::model::Age { created: Some(1) };
    let mut world = World::new([newer]);
    world.set([dual(service("s"), FamilyPolicy::PreferDualStack)]);
    world.set_pools([metallb("a", &["10.0.0.0/31"])]);
    assert_eq!(world.has("s"), "10.0.0.0 fd00::");
    assert!(world.book.grants_of(&key("s")).iter().all(|grant| grant.pool.1 == "b"));
}
