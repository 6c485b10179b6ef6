//! P1 and P2 under random changes.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::super::fit::{is_served, serves};
use super::super::sharing::{Terms, may_share};
use super::super::{AddressBook, Grant, Reason};
use super::world::*;
use crate::model::{Age, Dialect, Family, FamilyPolicy, Pool, Service, ServiceKey};

/// One change of the wanted state.
#[derive(Clone, Debug)]
enum Step {
    Service(Box<Service>),
    Remove(ServiceKey),
    Pool(Box<Pool>),
    RemovePool(Dialect, String),
    Again,
}

fn any_dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::Native, Dialect::Cilium, Dialect::MetalLb])
}

fn any_pool() -> impl Strategy<Value = Pool> {
    let blocks = prop::collection::vec(
        prop_oneof![
            (0_u8..12, 0_u8..6).prop_map(|(first, len)| format!("10.0.0.{first}-10.0.0.{}", first + len)),
            (0_u8..12, 0_u8..6).prop_map(|(first, len)| format!("fd00::{first:x}-fd00::{:x}", first + len)),
            Just("10.0.0.0/29".to_owned()),
        ],
        1..3,
    );
    let flags = (prop::bool::weighted(0.1), prop::bool::weighted(0.8), any::<bool>(), prop::bool::weighted(0.2));
    let scope = (prop::option::of(prop::sample::select(vec!["front", "back"])), prop::option::of(0_u32..3));
    (any_dialect(), 0..3, blocks, flags, scope, prop::option::of(0_i64..3)).prop_map(
        |(dialect, name, blocks, (disabled, auto_assign, ends, buggy), (tier, priority), created)| {
            let blocks: Vec<&str> = blocks.iter().map(String::as_str).collect();
            let mut pool = pool(dialect, &format!("p{name}"), &blocks);
            (pool.disabled, pool.auto_assign, pool.reserve_first_last) = (disabled, auto_assign, ends);
            (pool.avoid_buggy, pool.priority, pool.age) = (buggy, priority, Age { created });
            match tier {
                Some(tier) => for_tier(pool, tier),
                None => pool,
            }
        },
    )
}

