//! What the book knows by address: who holds it, with whom they may share it, and what is free. Derived from the grants and
//! the wanted state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::pools::{Pools, SpaceId};
use super::reason::Reason;
use super::reserved::Reserved;
use super::sharing::{Pact, PortKey, Refusal, Terms};
use super::waiting::Waiting;
use crate::model::{Dialect, Family, ServiceKey};

/// A sharing key of one dialect.
pub(super) type SharingKey = (Dialect, String);

/// The derived side of the book.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ledger {
    /// Whether it was built at all; it is not stored.
    pub(super) ready: bool,
    pub(super) pools: Pools,
    reserved: Reserved,
    tenancies: BTreeMap<IpAddr, Tenancy>,
    shared: BTreeMap<(Dialect, Family, String), Shared>,
    pub(super) waiting: Waiting,
}

/// Who holds an address.
#[derive(Clone, Debug, PartialEq)]
struct Tenancy {
    space: SpaceId,
    tenants: Tenants,
}

#[derive(Clone, Debug, PartialEq)]
enum Tenants {
    /// One service that shares with nobody.
    Sole(ServiceKey),
    /// Services that share, or one that would.
    Sharing(Box<Pact>),
}

/// The addresses of one family held under a sharing key, and on how many of them each port is in use.
#[derive(Clone, Debug, Default, PartialEq)]
struct Shared {
    addresses: BTreeSet<IpAddr>,
    ports: BTreeMap<PortKey, usize>,
}

