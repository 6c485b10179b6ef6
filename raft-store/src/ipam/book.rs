//! The book of addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::conflict::PoolKey;
use super::ledger::Ledger;
use super::pools::Pools;
use super::reason::Pending;
use super::sharing::Terms;
use crate::model::{Dialect, Name, Pool, ServiceKey, Wanted};

/// An address that a service has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The address.
    pub address: IpAddr,
    /// The pool that it is from.
    pub pool: (Dialect, Name),
}

/// What became different for one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationChange {
    /// The service.
    pub service: ServiceKey,
    /// What it had, by address.
    pub before: Vec<Grant>,
    /// What it has now, by address.
    pub after: Vec<Grant>,
    /// What it waits for now.
    pub pending: Option<Pending>,
    /// What it waited for.
    pub pending_before: Option<Pending>,
}

/// What changed in the wanted state since the book was last brought up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Pools or namespaces changed: every service is looked at.
    pub pools: bool,
    /// Services that came, went or changed.
    pub services: BTreeSet<ServiceKey>,
}

/// Everything the allocator remembers.
///
/// Only grants and pending services are stored and compared; the rest is derived. After reading a stored book call
/// [`AddressBook::reindex`]; a [`AddressBook::reconcile`] without it looks at every service.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct AddressBook {
    /// By service; each list is sorted by address and not empty.
    pub(super) grants: BTreeMap<ServiceKey, Vec<Grant>>,
    pub(super) pending: BTreeMap<ServiceKey, Pending>,
    /// Services whose grants were seeded and have not been judged yet.
    pub(super) unsettled: BTreeSet<ServiceKey>,
    #[serde(skip)]
    pub(super) ledger: Ledger,
}

impl PartialEq for AddressBook {
    fn eq(&self, other: &Self) -> bool {
        (&self.grants, &self.pending, &self.unsettled) == (&other.grants, &other.pending, &other.unsettled)
    }
}

impl AddressBook {
    /// Rebuilds what is derived, from the wanted state that the book was last reconciled with. Grants that do not fit into
    /// it wait, as seeded ones do, for the next [`AddressBook::reconcile`].
    pub fn reindex(&mut self, wanted: &Wanted) {
        self.ledger = Ledger::new(Pools::new(wanted), self.ledger.take_reserved());
        for (key, grants) in &self.grants {
            let Some(service) = wanted.services.get(key).filter(|_| !self.unsettled.contains(key)) else {
                self.unsettled.insert(key.clone());
                continue;
            };
            for grant in grants {
                let terms = Terms::of(service, grant.pool.0);
                let space = self.ledger.pools.named(&grant.pool);
                match space.filter(|space| self.ledger.admits(grant.address, *space, terms.as_ref()).is_ok()) {
                    Some(space) => self.ledger.settle(grant.address, space, key.clone(), terms),
                    None => drop(self.unsettled.insert(key.clone())),
                }
            }
        }
        for (key, pending) in &self.pending {
            if let Some(service) = wanted.services.get(key) {
                self.ledger.waiting.add(service, pending);
            }
        }
    }

    /// Gives a service addresses that stood elsewhere: in an earlier plan, or under another allocator. The next
    /// [`AddressBook::reconcile`] keeps those that are valid, and until then nobody uses them. Replaces what it has.
    pub fn seed(&mut self, service: &ServiceKey, grants: impl IntoIterator<Item = Grant>) {
        for grant in self.grants.remove(service).unwrap_or_default() {
            self.ledger.vacate(grant.address, service);
        }
        let seeded: BTreeSet<Grant> = grants.into_iter().collect();
        if !seeded.is_empty() {
            self.grants.insert(service.clone(), seeded.into_iter().collect());
        }
        self.unsettled.insert(service.clone());
    }

    /// What a service has, by address.
    pub fn grants_of(&self, service: &ServiceKey) -> &[Grant] {
        self.grants.get(service).map_or(&[], Vec::as_slice)
    }

    /// Every service that has an address, with its addresses.
    pub fn grants(&self) -> impl Iterator<Item = (&ServiceKey, &[Grant])> {
        self.grants.iter().map(|(service, grants)| (service, grants.as_slice()))
    }

    /// Every service that did not get all it asked for.
    pub fn pending(&self) -> &BTreeMap<ServiceKey, Pending> {
        &self.pending
    }

    /// All services that hold the address, by name.
    pub fn users_of(&self, address: IpAddr) -> impl Iterator<Item = &ServiceKey> {
        self.ledger.users_of(address)
    }

    /// The pool that an address is held from.
    pub fn pool_of(&self, address: IpAddr) -> Option<&Pool> {
        self.ledger.space_of(address).map(|id| &self.ledger.pools.get(id).pool)
    }

    /// Every address in use, once, in numeric order, IPv4 first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.ledger.addresses()
    }

    /// Writes down that a service has an address; the ledger knows already.
    pub(super) fn enter(&mut self, service: &ServiceKey, address: IpAddr, pool: PoolKey) {
        let grants = self.grants.entry(service.clone()).or_default();
        let at = grants.partition_point(|grant| grant.address < address);
        grants.insert(at, Grant { address, pool });
    }
}
