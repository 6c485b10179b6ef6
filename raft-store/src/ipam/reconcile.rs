//! Bringing the book up to date.
//!
//! One round: what the services at hand have is lifted from the ledger and laid down again where it is still valid; then
//! their status addresses, then requested addresses, then any. Within each step older services come first, and those that
//! changed come after those that did not, so that a change of one service never costs another its address. What was
//! released wakes those who wait for it.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::IpAddr;

use super::book::{AddressBook, AllocationChange, Grant, Touched};
use super::choose::{Rules, Search, is_content};
use super::fit::is_served;
use super::ledger::{Ledger, SharingKey};
use super::pools::{Pools, SpaceId};
use super::reason::Pending;
use super::request;
use super::sharing::Terms;
use crate::model::{Age, Family, Service, ServiceKey, Wanted};

impl AddressBook {
    /// Brings the book up to date with the wanted state. `touched` must name everything that changed since the last time.
    /// Gives back what became different, by service.
    pub fn reconcile(&mut self, wanted: &Wanted, touched: &Touched) -> Vec<AllocationChange> {
        let everything = touched.pools || !self.ledger.ready;
        let mut round = Round::new(self, wanted, everything);
        if everything {
            round.lift_everything();
        } else {
            let unsettled = mem::take(&mut round.book.unsettled);
            touched.services.union(&unsettled).for_each(|key| round.lift(key));
        }
        let services = if everything {
            round.in_order(wanted.services.values().map(Box::as_ref), &touched.services)
        } else {
            let lifted = round.before.keys().filter_map(|key| wanted.services.get(key).map(Box::as_ref));
            round.in_order(lifted, &touched.services)
        };
        let services = round.resume(services);
        round.adopt(&services);
        round.fill(&services);
        round.changes()
    }
}

/// What a service had when the round began.
struct Before {
    grants: Vec<Grant>,
    pending: Option<Pending>,
}

/// The turn of a service: it takes any address, how old it is, what it is called.
type Place<'a> = (bool, Age, &'a ServiceKey);

struct Round<'a> {
    book: &'a mut AddressBook,
    wanted: &'a Wanted,
    /// Every service was lifted.
    everything: bool,
    before: BTreeMap<ServiceKey, Before>,
    /// Addresses that were lifted: somebody may have left, or become easier to share with.
    loosened: BTreeSet<IpAddr>,
    /// Sharing keys under which something was lifted or granted.
    keys: BTreeSet<SharingKey>,
    /// What to fill: those who ask for certain addresses first, then older first.
    work: BTreeMap<Place<'a>, &'a Service>,
}

impl<'a> Round<'a> {
    fn new(book: &'a mut AddressBook, wanted: &'a Wanted, everything: bool) -> Self {
        Self {
            book,
            wanted,
            everything,
            before: BTreeMap::new(),
            loosened: BTreeSet::new(),
            keys: BTreeSet::new(),
            work: BTreeMap::new(),
        }
    }

    /// Lifts every service, and takes the pools as they are now.
    fn lift_everything(&mut self) {
        let reserved = self.book.ledger.take_reserved();
        self.book.ledger = Ledger::new(Pools::new(self.wanted), reserved);
        self.book.unsettled.clear();
        let mut pending = mem::take(&mut self.book.pending);
        let grants = mem::take(&mut self.book.grants).into_iter();
        self.before = grants
            .map(|(key, grants)| {
                let pending = pending.remove(&key);
                (key, Before { grants, pending })
            })
            .collect();
        let waiting = pending.into_iter();
        self.before.extend(waiting.map(|(key, wait)| (key, Before { grants: Vec::new(), pending: Some(wait) })));
    }

    /// Lifts one service.
    fn lift(&mut self, key: &ServiceKey) {
        let grants = self.book.grants.remove(key).unwrap_or_default();
        for grant in &grants {
            self.keys.extend(self.book.ledger.vacate(grant.address, key));
            self.loosened.insert(grant.address);
        }
        self.book.ledger.waiting.remove(key);
        let pending = self.book.pending.remove(key);
        self.before.insert(key.clone(), Before { grants, pending });
    }

