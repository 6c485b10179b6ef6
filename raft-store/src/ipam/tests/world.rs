//! A wanted state and a book, with short words to change and read them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::super::{AddressBook, AllocationChange, Touched};
use crate::model::{
    Age, Block, Dialect, IpRange, Labels, Pool, PoolScope, Port, Protocol, Selector, Service, ServiceKey, Sharing,
    Wanted,
};

/// A book with its wanted state.
#[derive(Default)]
pub(super) struct World {
    pub(super) wanted: Wanted,
    pub(super) book: AddressBook,
}

pub(super) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// `a/b` is a CIDR, `a-b` a range.
pub(super) fn block(text: &str) -> Block {
    match text.split_once('-') {
        Some((first, last)) => Block::Range(IpRange::new(ip(first), ip(last)).unwrap()),
        None => Block::Cidr(text.parse().unwrap()),
    }
}

pub(super) fn pool(dialect: Dialect, name: &str, blocks: &[&str]) -> Pool {
    Pool {
        name: name.into(),
        dialect,
        age: Age::default(),
        labels: Labels::new(),
        blocks: blocks.iter().map(|text| block(text)).collect(),
        disabled: false,
        auto_assign: true,
        reserve_first_last: false,
        avoid_buggy: false,
        scope: PoolScope::default(),
        priority: None,
    }
}

pub(super) fn cilium(name: &str, blocks: &[&str]) -> Pool {
    pool(Dialect::Cilium, name, blocks)
}

pub(super) fn metallb(name: &str, blocks: &[&str]) -> Pool {
    pool(Dialect::MetalLb, name, blocks)
}

/// A pool that serves services with label `tier` of this value.
pub(super) fn for_tier(mut pool: Pool, tier: &str) -> Pool {
    pool.scope.service_selectors = vec![Selector::label("tier", tier)];
    pool
}

pub(super) fn key(text: &str) -> ServiceKey {
    text.parse().unwrap()
}

pub(super) fn service(name: &str) -> Service {
    Service::bare(key(name))
}

pub(super) fn aged(mut service: Service, created: i64) -> Service {
    service.age = Age { created: Some(created) };
    service
}

pub(super) fn tier(mut service: Service, tier: &str) -> Service {
    service.labels.insert("tier".into(), tier.into());
    service
}

/// Asks by `spec.loadBalancerIP`.
pub(super) fn asking(mut service: Service, address: &str) -> Service {
    service.requests.load_balancer_ip = Some(ip(address));
    service
}

pub(super) fn ports(mut service: Service, ports: &[u16]) -> Service {
    let port = |number: &u16| Port { number: *number, protocol: Protocol::Tcp, name: String::new() };
    service.ports = ports.iter().map(port).collect();
    service
}

/// Shares under a key, in every dialect, with consent to these namespaces.
pub(super) fn sharing(mut service: Service, key: &str, namespaces: &[&str]) -> Service {
    let sharing = Some(Sharing {
        key: key.into(),
        namespaces: namespaces.iter().map(|name| (*name).to_owned()).collect(),
        permit_different_pods: false,
    });
    service.requests.native_sharing = sharing.clone().map(Box::new);
    service.requests.cilium_sharing = sharing.clone().map(Box::new);
    service.requests.metallb_sharing = sharing.map(Box::new);
    service
}

impl World {
    pub(super) fn new(pools: impl IntoIterator<Item = Pool>) -> Self {
        let mut world = Self::default();
        world.set_pools(pools);
        world
    }

    /// Adds or replaces pools.
    pub(super) fn set_pools(&mut self, pools: impl IntoIterator<Item = Pool>) -> Vec<AllocationChange> {
        for pool in pools {
            self.wanted.pools.insert((pool.dialect, pool.name.clone()), pool);
        }
        self.look(true, [])
    }

    /// Adds or replaces services, all at once.
    pub(super) fn set(&mut self, services: impl IntoIterator<Item = Service>) -> Vec<AllocationChange> {
        let mut touched = BTreeSet::new();
        for service in services {
            touched.insert(service.key.clone());
            self.wanted.services.insert(service.key.clone(), Box::new(service));
        }
        self.look(false, touched)
    }

    pub(super) fn remove(&mut self, name: &str) -> Vec<AllocationChange> {
        self.wanted.services.remove(&key(name));
        self.look(false, [key(name)])
    }

    pub(super) fn look(
        &mut self,
        pools: bool,
        services: impl IntoIterator<Item = ServiceKey>,
    ) -> Vec<AllocationChange> {
        let touched = Touched { pools, services: services.into_iter().collect() };
        self.book.reconcile(&self.wanted, &touched)
    }

    /// The addresses of a service as text, with the reason it waits for, if any: `10.0.0.1 +OutOfAddresses`.
    pub(super) fn has(&self, name: &str) -> String {
        let mut words: Vec<String> =
            self.book.grants_of(&key(name)).iter().map(|grant| grant.address.to_string()).collect();
        words.extend(self.book.pending().get(&key(name)).map(|pending| format!("+{}", pending.reason)));
        words.join(" ")
    }

    /// Why a service waits, in words.
    pub(super) fn message(&self, name: &str) -> &str {
        self.book.pending().get(&key(name)).map_or("", |pending| &pending.message)
    }

    /// What each of the services has.
    pub(super) fn all(&self, names: &[&str]) -> Vec<String> {
        names.iter().map(|name| self.has(name)).collect()
    }
}
