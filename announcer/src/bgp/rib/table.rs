//! Routes, log, cursors.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Included};
use std::sync::Arc;

use super::super::{Family, Prefix};
use super::cache::{Cache, Span};
use super::pack::{Batch, Packer, ends_of_rib};
use super::profile::Profile;
use super::route::{Attributes, TooLong};
use super::saved::Position;

/// A peer that takes from a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerId(u64);

/// How many routes [`AdjRibOut::replace`] has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Changed {
    /// New ones, and those with other attributes.
    pub announced: usize,
    /// Those that are gone.
    pub withdrawn: usize,
}

/// A route, or the memory of one that is gone until every peer was told.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub version: u64,
    pub attributes: Option<Arc<Attributes>>,
}

#[derive(Debug)]
struct Peer {
    profile: Arc<Profile>,
    profile_number: u32,
    position: Position,
    refresh: Option<Refresh>,
}

/// A family is sent again, beside the cursor: what is there, up to the version at which it was asked for.
#[derive(Debug)]
struct Refresh {
    families: BTreeSet<Family>,
    after: u64,
    until: u64,
    /// Asked for again meanwhile: another round follows.
    again: BTreeSet<Family>,
}

/// The routes for a set of peers, and how far each of them was told.
#[derive(Debug, Default)]
pub struct AdjRibOut {
    pub(super) routes: BTreeMap<Prefix, Entry>,
    pub(super) log: BTreeMap<u64, Prefix>,
    pub(super) version: u64,
    /// The version at which the first table was complete.
    pub(super) complete: Option<u64>,
    pub(super) draining: bool,
    /// Each set of attributes once, with how many routes have it.
    pub(super) attributes: BTreeMap<Arc<Attributes>, u64>,
    /// Versions of the routes that are gone.
    pub(super) gone: BTreeSet<u64>,
    peers: BTreeMap<PeerId, Peer>,
    next_peer: u64,
    profiles: BTreeMap<Arc<Profile>, u32>,
    next_profile: u32,
    cache: Cache,
}

impl AdjRibOut {
    /// An empty table that is not complete.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Announces a route; `true` when that changes something.
    ///
    /// # Errors
    /// When it has more communities than a message has room for. Nothing is changed then.
    pub fn announce(&mut self, prefix: Prefix, attributes: impl Into<Arc<Attributes>>) -> Result<bool, TooLong> {
        let attributes = attributes.into();
        attributes.check()?;
        let attributes = self.intern(attributes);
        let known = self.routes.get(&prefix).and_then(|entry| entry.attributes.as_ref());
        if known.is_some_and(|known| Arc::ptr_eq(known, &attributes)) {
            return Ok(false);
        }
        self.set(prefix, Some(attributes));
        Ok(true)
    }

    /// Withdraws a route; `false` when there is none.
    pub fn withdraw(&mut self, prefix: Prefix) -> bool {
        let known = self.routes.get(&prefix).is_some_and(|entry| entry.attributes.is_some());
        if known {
            self.set(prefix, None);
            self.forget_gone();
        }
        known
    }

    /// Makes these all the routes there are. Only what differs is sent.
    ///
    /// # Errors
    /// When one has more communities than a message has room for, with the first such one. Nothing is changed then.
    pub fn replace(&mut self, routes: BTreeMap<Prefix, Arc<Attributes>>) -> Result<Changed, (Prefix, TooLong)> {
        for (prefix, attributes) in &routes {
            attributes.check().map_err(|error| (*prefix, error))?;
        }
        if self.routes.is_empty() {
            return Ok(self.fill(routes));
        }
        let live = self.routes.iter().filter(|(_, entry)| entry.attributes.is_some()).map(|(prefix, _)| *prefix);
        let gone: Vec<Prefix> = live.filter(|prefix| !routes.contains_key(prefix)).collect();
        let mut changed = Changed { announced: 0, withdrawn: gone.len() };
        for (prefix, attributes) in routes {
            changed.announced += usize::from(self.announce(prefix, attributes).unwrap_or_default());
        }
        for prefix in gone {
            self.set(prefix, None);
        }
        self.forget_gone();
        Ok(changed)
    }

    /// Makes these the routes of an empty table. Maps made of sorted parts are quicker to make and half as large.
    fn fill(&mut self, routes: BTreeMap<Prefix, Arc<Attributes>>) -> Changed {
        let first = self.version;
        self.version += routes.len() as u64;
        self.log = (first + 1..).zip(routes.keys().copied()).collect();
        let mut attributes: Vec<(Prefix, Arc<Attributes>)> = Vec::with_capacity(routes.len());
        for (prefix, set) in routes {
            // Neighbours mostly have the same attributes, as the same value.
            let known = attributes.last().map(|(_, last)| last).filter(|last| Arc::ptr_eq(last, &set)).cloned();
            let set = known.unwrap_or_else(|| self.intern(set));
            self.count(&set);
            attributes.push((prefix, set));
        }
        let entries = (first + 1..).zip(attributes);
        let entries =
            entries.map(|(version, (prefix, attributes))| (prefix, Entry { version, attributes: Some(attributes) }));
        self.routes = entries.collect();
        Changed { announced: self.routes.len(), withdrawn: 0 }
    }

