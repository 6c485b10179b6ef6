//! The routes that one audience is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnetwork::IpNetwork;

use super::attributes::Attributes;
use super::audience::Audience;
use super::given::{Given, ShareId};
use super::node_tables::Taken;
use super::offering::{AdvertisementId, Offering, SetId, length};
use super::prefix::prefix;
use super::shutdown::Phase;
use crate::model::Family;

/// A route as it is told. Routes of equal attributes of one table mostly share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub prefix: IpNetwork,
    /// With what.
    pub attributes: Arc<Attributes>,
}

/// A route that is told anew or otherwise than before, or not any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteChange {
    /// Where to.
    pub prefix: IpNetwork,
    /// With what from now on; `None` to withdraw it.
    pub attributes: Option<Arc<Attributes>>,
}

/// The routes that all sessions of one audience are told. Each is there as often as something gives it, so that taking
/// one giver away leaves what others give.
#[derive(Clone, Debug)]
pub struct Table {
    audience: Audience,
    phase: Phase,
    routes: BTreeMap<IpNetwork, Entry>,
    shares: Vec<Share>,
    share_ids: BTreeMap<(Vec<AdvertisementId>, bool), ShareId>,
    /// What an address offered under a set becomes here, by set, family and exactness.
    pieces: BTreeMap<(SetId, Family, bool), Arc<[Piece]>>,
    known: BTreeSet<Arc<Attributes>>,
}

/// What gives a route: advertisements, for a service or for the node itself.
#[derive(Clone, Debug)]
struct Share {
    advertisements: Vec<AdvertisementId>,
    own: bool,
    attributes: Arc<Attributes>,
}

/// A route that an offered address becomes.
#[derive(Clone, Copy, Debug)]
struct Piece {
    length: u8,
    share: ShareId,
}

#[derive(Clone, Debug)]
struct Entry {
    given: Given,
    /// The node's own, told in every phase.
    own: bool,
    attributes: Arc<Attributes>,
}

/// What prefixes were told as before they were first touched.
pub(crate) type Before = BTreeMap<IpNetwork, Option<Arc<Attributes>>>;

impl Table {
    pub(super) fn new(audience: Audience, phase: Phase) -> Self {
        Self {
            audience,
            phase,
            routes: BTreeMap::new(),
            shares: Vec::new(),
            share_ids: BTreeMap::new(),
            pieces: BTreeMap::new(),
            known: BTreeSet::new(),
        }
    }

    /// Every route that is told, by prefix.
    pub fn routes(&self) -> impl Iterator<Item = Route> {
        let told = |(prefix, entry): (&IpNetwork, &Entry)| Some((*prefix, self.as_told(entry)?));
        self.routes.iter().filter_map(told).map(|(prefix, attributes)| Route { prefix, attributes })
    }