/// Why an address that is held cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Ledger {
    /// A ledger without tenants.
    pub(super) fn new(mut pools: Pools, reserved: Reserved) -> Self {
        reserved.addresses().for_each(|address| pools.keep_back(address, true));
        Self { ready: true, pools, reserved, ..Self::default() }
    }

    /// What the nodes have for themselves.
    pub(super) fn reserved(&self) -> &Reserved {
        &self.reserved
    }

    /// Takes it out, to make a new ledger with it.
    pub(super) fn take_reserved(&mut self) -> Reserved {
        std::mem::take(&mut self.reserved)
    }

    /// The nodes have other addresses now. Tells whether one became free that a pool may give out.
    pub(super) fn reserve(&mut self, reserved: Reserved) -> bool {
        let before = std::mem::replace(&mut self.reserved, reserved);
        let mut freed = false;
        for address in before.addresses().filter(|address| self.reserved.node(*address).is_none()) {
            freed |= self.pools.holding(address).next().is_some();
            if self.is_free(address) {
                self.pools.keep_back(address, false);
            }
        }
        for address in self.reserved.addresses().filter(|address| before.node(*address).is_none()) {
            if !self.tenancies.contains_key(&address) {
                self.pools.keep_back(address, true);
            }
        }
        freed
    }

    /// Whether nobody holds the address.
    pub(super) fn is_free(&self, address: IpAddr) -> bool {
        !self.tenancies.contains_key(&address)
    }

    /// Every address that is held, IPv4 first.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.tenancies.keys().copied()
    }

    /// The services that hold an address, by name.
    pub(super) fn users_of(&self, address: IpAddr) -> impl Iterator<Item = &ServiceKey> {
        let tenants = self.tenancies.get(&address).map(|tenancy| &tenancy.tenants);
        let (sole, pact) = match tenants {
            None => (None, None),
            Some(Tenants::Sole(service)) => (Some(service), None),
            Some(Tenants::Sharing(pact)) => (None, Some(pact.members())),
        };
        sole.into_iter().chain(pact.into_iter().flatten())
    }

    /// The pool that an address is held from.
    pub(super) fn space_of(&self, address: IpAddr) -> Option<SpaceId> {
        self.tenancies.get(&address).map(|tenancy| tenancy.space)
    }

    /// Whether a service that does not hold the address may hold it, out of this pool.
    pub(super) fn admits(&self, address: IpAddr, space: SpaceId, terms: Option<&Terms>) -> Result<(), Clash> {
        let Some(tenancy) = self.tenancies.get(&address) else { return Ok(()) };
        match (&tenancy.tenants, terms) {
            (Tenants::Sole(holder), None) => Err(in_use(address, holder)),
            (Tenants::Sole(holder), Some(_)) => Err(refused(address, holder, &Refusal::Key)),
            (Tenants::Sharing(pact), None) => match pact.members().next() {
                Some(holder) => Err(in_use(address, holder)),
                None => Ok(()),
            },
            (Tenants::Sharing(pact), Some(terms)) => match pact.refuses(terms) {
                Some((refusal, holder)) => Err(refused(address, holder, &refusal)),
                None if tenancy.space != space => {
                    let pool = &self.pools.get(tenancy.space).pool.name;
                    let message = format!("{address} is held from pool {pool}; share it from there");
                    Err(Clash { reason: Reason::SharingRefused, message })
                }
                None => Ok(()),
            },
        }
    }

    /// Enters a service that [`Ledger::admits`] let in.
    pub(super) fn settle(&mut self, address: IpAddr, space: SpaceId, service: ServiceKey, terms: Option<Terms>) {
        if let Some(terms) = &terms {
            let shared = self.shared.entry(shared_key(terms, address)).or_default();
            shared.addresses.insert(address);
            terms.ports.iter().for_each(|port| *shared.ports.entry(*port).or_default() += 1);
        }
        if let Some(Tenancy { tenants: Tenants::Sharing(pact), .. }) = self.tenancies.get_mut(&address) {
            if let Some(terms) = terms {
                pact.join(service, terms);
            }
            return;
        }
        let tenants = match terms {
            None => Tenants::Sole(service),
            Some(terms) => Tenants::Sharing(Box::new(Pact::new(service, terms))),
        };
        self.tenancies.insert(address, Tenancy { space, tenants });
        if self.reserved.node(address).is_some() {
            self.pools.keep_back(address, false);
        }
        self.pools.take(address);
        self.pools.get_mut(space).count(address, true);
    }

    /// Strikes a service out. Gives back the sharing key under which it held the address.
    pub(super) fn vacate(&mut self, address: IpAddr, service: &ServiceKey) -> Option<SharingKey> {
        let tenancy = self.tenancies.get_mut(&address)?;
        let (empty, terms) = match &mut tenancy.tenants {
            Tenants::Sole(holder) if holder == service => (true, None),
            Tenants::Sole(_) => return None,
            Tenants::Sharing(pact) => {
                let terms = pact.leave(service)?;
                (pact.is_empty(), Some(terms))
            }
        };
        let space = tenancy.space;
        if empty {
            self.tenancies.remove(&address);
            match self.reserved.node(address) {
                Some(_) => self.pools.keep_back(address, true),
                None => self.pools.release(address),
            }
            self.pools.get_mut(space).count(address, false);
        }
        let terms = terms?;
        self.forget_shared(address, &terms, empty);
        Some((terms.dialect, terms.key))
    }

    fn forget_shared(&mut self, address: IpAddr, terms: &Terms, empty: bool) {
        let key = shared_key(terms, address);
        let Some(shared) = self.shared.get_mut(&key) else { return };
        for port in &terms.ports {
            if let Some(count) = shared.ports.get_mut(port) {
                *count -= 1;
                if *count == 0 {
                    shared.ports.remove(port);
                }
            }
        }
        if empty {
            shared.addresses.remove(&address);
            if shared.addresses.is_empty() {
                self.shared.remove(&key);
            }
        }
    }

    /// The held addresses of a family that a service with these terms may join, lowest first.
    pub(super) fn joinable<'a>(&'a self, terms: &'a Terms, family: Family) -> impl Iterator<Item = IpAddr> + 'a {
        let shared = self.shared.get(&(terms.dialect, family, terms.key.clone()));
        // A port that is in use on every address rules all of them out at once.
        let shared = shared.filter(|shared| {
            terms.ports.iter().all(|port| shared.ports.get(port).is_none_or(|count| *count < shared.addresses.len()))
        });
        let ours = |address: &IpAddr| self.reserved.node(*address).is_none();
        shared.into_iter().flat_map(|shared| shared.addresses.iter().copied()).filter(ours).filter(|address| {
            self.space_of(*address).is_some_and(|space| self.admits(*address, space, Some(terms)).is_ok())
        })
    }
}

fn shared_key(terms: &Terms, address: IpAddr) -> (Dialect, Family, String) {
    (terms.dialect, Family::of(address), terms.key.clone())
}

fn in_use(address: IpAddr, holder: &ServiceKey) -> Clash {
    let message = format!(
        "{address} is in use by {holder}; release it there, ask for another address, or give both services one sharing key"
    );
    Clash { reason: Reason::AddressInUse, message }
}

fn refused(address: IpAddr, holder: &ServiceKey, refusal: &Refusal) -> Clash {
    let message = format!("{address} cannot be shared with {holder}, which {refusal}");
    Clash { reason: Reason::SharingRefused, message }
}