fn any_service() -> impl Strategy<Value = Service> {
    let name = (prop::sample::select(vec!["x", "y"]), 0..5).prop_map(|(space, n)| format!("{space}/s{n}"));
    let address = || {
        prop_oneof![(0..18).prop_map(|n| ip(&format!("10.0.0.{n}"))), (0..18).prop_map(|n| ip(&format!("fd00::{n:x}")))]
    };
    let requests = (
        prop::collection::vec(address(), 0..2),
        prop::option::weighted(0.2, address()),
        prop::option::weighted(0.1, prop::sample::select(vec!["p0", "p1"])),
        prop::collection::vec(address(), 0..2),
    );
    let policy = prop::sample::select(vec![
        FamilyPolicy::SingleStack,
        FamilyPolicy::PreferDualStack,
        FamilyPolicy::RequireDualStack,
    ]);
    let about = (prop::sample::select(vec!["front", "back"]), policy, prop::collection::vec(1_u16..4, 0..3));
    let shares = prop::option::of((prop::sample::select(vec!["k", "l"]), any::<bool>()));
    let odd = (prop::bool::weighted(0.1), prop::bool::weighted(0.1), prop::option::of(0_i64..4));
    (name, requests, about, shares, any_dialect(), odd).prop_map(
        |(name, (listed, single, pool, status), (label, policy, numbers), shares, dialect, (class, bad, created))| {
            let mut service = tier(ports(service(&name), &numbers), label);
            if let Some((key, everywhere)) = shares {
                service = sharing(service, key, if everywhere { &["*"] } else { &[] });
            }
            match dialect {
                Dialect::Native => service.requests.native = listed,
                Dialect::Cilium => service.requests.cilium = listed,
                Dialect::MetalLb => service.requests.metallb = listed,
            }
            (service.requests.load_balancer_ip, service.status_addresses) = (single, status);
            service.requests.pool = pool.map(str::to_owned);
            (service.family_policy, service.age) = (policy, Age { created });
            service.class = class.then(|| "io.cilium/l2-announcer".to_owned());
            service.requests.invalid = if bad { vec!["not understood".to_owned()] } else { Vec::new() };
            service
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any_service().prop_map(|service| Step::Service(Box::new(service))),
        2 => any_service().prop_map(|service| Step::Remove(service.key)),
        2 => any_pool().prop_map(|pool| Step::Pool(Box::new(pool))),
        1 => any_pool().prop_map(|pool| Step::RemovePool(pool.dialect, pool.name)),
        1 => Just(Step::Again),
    ]
}

impl World {
    /// Makes a change. Gives back the services that changed themselves, and whether pools did.
    fn step(&mut self, step: &Step) -> (BTreeSet<ServiceKey>, bool) {
        let mut touched = (BTreeSet::new(), false);
        match step {
            Step::Service(service) => {
                touched.0.insert(service.key.clone());
                self.wanted.services.insert(service.key.clone(), service.clone());
            }
            Step::Remove(key) => {
                touched.0.insert(key.clone());
                self.wanted.services.remove(key);
            }
            Step::Pool(pool) => {
                touched.1 = true;
                self.wanted.pools.insert((pool.dialect, pool.name.clone()), (**pool).clone());
            }
            Step::RemovePool(dialect, name) => {
                touched.1 = true;
                self.wanted.pools.remove(&(*dialect, name.clone()));
            }
            Step::Again => touched.1 = true,
        }
        self.look(touched.1, touched.0.clone());
        touched
    }

    /// P1: an address has one service, or services of one pool whose terms let each share with each.
    fn assert_unique(&self) {
        let mut users: BTreeMap<_, Vec<(&ServiceKey, &Grant)>> = BTreeMap::new();
        for (key, grants) in self.book.grants() {
            for grant in grants {
                users.entry(grant.address).or_default().push((key, grant));
            }
        }
        let addresses: Vec<_> = users.keys().copied().collect();
        assert_eq!(self.book.addresses().collect::<Vec<_>>(), addresses);
        for (address, users) in users {
            let listed: Vec<&ServiceKey> = self.book.users_of(address).collect();
            assert_eq!(listed, users.iter().map(|(key, _)| *key).collect::<Vec<_>>());
            for (at, (a, one)) in users.iter().enumerate() {
                for (b, other) in &users[at + 1..] {
                    assert_eq!(one.pool, other.pool);
                    let terms = |key: &ServiceKey| Terms::of(&self.wanted.services[key], one.pool.0).unwrap();
                    assert!(may_share(&terms(a), &terms(b)), "{address}: {a} and {b}");
                }
            }
        }
    }

    /// Every grant is of a pool that holds it and serves the service, and in the request where there is one.
    fn assert_valid(&self) {
        for (key, grants) in self.book.grants() {
            let service = &self.wanted.services[key];
            assert!(is_served(service) && grants.is_sorted() && !grants.is_empty());
            for grant in grants {
                let pool = &self.wanted.pools[&grant.pool];
                assert!(pool.blocks.iter().any(|block| block.range().contains(grant.address)), "{grant:?}");
                assert!(serves(pool, service, &self.wanted.namespaces));
                assert_eq!(grant.pool.0, grants[0].pool.0);
            }
            let invalid = self.book.pending().get(key).is_some_and(|wait| wait.reason == Reason::InvalidRequest);
            let asked = asked_addresses(service, grants[0].pool.0);
            if invalid {
                continue;
            }
            if asked.is_empty() {
                let families: BTreeSet<Family> = grants.iter().map(|grant| Family::of(grant.address)).collect();
                assert_eq!(families.len(), grants.len(), "one of each family");
                assert!(grants.len() == 1 || service.family_policy != FamilyPolicy::SingleStack);
            } else {
                assert!(grants.iter().all(|grant| asked.contains(&grant.address)));
                assert!(grants.len() == asked.len() || self.book.pending().contains_key(key));
            }
        }
        for key in self.wanted.services.keys().filter(|key| is_served(&self.wanted.services[key])) {
            assert!(!self.book.grants_of(key).is_empty() || self.book.pending().contains_key(key), "{key} forgotten");
        }
    }
}

fn asked_addresses(service: &Service, dialect: Dialect) -> BTreeSet<std::net::IpAddr> {
    let listed = match dialect {
        Dialect::Native => &service.requests.native,
        Dialect::Cilium => &service.requests.cilium,
        Dialect::MetalLb => &service.requests.metallb,
    };
    listed.iter().chain(&service.requests.load_balancer_ip).copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn addresses_are_unique_and_valid(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut world = World::default();
        for step in &steps {
            world.step(step);
            world.assert_unique();
            world.assert_valid();
        }
    }

    #[test]
    fn what_nobody_touched_stays(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut world = World::default();
        for step in &steps {
            let before: Vec<(ServiceKey, Vec<Grant>)> =
                world.book.grants().map(|(key, grants)| (key.clone(), grants.to_vec())).collect();
            let pools = world.wanted.pools.clone();
            let (touched, _) = world.step(step);
            // A service keeps each address whose pool did not change, unless it changed itself.
            for (key, grants) in before.iter().filter(|(key, _)| !touched.contains(key)) {
                let unchanged = |grant: &&Grant| pools.get(&grant.pool) == world.wanted.pools.get(&grant.pool);
                if !grants.iter().all(|grant| unchanged(&grant)) || dialects_came_or_went(&pools, &world) {
                    continue;
                }
                let after: BTreeSet<_> = world.book.grants_of(key).iter().map(|grant| grant.address).collect();
                for grant in grants {
                    prop_assert!(after.contains(&grant.address), "{} lost {} by {:?}", key, grant.address, step);
                }
            }
        }
    }

    #[test]
    fn the_derived_side_equals_one_built_from_scratch(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut world = World::default();
        world.look(true, []);
        for step in &steps {
            world.step(step);
            let mut rebuilt = AddressBook::clone(&world.book);
            rebuilt.reindex(&world.wanted);
            prop_assert_eq!(&rebuilt, &world.book);
            prop_assert_eq!(&rebuilt.ledger, &world.book.ledger);
            // And a second look finds nothing to do, but for those that a disturbed order left waiting.
            let before = world.book.grants.clone();
            world.look(true, []);
            for (key, grants) in before {
                let after = world.book.grants_of(&key);
                prop_assert!(grants.iter().all(|grant| after.contains(grant)), "{} had {:?}, has {:?}", key, grants, after);
            }
        }
    }

    #[test]
    fn changes_tell_the_whole_difference(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut world = World::default();
        let mut mirror: BTreeMap<ServiceKey, Vec<Grant>> = BTreeMap::new();
        let mut pending = BTreeMap::new();
        for step in &steps {
            let mut shadow = World { wanted: world.wanted.clone(), book: world.book.clone() };
            let (services, pools) = world.step(step);
            shadow.wanted = world.wanted.clone();
            let changes = shadow.look(pools, services);
            prop_assert_eq!(&shadow.book, &world.book, "not deterministic");
            prop_assert!(changes.windows(2).all(|pair| pair[0].service < pair[1].service));
            for change in changes {
                let had = mirror.remove(&change.service).unwrap_or_default();
                prop_assert_eq!(had, change.before);
                prop_assert_eq!(pending.remove(&change.service), change.pending_before);
                if !change.after.is_empty() {
                    mirror.insert(change.service.clone(), change.after);
                }
                pending.extend(change.pending.map(|wait| (change.service, wait)));
            }
            prop_assert_eq!(&mirror, &world.book.grants);
            prop_assert_eq!(&pending, world.book.pending());
        }
    }
}

/// Whether the first pool of a dialect came or the last one went, or a pool of a name that services ask for: then the
/// dialect that a service speaks to may be another.
fn dialects_came_or_went(before: &BTreeMap<(Dialect, String), Pool>, world: &World) -> bool {
    before.keys().ne(world.wanted.pools.keys())
}
