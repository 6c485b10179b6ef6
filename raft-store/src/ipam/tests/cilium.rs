use super::world::*;
use crate::model::{Age, Dialect, Service};

fn pool_aged(name: &str, blocks: &[&str], created: i64) -> crate::model::Pool {
    let mut pool = cilium(name, blocks);
    pool.age = Age { created: Some(created) };
    pool
}

fn asking_list(name: &str, addresses: &[&str]) -> Service {
    let mut service = service(name);
    service.requests.cilium = addresses.iter().map(|address| ip(address)).collect();
    service
}

#[test]
fn lowest_free_address_of_the_first_block_and_reuse_after_release() {
    let mut world = World::new([cilium("p", &["10.0.0.8-10.0.0.9", "10.0.0.1-10.0.0.2"])]);
    world.set(["a", "b", "c"].map(service));
    assert_eq!(world.all(&["a", "b", "c"]), ["10.0.0.8", "10.0.0.9", "10.0.0.1"]);
    world.remove("a");
    world.set([service("d")]);
    assert_eq!(world.all(&["a", "b", "c", "d"]), ["", "10.0.0.9", "10.0.0.1", "10.0.0.8"]);
}

#[test]
fn first_and_last_are_left_out_of_cidrs_only() {
    for (block, expected) in [
        ("10.0.0.0/30", "10.0.0.1"),
        ("10.0.0.0/31", "10.0.0.0"),
        ("10.0.0.0/32", "10.0.0.0"),
        ("10.0.0.0-10.0.0.3", "10.0.0.0"),
        ("fd00::/126", "fd00::1"),
        ("fd00::/127", "fd00::"),
        ("fd00::/64", "fd00::1"),
    ] {
        let mut pool = cilium("p", &[block]);
        pool.reserve_first_last = true;
        let mut world = World::new([pool]);
        world.set([service("a")]);
        assert_eq!(world.has("a"), expected, "{block}");
    }
}

#[test]
fn a_reserved_address_is_refused_but_not_taken_back() {
    let mut world = World::new([cilium("p", &["10.0.0.0/30"])]);
    world.set([asking(service("a"), "10.0.0.0")]);
    let mut reserving = cilium("p", &["10.0.0.0/30"]);
    reserving.reserve_first_last = true;
    world.set_pools([reserving]);
    world.set([asking(service("b"), "10.0.0.3")]);
    assert_eq!(world.all(&["a", "b"]), ["10.0.0.0", "+AddressNotInPool"]);
    assert_eq!(world.message("b"), "pool p leaves 10.0.0.3 out as a reserved address; ask for another address");
}

#[test]
fn the_newer_of_two_overlapping_pools_is_switched_off_as_a_whole() {
    let newer = pool_aged("a", &["10.0.1.0/24", "10.0.0.128/25"], 20);
    let mut world = World::new([pool_aged("z", &["10.0.0.0/24"], 10), newer]);
    world.set([service("any"), asking(service("free-block"), "10.0.1.5"), asking(service("shared"), "10.0.0.200")]);
    assert_eq!(world.all(&["any", "free-block", "shared"]), ["10.0.0.0", "+PoolConflict", "10.0.0.200"]);
    assert!(world.message("free-block").contains("older pool z"), "{}", world.message("free-block"));
    assert_eq!(world.book.grants_of(&key("shared"))[0].pool, (Dialect::Cilium, "z".into()));
    world.wanted.pools.remove(&(Dialect::Cilium, "z".into()));
    world.look(true, []);
    assert_eq!(world.all(&["any", "free-block", "shared"]), ["10.0.1.0", "10.0.1.5", "10.0.0.200"]);
    assert_eq!(world.book.grants_of(&key("shared"))[0].pool, (Dialect::Cilium, "a".into()));
}

#[test]
fn conflicts_go_by_creation_time_then_name() {
    for (one, two, standing) in [
        (pool_aged("a", &["10.0.0.0/31"], 2), pool_aged("b", &["10.0.0.0/31"], 1), "b"),
        (pool_aged("a", &["10.0.0.0/31"], 1), pool_aged("b", &["10.0.0.0/31"], 1), "a"),
        (pool_aged("a", &["10.0.0.0/31"], 1), cilium("b", &["10.0.0.0/31"]), "b"),
        (cilium("a", &["10.0.0.0/31"]), cilium("b", &["10.0.0.0-10.0.0.200"]), "a"),
        (cilium("a", &["fd00::/64"]), cilium("b", &["fd00::/32"]), "a"),
    ] {
        let world = World::new([one, two]);
        let usage = world.book.pool_usage(&world.wanted);
        let stand: Vec<&str> =
            usage.iter().filter(|pool| pool.conflict.is_none()).map(|pool| pool.name.as_str()).collect();
        assert_eq!(stand, [standing]);
    }
}

