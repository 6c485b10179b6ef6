//! Which services wait for what, so that a release wakes only those whom it may help.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::ledger::SharingKey;
use super::reason::{Pending, Reason};
use super::request;
use crate::model::{Age, Dialect, Service, ServiceKey};

/// Waiting services, older first.
pub(super) type Queue = BTreeSet<(Age, ServiceKey)>;

/// Services that a release may help.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Waiting {
    entries: BTreeMap<ServiceKey, Entry>,
    for_address: BTreeMap<IpAddr, Queue>,
    for_key: BTreeMap<SharingKey, Queue>,
    for_any: Queue,
}

/// Where a service waits.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    age: Age,
    addresses: BTreeSet<IpAddr>,
    keys: Vec<SharingKey>,
}

impl Waiting {
    /// Notes that a service waits.
    pub(super) fn add(&mut self, service: &Service, pending: &Pending) {
        let requests = &service.requests;
        let place = (service.age, service.key.clone());
        let listed = [&requests.native, &requests.cilium, &requests.metallb].into_iter().flatten();
        let addresses: BTreeSet<IpAddr> = listed.chain(&requests.load_balancer_ip).copied().collect();
        for address in &addresses {
            self.for_address.entry(*address).or_default().insert(place.clone());
        }
        // Other reasons end only when pools or the service itself change.
        let for_any = matches!(pending.reason, Reason::OutOfAddresses | Reason::FamilyUnavailable);
        let mut keys = Vec::new();
        if for_any {
            for dialect in [Dialect::Native, Dialect::Cilium, Dialect::MetalLb] {
                if let Some(sharing) = request::sharing(service, dialect) {
                    let key = (dialect, sharing.key.clone());
                    self.for_key.entry(key.clone()).or_default().insert(place.clone());
                    keys.push(key);
                }
            }
            self.for_any.insert(place);
        }
        self.entries.insert(service.key.clone(), Entry { age: service.age, addresses, keys });
    }

    /// Notes that a service waits no more.
    pub(super) fn remove(&mut self, service: &ServiceKey) {
        let Some(entry) = self.entries.remove(service) else { return };
        let place = (entry.age, service.clone());
        for address in entry.addresses {
            strike(&mut self.for_address, &address, &place);
        }
        for key in entry.keys {
            strike(&mut self.for_key, &key, &place);
        }
        self.for_any.remove(&place);
    }

    /// Who asked for the address.
    pub(super) fn for_address(&self, address: IpAddr) -> impl Iterator<Item = &(Age, ServiceKey)> {
        self.for_address.get(&address).into_iter().flatten()
    }

    /// Who might join an address under the sharing key.
    pub(super) fn for_key(&self, key: &SharingKey) -> impl Iterator<Item = &(Age, ServiceKey)> {
        self.for_key.get(key).into_iter().flatten()
    }

    /// Who takes any address.
    pub(super) fn for_any(&self) -> impl Iterator<Item = &(Age, ServiceKey)> {
        self.for_any.iter()
    }
}

fn strike<K: Ord>(queues: &mut BTreeMap<K, Queue>, key: &K, place: &(Age, ServiceKey)) {
    if let Some(queue) = queues.get_mut(key) {
        queue.remove(place);
        if queue.is_empty() {
            queues.remove(key);
        }
    }
}