    /// Those of the services that are served here: unchanged ones first, then older ones.
    fn in_order(
        &self,
        services: impl Iterator<Item = &'a Service>,
        changed: &BTreeSet<ServiceKey>,
    ) -> Vec<&'a Service> {
        let mut services: Vec<&Service> = services.filter(|service| is_served(service)).collect();
        services.sort_by_cached_key(|service| (changed.contains(&service.key), service.age));
        services
    }

    fn rules(&self) -> Rules<'_> {
        Rules { wanted: self.wanted, ledger: &self.book.ledger }
    }

    /// Lays down again what is still valid. Gives back the services that may need more.
    fn resume(&mut self, services: Vec<&'a Service>) -> Vec<&'a Service> {
        let mut kept: Vec<(IpAddr, SpaceId)> = Vec::new();
        let resume_one = |service: &&'a Service| {
            kept.clear();
            let grants = self.before.get(&service.key).map(|before| before.grants.clone()).unwrap_or_default();
            for grant in grants {
                if let Some(id) = self.rules().keeps(service, grant.address, Some(&grant.pool), &kept) {
                    kept.push((grant.address, id));
                    self.settle(service, grant.address, id);
                }
            }
            !request::is_silent(service) || !is_content(service, &kept)
        };
        services.into_iter().filter(resume_one).collect()
    }

    /// Takes over what a service's status says it has. What it has from the book counts more.
    fn adopt(&mut self, services: &[&'a Service]) {
        for service in services {
            for address in &service.status_addresses {
                let held = self.held(&service.key);
                if held.iter().any(|(other, _)| other == address) {
                    continue;
                }
                if let Some(id) = self.rules().adopts(service, *address, &held) {
                    self.settle(service, *address, id);
                }
            }
        }
    }

    /// Gives services what they miss, and wakes those who wait for what became free.
    fn fill(&mut self, services: &[&'a Service]) {
        self.work = services.iter().map(|service| (self.place(service), *service)).collect();
        loop {
            if !self.everything {
                self.wake();
            }
            if self.work.is_empty() {
                return;
            }
            while let Some((_, service)) = self.work.pop_first() {
                self.fill_one(service);
                if !self.everything {
                    self.wake_by_key();
                }
            }
        }
    }

    /// When a service has its turn.
    fn place(&self, service: &'a Service) -> Place<'a> {
        (!self.rules().asks_for_addresses(service), service.age, &service.key)
    }

    fn fill_one(&mut self, service: &'a Service) {
        let key = &service.key;
        let offer = self.rules().offer(service, &self.held(key));
        for (address, id) in offer.takes {
            self.settle(service, address, id);
        }
        self.book.ledger.waiting.remove(key);
        self.book.pending.remove(key);
        if let Some(pending) = offer.problem {
            self.book.ledger.waiting.add(service, &pending);
            self.book.pending.insert(key.clone(), pending);
        }
    }

    /// Queues those whom what was lifted may help.
    fn wake(&mut self) {
        let waiting = &self.book.ledger.waiting;
        let by_address = self.loosened.iter().flat_map(|address| waiting.for_address(*address));
        let woken: Vec<ServiceKey> = by_address.map(|(_, key)| key.clone()).collect();
        let for_any = self.waiting_for_space();
        woken.iter().chain(&for_any).for_each(|key| self.enqueue(key));
        self.wake_by_key();
    }

    /// Queues those who may join an address under a sharing key where something changed.
    fn wake_by_key(&mut self) {
        while let Some(sharing) = self.keys.pop_first() {
            let woken: Vec<ServiceKey> =
                self.book.ledger.waiting.for_key(&sharing).map(|(_, key)| key.clone()).collect();
            woken.iter().for_each(|key| self.enqueue(key));
        }
    }

    /// Queues a waiting service, unless it had its turn in this round.
    fn enqueue(&mut self, key: &ServiceKey) {
        let Some(service) = self.wanted.services.get(key).filter(|_| !self.before.contains_key(key)) else { return };
        let grants = self.book.grants_of(key).to_vec();
        let pending = self.book.pending.get(key).cloned();
        self.before.insert(key.clone(), Before { grants, pending });
        self.work.insert(self.place(service), service);
    }

    /// Who takes any address and may get one that became free: the oldest, one for each such address.
    fn waiting_for_space(&self) -> Vec<ServiceKey> {
        let ledger = &self.book.ledger;
        let free: Vec<IpAddr> = self.loosened.iter().copied().filter(|address| ledger.is_free(*address)).collect();
        let open: BTreeSet<(SpaceId, Family)> = free
            .iter()
            .flat_map(|address| ledger.pools.holding(*address).map(|id| (id, Family::of(*address))))
            .filter(|(id, family)| ledger.pools.get(*id).lowest_free(*family).is_some())
            .collect();
        if open.is_empty() {
            return Vec::new();
        }
        let untried = ledger.waiting.for_any().filter(|(_, key)| !self.before.contains_key(key));
        let helped = untried
            .filter(|(_, key)| self.wanted.services.get(key).is_some_and(|service| self.may_help(service, &open)));
        helped.map(|(_, key)| key.clone()).take(free.len()).collect()
    }

    fn may_help(&self, service: &Service, open: &BTreeSet<(SpaceId, Family)>) -> bool {
        let rules = self.rules();
        open.iter().any(|(id, family)| {
            let dialect = self.book.ledger.pools.get(*id).pool.dialect;
            let named = request::named_pool(service, dialect);
            let search = Search { service, dialect, named, terms: None, candidates: Vec::new() };
            let missing = self.book.grants_of(&service.key).iter().all(|grant| Family::of(grant.address) != *family);
            missing && rules.fits(&search, *id)
        })
    }

    /// Enters an address of a service. Who waits under its sharing key may join there.
    fn settle(&mut self, service: &Service, address: IpAddr, id: SpaceId) {
        let pool = &self.book.ledger.pools.get(id).pool;
        let key = (pool.dialect, pool.name.clone());
        let terms = Terms::of(service, pool.dialect);
        if let Some(terms) = terms.as_ref().filter(|_| !self.everything) {
            self.keys.insert((terms.dialect, terms.key.clone()));
        }
        self.book.ledger.settle(address, id, service.key.clone(), terms);
        self.book.enter(&service.key, address, key);
    }

    /// What a service holds, each address with the pool that it is held from.
    fn held(&self, key: &ServiceKey) -> Vec<(IpAddr, SpaceId)> {
        let grants = self.book.grants_of(key).iter();
        grants.filter_map(|grant| Some((grant.address, self.book.ledger.space_of(grant.address)?))).collect()
    }

    /// What is different now.
    fn changes(mut self) -> Vec<AllocationChange> {
        // A look at everything does not list services that had nothing.
        if self.everything {
            let now = self.book.grants.keys().chain(self.book.pending.keys());
            let fresh: Vec<ServiceKey> = now.filter(|key| !self.before.contains_key(key)).cloned().collect();
            self.before.extend(fresh.into_iter().map(|key| (key, Before { grants: Vec::new(), pending: None })));
        }
        let book = self.book;
        let changes = self.before.into_iter().filter_map(|(service, before)| {
            let after = book.grants_of(&service);
            let pending = book.pending.get(&service);
            if before.grants == after && before.pending.as_ref() == pending {
                return None;
            }
            let (after, pending) = (after.to_vec(), pending.cloned());
            Some(AllocationChange { before: before.grants, after, pending, pending_before: before.pending, service })
        });
        changes.collect()
    }
}