#[test]
fn a_pool_that_overlaps_only_a_switched_off_one_stands() {
    let world = World::new([
        pool_aged("a", &["10.0.0.0-10.0.0.10"], 1),
        pool_aged("b", &["10.0.0.10-10.0.0.20"], 2),
        pool_aged("c", &["10.0.0.20-10.0.0.30"], 3),
    ]);
    let off: Vec<bool> = world.book.pool_usage(&world.wanted).iter().map(|pool| pool.conflict.is_some()).collect();
    assert_eq!(off, [false, true, false]);
}

#[test]
fn blocks_of_one_pool_may_overlap_and_count_once() {
    let mut world = World::new([cilium("p", &["10.0.0.4/30", "10.0.0.0-10.0.0.5", "10.0.0.5-10.0.0.9"])]);
    let names: Vec<String> = (0..10).map(|n| format!("s{n}")).collect();
    world.set(names.iter().map(|name| service(name)));
    let got: Vec<String> = names.iter().map(|name| world.has(name)).collect();
    assert_eq!(got, [4, 5, 6, 7, 0, 1, 2, 3, 8, 9].map(|last| format!("10.0.0.{last}")));
    assert_eq!(world.book.pool_usage(&world.wanted)[0].total, 10);
}

#[test]
fn a_conflict_leaves_what_stands() {
    let mut world = World::new([pool_aged("new", &["10.0.0.0/24", "10.0.1.0/24"], 20)]);
    world.set([asking(service("inside"), "10.0.0.7"), asking(service("outside"), "10.0.1.7")]);
    let changes = world.set_pools([pool_aged("old", &["10.0.0.0/24"], 10)]);
    assert_eq!(world.all(&["inside", "outside"]), ["10.0.0.7", "10.0.1.7"]);
    let pools: Vec<&str> = ["inside", "outside"].map(|name| world.book.grants_of(&key(name))[0].pool.1.as_str()).into();
    assert_eq!((pools, changes.len()), (vec!["new", "new"], 0));
    world.wanted.pools.remove(&(Dialect::Cilium, "new".into()));
    world.look(true, []);
    assert_eq!(world.book.grants_of(&key("inside"))[0].pool.1, "old", "a standing pool takes over what it holds");
}

#[test]
fn a_disabled_pool_keeps_what_stands_and_gives_nothing_new() {
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    world.set([service("old")]);
    let mut disabled = cilium("p", &["10.0.0.0/24"]);
    disabled.disabled = true;
    world.set_pools([disabled]);
    let mut moved_in = service("status");
    moved_in.status_addresses = vec![ip("10.0.0.9")];
    world.set([service("new"), asking(service("asking"), "10.0.0.5"), moved_in]);
    let got = world.all(&["old", "new", "asking", "status"]);
    assert_eq!(got, ["10.0.0.0", "+NoMatchingPool", "+AddressNotInPool", "10.0.0.9"]);
    assert_eq!(world.message("new"), "pool p would serve default/new, but is disabled; enable it or add a pool");
}

#[test]
fn requests_are_combined_and_each_is_told_apart() {
    let mut world = World::new([for_tier(cilium("front", &["10.0.0.0/24"]), "front"), cilium("any", &["10.0.1.0/24"])]);
    world.set([service("holder")]);
    for (addresses, plain, expected) in [
        (&["10.0.1.7", "10.0.1.5"][..], Some("10.0.1.6"), "10.0.1.5 10.0.1.6 10.0.1.7"),
        (&["10.0.1.5"], Some("10.0.1.5"), "10.0.1.5"),
        (&["10.0.1.5", "10.9.9.9"], None, "10.0.1.5 +AddressNotInPool"),
        (&["10.0.0.5"], None, "+AddressNotInPool"),
        (&["10.0.1.0"], None, "+AddressInUse"),
        (&["10.0.1.5", "10.0.1.0", "10.9.9.9"], None, "10.0.1.5 +AddressInUse"),
    ] {
        let mut asking = asking_list("asking", addresses);
        asking.requests.load_balancer_ip = plain.map(ip);
        world.set([asking]);
        assert_eq!(world.has("asking"), expected, "{addresses:?} {plain:?}");
    }
    assert_eq!(world.has("holder"), "10.0.1.0", "never stolen");
    world.set([asking_list("asking", &["10.0.0.5"])]);
    assert!(world.message("asking").contains("pool front, which does not serve default/asking"));
}