    /// How many routes are there to tell, in whatever phase.
    pub fn len(&self) -> usize {
        self.routes.len()
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// How a prefix is told, if it is.
    pub fn get(&self, prefix: IpNetwork) -> Option<Arc<Attributes>> {
        self.as_told(self.routes.get(&prefix)?)
    }

    /// The told routes that hold an address, the longest prefix first.
    pub fn holding(&self, address: IpAddr) -> impl Iterator<Item = Route> {
        (0..=Family::of(address).bits()).rev().filter_map(move |length| {
            let prefix = prefix(address, length);
            Some(Route { prefix, attributes: self.get(prefix)? })
        })
    }

    /// The advertisements that give a prefix, in order.
    pub(super) fn givers(&self, prefix: IpNetwork) -> BTreeSet<AdvertisementId> {
        self.routes.get(&prefix).map(|entry| self.advertisements_of(&entry.given)).unwrap_or_default()
    }

    /// Enters another phase, and gives back what is told otherwise in it.
    pub(super) fn set_phase(&mut self, phase: Phase) -> Vec<RouteChange> {
        let marked: Vec<_> = self.known.iter().map(|known| known.shutting_down()).collect();
        marked.into_iter().for_each(|attributes| drop(self.intern(attributes)));
        let before: Vec<_> = self.routes.values().map(|entry| self.as_told(entry)).collect();
        self.phase = phase;
        let changed = self.routes.iter().zip(before).filter_map(|((prefix, entry), before)| {
            let attributes = self.as_told(entry);
            (attributes != before).then_some(RouteChange { prefix: *prefix, attributes })
        });
        changed.collect()
    }

    /// Adds the node's own prefixes, each under an advertisement, to a table that has nothing yet.
    pub(super) fn fill_own(&mut self, offering: &Offering, own: Vec<(IpNetwork, AdvertisementId)>) {
        let given = own.into_iter().map(|(prefix, under)| (prefix, self.share(offering, vec![under], true))).collect();
        self.build(offering, given);
    }

    /// Adds addresses that are offered under sets of advertisements to a table that has nothing but the node's own. For
    /// many of them it is quicker than [`Table::offer`].
    pub(super) fn fill<'a>(&mut self, offering: &Offering, taken: impl Iterator<Item = &'a Taken>) {
        let mut given = Vec::new();
        for (prefix, entry) in &self.routes {
            let shares = entry.given.iter();
            given.extend(shares.flat_map(|(share, times)| std::iter::repeat_n((*prefix, share), times as usize)));
        }
        for (address, exact, set) in taken {
            let pieces = self.pieces(offering, *set, Family::of(*address), *exact);
            given.extend(pieces.iter().map(|piece| (prefix(*address, piece.length), piece.share)));
        }
        self.build(offering, given);
    }

    /// An address is offered under a set of advertisements, or is no more.
    pub(super) fn offer(&mut self, offering: &Offering, (address, exact, set): Taken, more: bool, before: &mut Before) {
        for piece in self.pieces(offering, set, Family::of(address), exact).iter() {
            let prefix = prefix(address, piece.length);
            before.entry(prefix).or_insert_with(|| self.get(prefix));
            match more {
                true => self.give(offering, prefix, piece.share),
                false => self.take(offering, prefix, piece.share),
            }
        }
    }

    /// Makes the routes of all that gives them.
    fn build(&mut self, offering: &Offering, mut given: Vec<(IpNetwork, ShareId)>) {
        given.sort_unstable();
        let mut routes = Vec::with_capacity(given.len());
        for of_prefix in given.chunk_by(|(one, _), (other, _)| one == other) {
            let (prefix, first) = of_prefix[0];
            let mut given = Given::once(first);
            for (_, share) in &of_prefix[1..] {
                given.add(*share);
            }
            let entry = self.entry(offering, given);
            routes.push((prefix, entry));
        }
        self.routes = routes.into_iter().collect();
    }

    fn as_told(&self, entry: &Entry) -> Option<Arc<Attributes>> {
        match self.phase {
            Phase::Withdrawn if !entry.own => None,
            Phase::GracefulShutdown if !entry.own => {
                let marked = entry.attributes.shutting_down();
                Some(self.known.get(&marked).map_or_else(|| Arc::new(marked), Arc::clone))
            }
            _ => Some(Arc::clone(&entry.attributes)),
        }
    }

    fn give(&mut self, offering: &Offering, prefix: IpNetwork, share: ShareId) {
        let mut given = Given::once(share);
        if let Some(entry) = self.routes.get_mut(&prefix) {
            if !entry.given.add(share) {
                return;
            }
            given = std::mem::replace(&mut entry.given, given);
        }
        let entry = self.entry(offering, given);
        self.routes.insert(prefix, entry);
    }

    fn take(&mut self, offering: &Offering, prefix: IpNetwork, share: ShareId) {
        let Some(entry) = self.routes.get_mut(&prefix) else { return };
        if !entry.given.remove(share) {
            return;
        }
        let given = std::mem::replace(&mut entry.given, Given::once(share));
        if given.is_empty() {
            self.routes.remove(&prefix);
        } else {
            let entry = self.entry(offering, given);
            self.routes.insert(prefix, entry);
        }
    }

