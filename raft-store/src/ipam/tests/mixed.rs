use super::world::*;
use crate::model::Dialect;

#[test]
fn native_is_asked_before_cilium_before_metallb() {
    let mut world = World::new([
        metallb("m", &["10.0.3.1/32"]),
        cilium("c", &["10.0.2.1/32"]),
        pool(Dialect::Native, "n", &["10.0.1.1/32"]),
    ]);
    world.set(["a", "b", "c", "d"].map(service));
    assert_eq!(world.all(&["a", "b", "c", "d"]), ["10.0.1.1", "10.0.2.1", "10.0.3.1", "+OutOfAddresses"]);
}

#[test]
fn who_speaks_to_a_dialect_is_served_by_it_alone() {
    let mut world = World::new([metallb("m", &["10.0.3.0/24"]), cilium("c", &["10.0.2.0/24"])]);
    let mut asks = service("asks");
    asks.requests.metallb = vec![ip("10.0.3.7")];
    let mut wrong = service("wrong");
    wrong.requests.metallb = vec![ip("10.0.2.7")];
    let mut named = service("named");
    named.requests.pool = Some("m".into());
    world.set([asks, wrong, named, asking(service("plain"), "10.0.3.8")]);
    let got = world.all(&["asks", "wrong", "named", "plain"]);
    assert_eq!(got, ["10.0.3.7", "+AddressNotInPool", "10.0.3.0", "10.0.3.8"]);
}

#[test]
fn a_word_for_a_dialect_without_pools_is_not_heard() {
    let mut world = World::new([cilium("c", &["10.0.2.0/24"])]);
    let mut asks = service("asks");
    asks.requests.metallb = vec![ip("10.0.3.7")];
    asks.requests.pool = Some("m".into());
    world.set([asks]);
    assert_eq!(world.has("asks"), "10.0.2.0");
}

#[test]
fn an_address_in_pools_of_two_dialects_is_given_once() {
    let mut world = World::new([metallb("m", &["10.0.0.0/31"]), cilium("c", &["10.0.0.0/31"])]);
    let mut named = service("named");
    named.requests.pool = Some("m".into());
    world.set([named, service("any"), service("late")]);
    assert_eq!(world.all(&["any", "late", "named"]), ["10.0.0.0", "10.0.0.1", "+OutOfAddresses"]);
    world.remove("late");
    assert_eq!(world.has("named"), "10.0.0.1");
}

#[test]
fn what_a_service_has_decides_before_the_order_of_dialects() {
    let mut world = World::new([cilium("c", &["10.0.2.0/24"])]);
    world.set([service("a")]);
    world.set_pools([pool(Dialect::Native, "n", &["10.0.1.0/24"])]);
    assert_eq!(world.has("a"), "10.0.2.0");
}

#[test]
fn native_pools_have_priority_scope_and_auto_assign() {
    let native = |name: &str, blocks: &[&str]| pool(Dialect::Native, name, blocks);
    let mut first = native("z", &["10.0.1.1/32"]);
    first.priority = Some(5);
    let mut off = native("a", &["10.0.2.1/32"]);
    off.auto_assign = false;
    let mut world = World::new([first, off, native("b", &["10.0.3.1/32"])]);
    let mut listed = service("listed");
    listed.requests.native = vec![ip("10.0.2.1")];
    world.set([service("x"), service("y"), listed]);
    assert_eq!(world.all(&["x", "y", "listed"]), ["10.0.1.1", "10.0.3.1", "10.0.2.1"]);
}