    /// The first table is complete: peers may be told its end, and those that kept routes over a restart forget what was
    /// not announced anew. Until then no End-of-RIB is sent.
    pub fn complete(&mut self) {
        self.complete.get_or_insert(self.version);
    }

    /// Adds [`super::GRACEFUL_SHUTDOWN`] to every route, and for internal peers LOCAL_PREF 0, or takes both back: to be done
    /// some time before a node is drained, so that traffic has moved away before the routes go. Every route is sent again.
    pub fn set_draining(&mut self, draining: bool) {
        if self.draining == draining {
            return;
        }
        self.draining = draining;
        self.cache.clear();
        let live: Vec<_> =
            self.log.iter().filter(|(version, _)| !self.gone.contains(version)).map(|(_, prefix)| *prefix).collect();
        for prefix in live {
            let attributes = self.routes.get(&prefix).and_then(|entry| entry.attributes.clone());
            self.set(prefix, attributes);
        }
    }

    /// The table's own copy of a set of attributes; equal ones are the same.
    fn intern(&self, attributes: Arc<Attributes>) -> Arc<Attributes> {
        self.attributes.get_key_value(&attributes).map_or(attributes, |(known, _)| Arc::clone(known))
    }

    pub(super) fn count(&mut self, attributes: &Arc<Attributes>) {
        *self.attributes.entry(Arc::clone(attributes)).or_default() += 1;
    }

    fn discount(&mut self, attributes: &Arc<Attributes>) {
        if let Some(count) = self.attributes.get_mut(attributes) {
            *count -= 1;
            if *count == 0 {
                self.attributes.remove(attributes);
            }
        }
    }

    /// Changes a route, with the next version.
    fn set(&mut self, prefix: Prefix, attributes: Option<Arc<Attributes>>) {
        self.version += 1;
        match &attributes {
            Some(attributes) => self.count(attributes),
            None => drop(self.gone.insert(self.version)),
        }
        let entry = Entry { version: self.version, attributes };
        if let Some(old) = self.routes.insert(prefix, entry) {
            self.log.remove(&old.version);
            self.gone.remove(&old.version);
            self.cache.forget(old.version);
            if let Some(attributes) = old.attributes {
                self.discount(&attributes);
            }
        }
        self.log.insert(self.version, prefix);
    }

    /// Forgets routes that are gone once every peer was told.
    fn forget_gone(&mut self) {
        if self.gone.is_empty() {
            return;
        }
        let told = self.peers.values().map(|peer| peer.position.told).min().unwrap_or(self.version);
        while let Some(version) = self.gone.first().copied().filter(|version| *version <= told) {
            self.gone.remove(&version);
            self.cache.forget(version);
            if let Some(prefix) = self.log.remove(&version) {
                self.routes.remove(&prefix);
            }
        }
    }

    /// A peer whose session has come up: it gets all routes, then End-of-RIB if it waits for that.
    pub fn join(&mut self, profile: Profile) -> PeerId {
        let position = Position { told: 0, initial: self.version, end_of_rib: profile.end_of_rib, refresh: false };
        self.rejoin(profile, position)
    }

    /// A peer whose session goes on (see [`AdjRibOut::resume`]): it gets what comes after its position.
    pub fn rejoin(&mut self, profile: Profile, position: Position) -> PeerId {
        self.next_peer += 1;
        let profile = Arc::new(profile);
        let (profile, profile_number) = match self.profiles.get_key_value(&profile) {
            Some((known, number)) => (Arc::clone(known), *number),
            None => {
                self.next_profile += 1;
                self.profiles.insert(Arc::clone(&profile), self.next_profile);
                (profile, self.next_profile)
            }
        };
        let id = PeerId(self.next_peer);
        self.peers.insert(id, Peer { profile, profile_number, position, refresh: None });
        if position.refresh {
            Family::ALL.into_iter().for_each(|family| self.refresh(id, family));
        }
        id
    }

    /// A peer whose session is down.
    pub fn leave(&mut self, id: PeerId) {
        self.peers.remove(&id);
        // A profile whose only references are the map's and this one has no peer any more.
        self.profiles.retain(|profile, _| Arc::strong_count(profile) > 1);
        self.forget_gone();
    }

