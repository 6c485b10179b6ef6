//! Addresses that nodes have for themselves.

use super::super::Reserved;
use super::world::*;
use crate::model::NodeName;

fn of_nodes(addresses: &[&str]) -> Reserved {
    addresses.iter().map(|address| (ip(address), NodeName::from("node1"))).collect()
}

fn totals(world: &World) -> (u64, u64) {
    let usage = &world.book.pool_usage(&world.wanted)[0];
    (usage.used, usage.total)
}

#[test]
fn a_nodes_address_is_not_given_out() {
    let mut world = World::default();
    world.book.reserve(of_nodes(&["10.0.0.1", "10.0.0.3", "10.9.9.9"]));
    world.set_pools([cilium("p", &["10.0.0.1-10.0.0.4"])]);
    world.set([asking(service("asks"), "10.0.0.3"), service("a"), service("b"), service("c")]);
    assert_eq!(world.all(&["a", "b", "c"]), ["10.0.0.2", "10.0.0.4", "+OutOfAddresses"]);
    assert_eq!(world.has("asks"), "+AddressInUse");
    assert_eq!(world.message("asks"), "10.0.0.3 is the address of node1; ask for another address");
    assert_eq!(totals(&world), (2, 2));
    // It stays so when a neighbour is given back, and when everything is looked at anew.
    world.remove("a");
    assert_eq!(world.has("c"), "10.0.0.2");
    world.look(true, []);
    assert_eq!((world.has("c"), world.has("asks")), ("10.0.0.2".into(), "+AddressInUse".into()));
}

#[test]
fn what_a_service_has_already_it_keeps_and_it_is_told() {
    let mut world = World::new([cilium("p", &["10.0.0.1-10.0.0.2"])]);
    world.set([sharing(ports(service("a"), &[80]), "k", &[])]);
    assert!(!world.book.reserve(of_nodes(&["10.0.0.1"])));
    world.look(true, []);
    world.set([sharing(ports(service("b"), &[81]), "k", &[])]);
    assert_eq!(world.all(&["a", "b"]), ["10.0.0.1", "10.0.0.2"], "nobody joins it there");
    let taken: Vec<_> = world.book.taken_from_nodes().collect();
    assert_eq!(taken, [(ip("10.0.0.1"), &NodeName::from("node1"), vec![&key("a")])]);
    assert_eq!(totals(&world), (2, 2));
    world.remove("a");
    world.set([service("c")]);
    assert_eq!((world.has("c"), totals(&world)), ("+OutOfAddresses".into(), (1, 1)));
}

#[test]
fn an_address_that_a_node_gives_up_can_be_had_again() {
    let mut world = World::new([metallb("p", &["10.0.0.1-10.0.0.1"])]);
    world.book.reserve(of_nodes(&["10.0.0.1"]));
    world.set([service("a")]);
    assert_eq!(world.has("a"), "+OutOfAddresses");
    assert!(!world.book.reserve(of_nodes(&["10.0.0.1", "10.0.0.9"])));
    assert!(world.book.reserve(of_nodes(&["10.0.0.9"])), "everyone must be looked at");
    world.look(true, []);
    assert_eq!((world.has("a"), totals(&world)), ("10.0.0.1".into(), (1, 1)));
}

#[test]
fn a_status_that_names_a_nodes_address_is_not_taken_over() {
    let mut world = World::new([cilium("p", &["10.0.0.1-10.0.0.2"])]);
    world.book.reserve(of_nodes(&["10.0.0.1"]));
    let mut service = service("a");
    service.status_addresses = vec![ip("10.0.0.1")];
    world.set([service]);
    assert_eq!(world.has("a"), "10.0.0.2");
}
