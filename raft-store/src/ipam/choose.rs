//! What a service gets beyond what it has. Nothing is changed here.

use std::net::IpAddr;

use super::family;
use super::fit::{answers_to, serves, serving_dialects};
use super::ledger::Ledger;
use super::pools::SpaceId;
use super::reason::{Pending, Reason};
use super::request::{self, Asked, asked};
use super::sharing::Terms;
use crate::model::{Dialect, Family, FamilyPolicy, Service, Wanted};

/// The rules, over what is wanted and who holds what.
#[derive(Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) ledger: &'a Ledger,
}

/// What a service may have now.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// New addresses, each with its pool.
    pub(super) takes: Vec<(IpAddr, SpaceId)>,
    /// What is still missing.
    pub(super) problem: Option<Pending>,
}

/// What a service that takes any address looks at in one dialect.
pub(super) struct Search<'a> {
    pub(super) service: &'a Service,
    pub(super) dialect: Dialect,
    /// Only the pool of this name.
    pub(super) named: Option<&'a str>,
    pub(super) terms: Option<Terms>,
    /// Pools worth trying, in order.
    pub(super) candidates: Vec<SpaceId>,
}

impl Offer {
    pub(super) fn problem(problem: Pending) -> Self {
        Self { takes: Vec::new(), problem: Some(problem) }
    }

    /// How much it gives, and how much its problem tells.
    fn rank(&self) -> (bool, bool, bool) {
        let telling = self.problem.as_ref().is_none_or(|problem| problem.reason != Reason::NoMatchingPool);
        (self.problem.is_none(), !self.takes.is_empty(), telling)
    }
}

impl<'a> Rules<'a> {
    /// The dialects whose pools are asked, in order: those that may serve it and have pools; of these only those that the
    /// service speaks to, if it speaks to any.
    pub(super) fn dialects(&self, service: &Service) -> Vec<Dialect> {
        let mut present: Vec<Dialect> = serving_dialects(service).to_vec();
        present.retain(|dialect| !self.ledger.pools.of(*dialect).is_empty());
        let spoken_to = |dialect: &Dialect| {
            request::speaks_to(service, *dialect) || self.has_named(*dialect, request::named_pool(service, *dialect))
        };
        if present.iter().any(spoken_to) {
            present.retain(spoken_to);
        }
        present
    }

    fn has_named(&self, dialect: Dialect, name: Option<&str>) -> bool {
        name.is_some_and(|name| {
            self.ledger.pools.of(dialect).any(|id| answers_to(&self.ledger.pools.get(id).pool, name))
        })
    }

    /// Whether the service asks for certain addresses.
    pub(super) fn asks_for_addresses(&self, service: &Service) -> bool {
        if request::is_silent(service) {
            return false;
        }
        let asks = |dialect| asked(service, dialect).is_ok_and(|asked| !asked.addresses.is_empty());
        self.dialects(service).into_iter().any(asks)
    }

    /// What a service gets beside what it holds.
    pub(super) fn offer(&self, service: &Service, held: &[(IpAddr, SpaceId)]) -> Offer {
        if !service.requests.invalid.is_empty() {
            return Offer::problem(Pending::new(Reason::InvalidRequest, service.requests.invalid.join("; ")));
        }
        let dialects = match held.first() {
            Some((_, id)) => vec![self.ledger.pools.get(*id).pool.dialect],
            None => self.dialects(service),
        };
        let mut best: Option<Offer> = None;
        for dialect in dialects {
            let offer = self.offer_of(service, dialect, held);
            if best.as_ref().is_none_or(|best| offer.rank() > best.rank()) {
                best = Some(offer);
            }
        }
        best.unwrap_or_else(|| Offer::problem(self.no_pools(service)))
    }

    fn offer_of(&self, service: &Service, dialect: Dialect, held: &[(IpAddr, SpaceId)]) -> Offer {
        match asked(service, dialect) {
            Err(message) => Offer::problem(Pending::new(Reason::InvalidRequest, message)),
            Ok(asked) if asked.addresses.is_empty() && is_content(service, held) => Offer::default(),
            Ok(Asked { addresses, pool }) if addresses.is_empty() => {
                let candidates = self.ledger.pools.candidates(service, dialect);
                let terms = Terms::of(service, dialect);
                self.any(&Search { service, dialect, named: pool, terms, candidates }, held)
            }
            Ok(asked) => self.requested(service, dialect, &asked, held),
        }
    }

    /// The requested addresses that can be had. MetalLB gives all or none, and from one pool.
    fn requested(&self, service: &Service, dialect: Dialect, asked: &Asked<'_>, held: &[(IpAddr, SpaceId)]) -> Offer {
        let mut offer = Offer::default();
        for address in asked.addresses.iter().filter(|address| held.iter().all(|(other, _)| other != *address)) {
            match self.claim(service, dialect, asked.pool, *address) {
                Ok(id) => offer.takes.push((*address, id)),
                Err(problem) => drop(offer.problem.get_or_insert(problem)),
            }
        }
        if dialect == Dialect::MetalLb {
            let mut pools = held.iter().chain(&offer.takes).map(|(_, id)| *id);
            let first = pools.next();
            if pools.any(|id| Some(id) != first) {
                let message = "the requested addresses lie in different pools; ask for addresses of one pool";
                return Offer::problem(Pending::new(Reason::AddressNotInPool, message));
            }
            if offer.problem.is_some() {
                offer.takes.clear();
            }
        }
        offer
    }

