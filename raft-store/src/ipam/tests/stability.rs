use super::super::{AddressBook, Grant};
use super::world::*;
use crate::model::{Dialect, ServiceKey};

#[test]
fn the_same_input_again_changes_nothing() {
    let mut world = World::new([cilium("p", &["10.0.0.0/30"])]);
    world.set(["a", "b", "c", "d", "e"].map(service));
    let before = world.book.clone();
    let names: Vec<ServiceKey> = world.wanted.services.keys().cloned().collect();
    assert_eq!(world.look(true, []), []);
    assert_eq!(world.look(false, names), []);
    assert_eq!(world.book, before);
}

#[test]
fn a_pool_that_grows_or_is_renamed_or_loses_its_turn_moves_nobody() {
    let mut world = World::new([cilium("p", &["10.0.0.8-10.0.0.9"])]);
    world.set(["a", "b"].map(service));
    world.set_pools([cilium("p", &["10.0.0.0/28"]), cilium("first", &["10.0.9.0/24"])]);
    world.set([service("c")]);
    assert_eq!(world.all(&["a", "b", "c"]), ["10.0.0.8", "10.0.0.9", "10.0.9.0"]);
    world.wanted.pools.remove(&(Dialect::Cilium, "p".into()));
    world.set_pools([cilium("renamed", &["10.0.0.0/24"])]);
    assert_eq!(world.all(&["a", "b"]), ["10.0.0.8", "10.0.0.9"]);
    assert_eq!(world.book.grants_of(&key("a"))[0].pool.1, "renamed");
}

#[test]
fn what_becomes_invalid_is_replaced() {
    let mut world =
        World::new([for_tier(cilium("front", &["10.0.0.0/24"]), "front"), cilium("rest", &["10.0.1.0/24"])]);
    world.set([tier(service("a"), "front")]);
    assert_eq!(world.has("a"), "10.0.0.0");
    world.set([tier(service("a"), "back")]);
    assert_eq!(world.has("a"), "10.0.1.0", "the selector no longer fits");
    world.set([asking(service("a"), "10.0.1.9")]);
    assert_eq!(world.has("a"), "10.0.1.9", "the request changed");
    world.set([service("a")]);
    assert_eq!(world.has("a"), "10.0.1.9", "nothing asks for a change");
    world.set_pools([cilium("rest", &["10.0.2.0/24"])]);
    assert_eq!(world.has("a"), "10.0.2.0", "the pool no longer holds it");
}

#[test]
fn status_is_kept_where_it_is_valid_and_the_book_counts_more() {
    let status = |name: &str, addresses: &[&str]| {
        let mut service = service(name);
        service.status_addresses = addresses.iter().map(|address| ip(address)).collect();
        service
    };
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    world.set([status("a", &["10.0.0.7"]), status("b", &["10.9.9.9"]), status("c", &["10.0.0.8", "10.0.0.9"])]);
    assert_eq!(world.all(&["a", "b", "c"]), ["10.0.0.7", "10.0.0.0", "10.0.0.8"]);
    world.set([status("a", &["10.0.0.20"]), status("d", &["10.0.0.7"])]);
    assert_eq!(world.all(&["a", "d"]), ["10.0.0.7", "10.0.0.1"]);
    let mut asks = status("e", &["10.0.0.30"]);
    asks.requests.cilium = vec![ip("10.0.0.31")];
    world.set([asks]);
    assert_eq!(world.has("e"), "10.0.0.31", "a request counts more than the status");
}

#[test]
fn a_seed_is_kept_where_it_is_valid() {
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    let grant = |address| Grant { address: ip(address), pool: (Dialect::Cilium, "gone".into()) };
    world.book.seed(&key("a"), [grant("10.0.0.7")]);
    world.book.seed(&key("b"), [grant("10.0.0.7")]);
    world.book.seed(&key("c"), [grant("10.9.9.9")]);
    let mut late = service("d");
    late.status_addresses = vec![ip("10.0.0.7")];
    let names = ["a", "b", "c"].map(service);
    world
        .wanted
        .services
        .extend(names.into_iter().chain([late]).map(|service| (service.key.clone(), Box::new(service))));
    world.look(false, [key("d")]);
    assert_eq!(world.all(&["a", "b", "c", "d"]), ["10.0.0.7", "10.0.0.0", "10.0.0.1", "10.0.0.2"]);
}

#[test]
fn an_invalid_request_keeps_what_it_has_and_gets_nothing_new() {
    let mut world = World::new([cilium("p", &["10.0.0.0/24"])]);
    world.set([service("a")]);
    let invalid = |name| {
        let mut service = service(name);
        service.requests.invalid = vec!["lbipam.cilium.io/ips: 'x' is no address".into()];
        service
    };
    world.set([invalid("a"), invalid("b")]);
    assert_eq!(world.all(&["a", "b"]), ["10.0.0.0 +InvalidRequest", "+InvalidRequest"]);
    assert_eq!(world.message("a"), "lbipam.cilium.io/ips: 'x' is no address");
}

#[test]
fn no_pool_at_all_says_so() {
    let mut world = World::default();
    world.set([service("a")]);
    assert_eq!((world.has("a").as_str(), world.message("a")), ("+NoMatchingPool", "there is no pool; add one"));
    world.set_pools([cilium("p", &["10.0.0.0/24"])]);
    assert_eq!(world.has("a"), "10.0.0.0");
}

#[test]
fn a_stored_book_goes_on_where_it_was() {
    let mut world = World::new([cilium("p", &["10.0.0.0/31"])]);
    world.set(["a", "b", "c"].map(service));
    let config = bincode::config::standard();
    let bytes = bincode::serde::encode_to_vec(&world.book, config).unwrap();
    let (mut stored, _): (AddressBook, usize) = bincode::serde::decode_from_slice(&bytes, config).unwrap();
    assert_eq!(stored, world.book);
    stored.reindex(&world.wanted);
    assert_eq!(stored.ledger, world.book.ledger);
    world.book = stored;
    world.remove("a");
    assert_eq!(world.all(&["a", "b", "c"]), ["", "10.0.0.1", "10.0.0.0"]);
}
