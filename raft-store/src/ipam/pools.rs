//! All pools, found by name, by address, and by what a service's labels select.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use super::conflict::{PoolKey, conflicts};
use super::space::Space;
use super::span::to_bits;
use crate::model::{Dialect, Family, Pool, Service, Wanted};

/// Where a pool stands in [`Pools::spaces`].
pub(super) type SpaceId = usize;

/// The pools of the wanted state. Identifiers follow the order in which pools are asked: by dialect, pools with a scope
/// first, lower priority first and none last, then by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Pools {
    spaces: Vec<Space>,
    by_name: BTreeMap<PoolKey, SpaceId>,
    /// Stretches of the pools that stand, by dialect, family and first address: last address and pool. Disjoint.
    by_address: BTreeMap<(Dialect, Family, u128), (u128, SpaceId)>,
    selected: Preselection,
}

/// Which pools are worth holding against a service's scope. Pools that want a certain label or namespace are found by it.
#[derive(Clone, Debug, Default, PartialEq)]
struct Preselection {
    /// By label and value that a service selector of the pool wants.
    by_label: BTreeMap<String, BTreeMap<String, Vec<SpaceId>>>,
    /// By namespace that the pool names.
    by_namespace: BTreeMap<String, Vec<SpaceId>>,
    /// Pools that have to be tried for every service.
    others: Vec<SpaceId>,
}

impl Pools {
    pub(super) fn new(wanted: &Wanted) -> Self {
        let mut conflicts = conflicts(wanted.pools.values());
        let mut ordered: Vec<&Pool> = wanted.pools.values().collect();
        ordered.sort_by_key(|pool| {
            (pool.dialect, !pool.scope.pinned, pool.priority.is_none(), pool.priority, pool.name.as_str())
        });
        let mut pools = Self::default();
        for (id, pool) in ordered.into_iter().enumerate() {
            let key = (pool.dialect, pool.name.clone());
            let space = Space::new(pool, conflicts.remove(&key));
            if space.conflict.is_none() {
                for (family, first, last) in space.stretches() {
                    pools.by_address.insert((pool.dialect, family, first), (last, id));
                }
            }
            pools.selected.add(id, pool);
            pools.by_name.insert(key, id);
            pools.spaces.push(space);
        }
        pools
    }

    /// One pool.
    pub(super) fn get(&self, id: SpaceId) -> &Space {
        &self.spaces[id]
    }

    /// One pool, to count in it.
    pub(super) fn get_mut(&mut self, id: SpaceId) -> &mut Space {
        &mut self.spaces[id]
    }

    /// By name.
    pub(super) fn named(&self, key: &PoolKey) -> Option<SpaceId> {
        self.by_name.get(key).copied()
    }

    /// The standing pool of the dialect that holds an address.
    pub(super) fn find(&self, dialect: Dialect, address: IpAddr) -> Option<SpaceId> {
        let (family, bits) = (Family::of(address), to_bits(address));
        let (_, (last, id)) = self.by_address.range((dialect, family, 0)..=(dialect, family, bits)).next_back()?;
        (*last >= bits).then_some(*id)
    }

    /// All pools of a dialect, in the order in which they are asked.
    pub(super) fn of(&self, dialect: Dialect) -> Range<SpaceId> {
        let first = self.spaces.partition_point(|space| space.pool.dialect < dialect);
        first..self.spaces.partition_point(|space| space.pool.dialect <= dialect)
    }

    /// The pools of a dialect that may serve the service, in the order in which they are asked. Others surely do not.
    pub(super) fn candidates(&self, service: &Service, dialect: Dialect) -> Vec<SpaceId> {
        let of = self.of(dialect);
        let mut found: Vec<SpaceId> = self.selected.of(service).filter(|id| of.contains(id)).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Marks an address as taken in every standing pool that holds it.
    pub(super) fn take(&mut self, address: IpAddr) {
        for id in self.holding(address) {
            self.spaces[id].take(address);
        }
    }

    /// Marks an address as free in every standing pool that holds it.
    pub(super) fn release(&mut self, address: IpAddr) {
        for id in self.holding(address) {
            self.spaces[id].release(address);
        }
    }

    /// Keeps an address back for a node, or no more, in every standing pool that holds it.
    pub(super) fn keep_back(&mut self, address: IpAddr, on: bool) {
        for id in self.holding(address) {
            self.spaces[id].keep_back(address, on);
        }
    }

    /// The standing pools, one of each dialect at most, that hold an address.
    pub(super) fn holding(&self, address: IpAddr) -> impl Iterator<Item = SpaceId> + use<> {
        [Dialect::Native, Dialect::Cilium, Dialect::MetalLb]
            .map(|dialect| self.find(dialect, address))
            .into_iter()
            .flatten()
    }
}

impl Preselection {
    fn add(&mut self, id: SpaceId, pool: &Pool) {
        let scope = &pool.scope;
        let wanted_label = |selector: &crate::model::Selector| {
            selector.match_labels.first_key_value().map(|(key, value)| (key.clone(), value.clone()))
        };
        let labels: Option<Vec<_>> = scope.service_selectors.iter().map(wanted_label).collect();
        match labels {
            Some(labels) if !labels.is_empty() => {
                for (key, value) in labels {
                    self.by_label.entry(key).or_default().entry(value).or_default().push(id);
                }
            }
            _ if !scope.namespaces.is_empty() && scope.namespace_selectors.is_empty() => {
                for namespace in &scope.namespaces {
                    self.by_namespace.entry(namespace.clone()).or_default().push(id);
                }
            }
            _ => self.others.push(id),
        }
    }

    fn of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = SpaceId> + 'a {
        let pseudo = [
            ("io.kubernetes.service.namespace", service.key.namespace.as_str()),
            ("io.kubernetes.service.name", service.key.name.as_str()),
        ];
        let labels = service.labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).chain(pseudo);
        let by_label = labels.filter_map(|(key, value)| self.by_label.get(key)?.get(value)).flatten();
        let by_namespace = self.by_namespace.get(&service.key.namespace).into_iter().flatten();
        self.others.iter().chain(by_namespace).chain(by_label).copied()
    }
}