    /// The pool that gives a requested address.
    fn claim(
        &self,
        service: &Service,
        dialect: Dialect,
        named: Option<&str>,
        address: IpAddr,
    ) -> Result<SpaceId, Pending> {
        let Some(id) = self.ledger.pools.find(dialect, address) else {
            return Err(self.in_no_pool(dialect, address));
        };
        let space = self.ledger.pools.get(id);
        let name = &space.pool.name;
        let not_from = |why: String| Err(Pending::new(Reason::AddressNotInPool, why));
        if let Some(named) = named.filter(|named| !answers_to(&space.pool, named)) {
            return not_from(format!(
                "{address} is in pool {name}, not in the requested pool {named}; change one of them"
            ));
        }
        if !serves(&space.pool, service, &self.wanted.namespaces) {
            return not_from(format!(
                "{address} is in pool {name}, which does not serve {}; change its selector or ask for another address",
                service.key
            ));
        }
        if space.pool.disabled {
            return not_from(format!(
                "{address} is in pool {name}, which is disabled; enable it or ask for another address"
            ));
        }
        if !space.may_use(address) {
            return not_from(format!(
                "pool {name} leaves {address} out as a reserved address; ask for another address"
            ));
        }
        if let Some(node) = self.ledger.reserved().node(address) {
            let message = format!("{address} is the address of {node}; ask for another address");
            return Err(Pending::new(Reason::AddressInUse, message));
        }
        let admitted = self.ledger.admits(address, id, Terms::of(service, dialect).as_ref());
        admitted.map(|()| id).map_err(|clash| Pending { reason: clash.reason, message: clash.message })
    }

    /// Any address of each family that is missing.
    fn any(&self, search: &Search<'_>, held: &[(IpAddr, SpaceId)]) -> Offer {
        let families = match self.families(search, held) {
            Ok(families) => families,
            Err(problem) => return Offer::problem(problem),
        };
        let prefer = search.service.family_policy == FamilyPolicy::PreferDualStack && families.len() == 2;
        let has = |family: Family| held.iter().any(|(address, _)| Family::of(*address) == family);
        if search.dialect == Dialect::MetalLb && families.len() == 2 {
            return self.both_from_one_pool(search, &families, held);
        }
        let (mut offer, mut unavailable) = (Offer::default(), None);
        for family in families.into_iter().filter(|family| !has(*family)) {
            match self.take(search, family) {
                Some(take) => offer.takes.push(take),
                None => match self.explain(search, &[family]) {
                    // Where no pool offers the second family, the policy is content with one.
                    problem if prefer && problem.reason == Reason::FamilyUnavailable => unavailable = Some(problem),
                    problem => drop(offer.problem.get_or_insert(problem)),
                },
            }
        }
        if offer.takes.is_empty() && held.is_empty() && offer.problem.is_none() {
            offer.problem = unavailable;
        }
        offer
    }

    /// The families that the service wants, in order. Where it leaves that to the pools: both for dual stack, what it
    /// holds, or the first that a fitting pool offers.
    fn families(&self, search: &Search<'_>, held: &[(IpAddr, SpaceId)]) -> Result<Vec<Family>, Pending> {
        if let Some(families) = family::declared(search.service) {
            return Ok(families);
        }
        if search.service.family_policy != FamilyPolicy::SingleStack {
            return Ok(Family::BOTH.to_vec());
        }
        if let Some((address, _)) = held.first() {
            return Ok(vec![Family::of(*address)]);
        }
        let offered = |family: &Family| {
            search.candidates.iter().any(|id| self.ledger.pools.get(*id).offers(*family) && self.fits(search, *id))
        };
        match Family::BOTH.into_iter().find(offered) {
            Some(family) => Ok(vec![family]),
            None => Err(self.explain(search, &[Family::V4])),
        }
    }

    /// Whether a pool may give the service something new without being asked for an address.
    pub(super) fn fits(&self, search: &Search<'_>, id: SpaceId) -> bool {
        let space = self.ledger.pools.get(id);
        space.is_open()
            && search.named.map_or(space.pool.auto_assign, |name| answers_to(&space.pool, name))
            && serves(&space.pool, search.service, &self.wanted.namespaces)
    }

    /// One address of a family: one that the service can join (for MetalLB only where that is the lowest that its pool can
    /// give), else the lowest free one of the first pool that has one.
    fn take(&self, search: &Search<'_>, family: Family) -> Option<(IpAddr, SpaceId)> {
        if search.dialect != Dialect::MetalLb
            && let Some(terms) = &search.terms
        {
            let shared = self.ledger.joinable(terms, family).find_map(|address| {
                let id = self.ledger.space_of(address)?;
                self.fits(search, id).then_some((address, id))
            });
            if shared.is_some() {
                return shared;
            }
        }
        search.candidates.iter().find_map(|id| self.take_from(search, *id, family))
    }

    /// One address of a family from one pool.
    pub(super) fn take_from(&self, search: &Search<'_>, id: SpaceId, family: Family) -> Option<(IpAddr, SpaceId)> {
        let space = self.ledger.pools.get(id);
        let shared = search.terms.as_ref().filter(|_| search.dialect == Dialect::MetalLb).and_then(|terms| {
            self.ledger
                .joinable(terms, family)
                .filter(|address| self.ledger.space_of(*address) == Some(id))
                .min_by_key(|address| space.slot(*address))
        });
        let lowest = space.lowest_free(family).into_iter().chain(shared).min_by_key(|address| space.slot(*address))?;
        self.fits(search, id).then_some((lowest, id))
    }
}

/// Whether a service that takes any address has one of every family that it could want.
pub(super) fn is_content(service: &Service, held: &[(IpAddr, SpaceId)]) -> bool {
    let has = |family: &Family| held.iter().any(|(address, _)| Family::of(*address) == *family);
    match family::declared(service) {
        Some(families) => families.iter().all(has),
        None => {
            has(&Family::V4) && has(&Family::V6)
                || service.family_policy == FamilyPolicy::SingleStack && !held.is_empty()
        }
    }
}