    /// A route with what follows from what gives it.
    fn entry(&mut self, offering: &Offering, given: Given) -> Entry {
        let own = given.iter().any(|(share, _)| self.shares[share as usize].own);
        let attributes = match given.only() {
            Some(share) => Arc::clone(&self.shares[share as usize].attributes),
            None => {
                let givers = self.advertisements_of(&given);
                self.intern(Attributes::merged(givers.iter().map(|id| offering.advertisement(*id))))
            }
        };
        Entry { given, own, attributes }
    }

    fn advertisements_of(&self, given: &Given) -> BTreeSet<AdvertisementId> {
        given.iter().flat_map(|(share, _)| &self.shares[share as usize].advertisements).copied().collect()
    }

    fn pieces(&mut self, offering: &Offering, set: SetId, family: Family, exact: bool) -> Arc<[Piece]> {
        if let Some(known) = self.pieces.get(&(set, family, exact)) {
            return Arc::clone(known);
        }
        let mut by_length: BTreeMap<u8, Vec<AdvertisementId>> = BTreeMap::new();
        for id in offering.set(set).iter().filter(|id| self.audience.heard(family).binary_search(id).is_ok()) {
            let length = if exact { family.bits() } else { length(offering.advertisement(*id), family) };
            by_length.entry(length).or_default().push(*id);
        }
        let pieces: Arc<[Piece]> = by_length
            .into_iter()
            .map(|(length, under)| Piece { length, share: self.share(offering, under, false) })
            .collect();
        self.pieces.insert((set, family, exact), Arc::clone(&pieces));
        pieces
    }

    fn share(&mut self, offering: &Offering, advertisements: Vec<AdvertisementId>, own: bool) -> ShareId {
        let next = u32::try_from(self.shares.len()).unwrap_or(u32::MAX);
        let key = (advertisements, own);
        if let Some(known) = self.share_ids.get(&key) {
            return *known;
        }
        let attributes = self.intern(Attributes::merged(key.0.iter().map(|id| offering.advertisement(*id))));
        self.shares.push(Share { advertisements: key.0.clone(), own, attributes });
        self.share_ids.insert(key, next);
        next
    }

    fn intern(&mut self, attributes: Attributes) -> Arc<Attributes> {
        if let Some(known) = self.known.get(&attributes) {
            return Arc::clone(known);
        }
        let attributes = Arc::new(attributes);
        self.known.insert(Arc::clone(&attributes));
        attributes
    }
}

/// What changed since `before` was written down.
pub(super) fn changes(table: &Table, before: Before) -> Vec<RouteChange> {
    let changed = before.into_iter().filter_map(|(prefix, before)| {
        let attributes = table.get(prefix);
        (attributes != before).then_some(RouteChange { prefix, attributes })
    });
    changed.collect()
}

/// What brings a router that was told `from` to `to`.
pub(super) fn difference(from: &Table, to: &Table) -> Vec<RouteChange> {
    let (mut from, mut to) = (from.routes().peekable(), to.routes().peekable());
    let mut changed = Vec::new();
    loop {
        match (from.peek(), to.peek()) {
            (None, None) => return changed,
            (Some(old), new) if new.is_none_or(|new| old.prefix < new.prefix) => {
                changed.push(RouteChange { prefix: old.prefix, attributes: None });
                from.next();
            }
            (old, Some(new)) => {
                let stands = old.is_some_and(|old| old.prefix == new.prefix);
                if !stands || old.is_some_and(|old| old.attributes != new.attributes) {
                    changed.push(RouteChange { prefix: new.prefix, attributes: Some(Arc::clone(&new.attributes)) });
                }
                if stands {
                    from.next();
                }
                to.next();
            }
            (Some(_), None) => return changed,
        }
    }
}
