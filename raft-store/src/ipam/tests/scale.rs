//! Sizes that only work when nothing scans a pool, and nothing asks every service about every other.

use super::world::*;
use crate::model::{Family, Pool, Service};

/// A hundred thousand where the compiler optimises; fewer where everything is slow anyway.
const MANY: usize = if cfg!(debug_assertions) { 10_000 } else { 100_000 };

/// Name of the last service.
fn last() -> String {
    format!("s{:06}", MANY - 1)
}

fn names() -> impl Iterator<Item = String> {
    (0..MANY).map(|number| format!("s{number:06}"))
}

#[test]
fn many_services_from_one_64() {
    let mut world = World::new([cilium("p", &["fd00::/64"])]);
    world.set(names().map(|name| service(&name)));
    assert_eq!(world.has("s000000"), "fd00::");
    let bits = u128::from(0xfd00_u16) << 112 | (MANY as u128 - 1);
    assert_eq!(world.has(&last()), std::net::Ipv6Addr::from_bits(bits).to_string());
    assert_eq!(world.look(true, []), []);
    world.remove("s005000");
    world.set([service("new")]);
    assert_eq!(world.has("new"), "fd00::1388");
}

#[test]
fn many_services_in_a_hundred_pools() {
    let pools = (0..100).map(|n| -> Pool {
        let pool = cilium(&format!("p{n:02}"), &[&format!("10.{n}.0.0/16"), &format!("fd00:{n}::/64")]);
        if n % 2 == 0 { for_tier(pool, &format!("t{n}")) } else { pool }
    });
    let mut world = World::new(pools);
    world.set(names().enumerate().map(|(n, name)| -> Service { tier(service(&name), &format!("t{}", n % 100)) }));
    assert_eq!(world.book.pending().len(), 0);
    assert_eq!(world.look(true, []), []);
}

#[test]
fn full_pools_of_which_a_release_serves_one() {
    let pools = (0..100).map(|n| cilium(&format!("p{n:02}"), &[&format!("10.0.{n}.0/32")]));
    let mut world = World::new(pools);
    world.set(names().map(|name| service(&name)));
    assert_eq!(world.book.pending().len(), MANY - 100);
    for _ in 0..20 {
        let holder = world.book.grants().next().unwrap().0.clone();
        assert_eq!(world.remove(&holder.to_string()).len(), 2);
    }
}

#[test]
fn one_sharing_key_for_all() {
    let mut world = World::new([cilium("p", &["fd00::/64", "10.0.0.0/8"])]);
    // All on one port: nobody can share with anybody.
    world.set(names().map(|name| sharing(ports(service(&name), &[443]), "k", &[])));
    assert_eq!(world.book.addresses().count(), MANY);
    // Each on its own port: as many share an address as there are ports.
    let distinct = MANY * 6 / 10;
    let port = |n: usize| (n % distinct) as u16 + 1;
    world.wanted.services.clear();
    world.look(true, []);
    world.set(names().enumerate().map(|(n, name)| sharing(ports(service(&name), &[port(n)]), "k", &[])));
    assert_eq!(world.book.addresses().count(), 2);
    assert!(world.book.addresses().all(|address| Family::of(address) == Family::V4));
}

#[test]
fn a_large_pool_with_gaps_at_every_24() {
    let mut pool = metallb("p", &["10.0.0.0/8"]);
    pool.avoid_buggy = true;
    let mut world = World::new([pool]);
    world.set(names().map(|name| service(&name)));
    assert_eq!(world.has("s000253"), "10.0.0.254");
    assert_eq!(world.has("s000254"), "10.0.1.1");
    let (network, host) = ((MANY - 1) / 254, (MANY - 1) % 254 + 1);
    assert_eq!(world.has(&last()), format!("10.{}.{}.{host}", network / 256, network % 256));
}