#[test]
fn a_request_waits_for_its_holder_to_leave() {
    let mut world = World::new([cilium("p", &["10.0.0.0/31"])]);
    world.set(["a", "b"].map(service));
    world.set([asking(service("asking"), "10.0.0.1"), service("any")]);
    assert_eq!(world.all(&["asking", "any"]), ["+AddressInUse", "+OutOfAddresses"]);
    let changes = world.remove("b");
    assert_eq!(world.all(&["asking", "any"]), ["10.0.0.1", "+OutOfAddresses"]);
    let names: Vec<String> = changes.iter().map(|change| change.service.name.clone()).collect();
    assert_eq!(names, ["asking", "b"]);
    assert!(changes[0].pending.is_none() && changes[0].pending_before.is_some());
}

#[test]
fn a_full_pool_says_so_and_serves_the_oldest_first() {
    let mut world = World::new([cilium("l2-pool-for-rack0", &["10.0.5.100-10.0.5.101"])]);
    world.set([aged(service("a"), 1), aged(service("b"), 2)]);
    world.set([aged(service("young"), 9), aged(service("old"), 3)]);
    assert_eq!(
        world.message("young"),
        "pool l2-pool-for-rack0 is full: 2 of 2 addresses in use; add a block or release a service"
    );
    world.remove("a");
    assert_eq!(world.all(&["old", "young"]), ["10.0.5.100", "+OutOfAddresses"]);
    world.wanted.services.remove(&key("b"));
    world.set([aged(service("youngest"), 10)]);
    world.look(false, [key("b")]);
    assert_eq!(world.all(&["young", "youngest"]), ["10.0.5.101", "+OutOfAddresses"]);
}

#[test]
fn a_release_serves_who_waits_before_a_newcomer_of_the_same_change() {
    let mut world = World::new([cilium("p", &["10.0.0.1/32"])]);
    world.set([aged(service("a"), 1)]);
    world.set([aged(service("waits"), 2)]);
    world.wanted.services.remove(&key("a"));
    world.wanted.services.insert(key("new"), Box::new(aged(service("new"), 3)));
    world.look(false, [key("a"), key("new")]);
    assert_eq!(world.all(&["waits", "new"]), ["10.0.0.1", "+OutOfAddresses"]);
}

#[test]
fn a_release_passes_over_those_whom_the_pool_does_not_serve() {
    let mut world = World::new([
        for_tier(cilium("front", &["10.0.0.1/32"]), "front"),
        for_tier(cilium("back", &["10.0.1.1/32"]), "back"),
    ]);
    world.set([tier(service("f"), "front"), tier(service("b"), "back")]);
    let waiting = [aged(tier(service("f2"), "front"), 1), aged(tier(service("b2"), "back"), 2)];
    world.set(waiting);
    world.remove("b");
    assert_eq!(world.all(&["f2", "b2"]), ["+OutOfAddresses", "10.0.1.1"]);
}

#[test]
fn pseudo_labels_select_and_cannot_be_spoofed() {
    let mut pool = cilium("p", &["10.0.0.0/24"]);
    let selector = crate::model::Selector::label("io.kubernetes.service.namespace", "kube-system");
    pool.scope.service_selectors = vec![selector];
    let mut world = World::new([pool]);
    let mut liar = service("default/liar");
    liar.labels.insert("io.kubernetes.service.namespace".into(), "kube-system".into());
    world.set([liar, service("kube-system/true")]);
    assert_eq!(world.all(&["default/liar", "kube-system/true"]), ["+NoMatchingPool", "10.0.0.0"]);
}

#[test]
fn fresh_services_with_requests_come_before_those_who_take_any() {
    let mut world = World::new([cilium("p", &["10.0.0.0/30"])]);
    let mut status = aged(service("status"), 8);
    status.status_addresses = vec![ip("10.0.0.1")];
    world.set([aged(service("any"), 1), asking(aged(service("asks"), 9), "10.0.0.0"), status]);
    assert_eq!(world.all(&["any", "asks", "status"]), ["10.0.0.2", "10.0.0.0", "10.0.0.1"]);
}