    /// A peer wants all routes of a family again (RFC 2918).
    pub fn refresh(&mut self, id: PeerId, family: Family) {
        let until = self.version;
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.profile.speaks(family)) else { return };
        match &mut peer.refresh {
            Some(refresh) => refresh.again.extend([family]),
            none => {
                *none = Some(Refresh { families: [family].into(), after: 0, until, again: BTreeSet::new() });
            }
        }
    }

    /// The next changes for a peer, packed; they count as told. `None` when there are none.
    pub fn pull(&mut self, id: PeerId) -> Option<Batch> {
        // A span may hold nothing for a peer, for example only routes of another family.
        while let Some(batch) = self.next_batch(id) {
            if batch.updates > 0 {
                return Some(batch);
            }
        }
        None
    }

    fn next_batch(&mut self, id: PeerId) -> Option<Batch> {
        let peer = self.peers.get_mut(&id)?;
        if peer.position.end_of_rib
            && let Some(complete) = self.complete
            && peer.position.told >= complete.max(peer.position.initial)
        {
            peer.position.end_of_rib = false;
            return Some(ends_of_rib(&peer.profile));
        }
        if peer.position.told < self.version {
            return self.advance(id);
        }
        self.again(id)
    }

    /// Moves a peer's cursor.
    fn advance(&mut self, id: PeerId) -> Option<Batch> {
        let share = self.peers.len() > 1;
        let peer = self.peers.get_mut(&id)?;
        let (after, number) = (peer.position.told, peer.profile_number);
        let initial = after < peer.position.initial;
        let limit = if initial { peer.position.initial } else { self.version };
        let (to, batch) = self.cache.find(number, after, initial, limit).unwrap_or_else(|| {
            let mut packer = Packer::new(&peer.profile, self.draining);
            let mut to = limit;
            for (version, prefix) in self.log.range((Excluded(after), Included(limit))) {
                if packer.is_full() {
                    break;
                }
                match self.routes.get(prefix).and_then(|entry| entry.attributes.as_ref()) {
                    _ if !peer.profile.speaks(prefix.family()) => {}
                    Some(attributes) => packer.announce(*prefix, attributes, !initial),
                    None if initial => {}
                    None => packer.withdraw(*prefix),
                }
                to = *version;
            }
            // What is behind the last change up to the limit was overtaken by later ones.
            let to = if packer.is_full() { to } else { limit };
            let batch = packer.finish();
            if share {
                self.cache.keep(Span { profile: number, after, to, initial }, batch.clone());
            }
            (to, batch)
        });
        peer.position.told = to;
        self.forget_gone();
        Some(batch)
    }

    /// Sends on what a peer has asked for again.
    fn again(&mut self, id: PeerId) -> Option<Batch> {
        let peer = self.peers.get_mut(&id)?;
        let refresh = peer.refresh.as_mut()?;
        let mut packer = Packer::new(&peer.profile, self.draining);
        let mut after = refresh.until;
        for (version, prefix) in self.log.range((Excluded(refresh.after), Included(refresh.until))) {
            if packer.is_full() {
                break;
            }
            if let Some(attributes) = self.routes.get(prefix).and_then(|entry| entry.attributes.as_ref())
                && refresh.families.contains(&prefix.family())
            {
                packer.announce(*prefix, attributes, false);
            }
            after = *version;
        }
        refresh.after = if packer.is_full() { after } else { refresh.until };
        if refresh.after >= refresh.until {
            let families = std::mem::take(&mut refresh.again);
            let until = self.version;
            peer.refresh =
                (!families.is_empty()).then_some(Refresh { families, after: 0, until, again: BTreeSet::new() });
        }
        Some(packer.finish())
    }

    /// Whether a peer was told everything.
    #[must_use]
    pub fn is_told(&self, id: PeerId) -> bool {
        self.peers.get(&id).is_none_or(|peer| peer.position.told == self.version && peer.refresh.is_none())
    }

    /// How far a peer was told.
    #[must_use]
    pub fn position(&self, id: PeerId) -> Option<Position> {
        self.peers.get(&id).map(|peer| Position { refresh: peer.refresh.is_some(), ..peer.position })
    }

    /// How far each peer was told, in the order of joining.
    pub fn positions(&self) -> impl Iterator<Item = Position> {
        self.peers.values().map(|peer| Position { refresh: peer.refresh.is_some(), ..peer.position })
    }

    /// The routes, by prefix.
    pub fn routes(&self) -> impl Iterator<Item = (Prefix, &Attributes)> {
        self.routes.iter().filter_map(|(prefix, entry)| Some((*prefix, entry.attributes.as_deref()?)))
    }

    /// How many routes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.routes.len() - self.gone.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
