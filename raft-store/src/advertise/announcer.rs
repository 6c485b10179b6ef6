//! What one node tells, kept up with the state.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::node_tables::{NodeTables, Taken};
use super::offering::{Offering, with_grants};
use super::session::{PeerKey, Session, Sessions};
use super::shutdown::Phase;
use super::table::{Before, RouteChange, Table, changes, difference};
use crate::machine::{Mark, State, Touched};
use crate::model::{NodeName, ServiceKey};

/// What one node tells its routers: follow the state with [`Announcer::follow`] and carry out the [`Update`]s.
///
/// It keeps what it last said, so that a change of a service costs what that service tells, and only what differs is
/// given out. A change of nodes, pools, peers or advertisements is worked out anew, and still only differences come out.
#[derive(Clone, Debug)]
pub struct Announcer {
    node: NodeName,
    phase: Phase,
    /// Addresses that the datapath has not confirmed.
    unprogrammed: BTreeSet<IpAddr>,
    seen: Option<Mark>,
    works: Option<Works>,
}

/// All that follows from the state.
#[derive(Clone, Debug)]
pub(super) struct Works {
    pub(super) offering: Offering,
    pub(super) tables: NodeTables,
    /// What each service has this node tell; services without are left out.
    told: BTreeMap<ServiceKey, Box<[Taken]>>,
    /// By how many services each address is told.
    addresses: BTreeMap<IpAddr, u32>,
}

impl Works {
    /// Counts what a service has this node tell, in or out.
    fn count(&mut self, taken: &[Taken], more: bool, mut turned: Option<&mut Turned>) {
        for address in taken.iter().map(|(address, ..)| *address) {
            let before = self.addresses.get(&address).copied().unwrap_or(0);
            let now = if more { before + 1 } else { before.saturating_sub(1) };
            if now == 0 {
                self.addresses.remove(&address)
            } else {
                self.addresses.insert(address, now)
            };
            if let Some(turned) = turned.as_deref_mut()
                && (before == 0) != (now == 0)
            {
                turned.note(address, now > 0);
            }
        }
    }
}

/// What is to be done. Routes of sessions that are opened come with [`Announcer::table`], once they are established.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Sessions that came, changed or went, by peer.
    pub sessions: BTreeMap<PeerKey, SessionChange>,
    /// What to send on sessions that stand, each in the order of prefixes. Sessions that are told the same share a list.
    pub routes: BTreeMap<PeerKey, Arc<[RouteChange]>>,
    /// Addresses of services that are told from now on, or not any more, by whatever route.
    pub addresses: Turned,
}

/// Addresses that began or ceased to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Turned {
    /// Told from now on.
    pub began: BTreeSet<IpAddr>,
    /// Told no more.
    pub ended: BTreeSet<IpAddr>,
}

impl Turned {
    /// An address that turns twice stands where it was.
    fn note(&mut self, address: IpAddr, told: bool) {
        let (one, other) = if told { (&mut self.began, &mut self.ended) } else { (&mut self.ended, &mut self.began) };
        if !other.remove(&address) {
            one.insert(address);
        }
    }
}

/// What became of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionChange {
    /// Open it.
    Opened(Box<Session>),
    /// It has other settings now. Which of them need a new connection is the speaker's to know.
    Changed(Box<Session>),
    /// Close it: the node keeps it no more.
    Closed,
}

impl Update {
    /// Whether nothing is to be done.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.routes.is_empty() && self.addresses == Turned::default()
    }
}

impl Announcer {
    /// One that has told nothing yet.
    pub fn new(node: NodeName) -> Self {
        Self { node, phase: Phase::default(), unprogrammed: BTreeSet::new(), seen: None, works: None }
    }

    /// Brings it up to the state: at the cost of what was touched since it last looked, or of everything the node tells.
    pub fn follow(&mut self, state: &State) -> Update {
        let (touched, mark) = state.touched_since(self.seen.as_ref());
        self.seen = Some(mark);
        match (touched, self.works.take()) {
            (Touched::Services(services), Some(mut works)) => {
                let update = self.tell_anew(&mut works, state, &services);
                self.works = Some(works);
                update
            }
            (_, earlier) => {
                self.works = self.work_out(state);
                turn(earlier.as_ref(), self.works.as_ref())
            }
        }
    }

    /// The node enters another phase of a graceful shutdown.
    pub fn set_phase(&mut self, phase: Phase) -> Update {
        self.phase = phase;
        let Some(works) = &mut self.works else { return Update::default() };
        let changed = works.tables.tables.iter_mut().map(|table| table.set_phase(phase)).collect();
        shared(&works.tables, changed)
    }

    /// Says for which addresses the node's datapath is not ready: these are not told (P8).
    pub fn set_unprogrammed(&mut self, state: &State, addresses: BTreeSet<IpAddr>) -> Update {
        let changed: BTreeSet<IpAddr> = self.unprogrammed.symmetric_difference(&addresses).copied().collect();
        self.unprogrammed = addresses;
        let services = services_with(state, &changed);
        let Some(mut works) = self.works.take() else { return Update::default() };
        let update = self.tell_anew(&mut works, state, &services);
        self.works = Some(works);
        update
    }

    /// The node.
    pub fn node(&self) -> &NodeName {
        &self.node
    }

    /// The phase that it is in.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The sessions that the node keeps, and those that it was refused; `None` while the state has no such node.
    pub fn sessions(&self) -> Option<&Sessions> {
        self.works.as_ref().map(|works| &works.tables.sessions)
    }

    /// What is told on a session. Sessions that are told the same share a table.
    pub fn table(&self, peer: &PeerKey) -> Option<&Table> {
        self.works.as_ref().and_then(|works| works.tables.table(peer))
    }

    /// The number of the table that a session is told from, until the next change of nodes, pools, peers or
    /// advertisements: sessions of one number are told the same.
    pub fn audience(&self, peer: &PeerKey) -> Option<usize> {
        self.works.as_ref()?.tables.of_session.get(peer).copied()
    }

    /// Every address of a service that is told, by whatever route.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.works.iter().flat_map(|works| works.addresses.keys().copied())
    }

    pub(super) fn works(&self) -> Option<&Works> {
        self.works.as_ref()
    }

    pub(super) fn is_programmed(&self, address: IpAddr) -> bool {
        self.unprogrammed.is_empty() || !self.unprogrammed.contains(&address)
    }

    fn work_out(&self, state: &State) -> Option<Works> {
        let views = state.views();
        let node = views.get(&self.node)?;
        let mut offering = Offering::new(&state.wanted.bgp, &views);
        let mut tables = NodeTables::new(&offering, &state.wanted.bgp, node, self.phase);
        let mut told = Vec::new();
        if tables.tables.is_empty() {
            return Some(Works { offering, tables, told: BTreeMap::new(), addresses: BTreeMap::new() });
        }
        for (service, grants) in with_grants(&state.wanted, &state.book) {
            let offers = offering.offers(&state.wanted, grants, service);
            let taken = tables.take(&offers, |address| self.is_programmed(address));
            if !taken.is_empty() {
                told.push((service.key.clone(), taken));
            }
        }
        tables.fill(&offering, told.iter().flat_map(|(_, taken)| taken.iter()));
        let mut works = Works { offering, tables, told: BTreeMap::new(), addresses: BTreeMap::new() };
        told.iter().for_each(|(_, taken)| works.count(taken, true, None));
        works.told = told.into_iter().collect();
        Some(works)
    }

    /// Tells these services anew.
    fn tell_anew(&self, works: &mut Works, state: &State, services: &BTreeSet<ServiceKey>) -> Update {
        if works.tables.tables.is_empty() {
            return Update::default();
        }
        let mut before = vec![Before::new(); works.tables.tables.len()];
        let mut turned = Turned::default();
        for key in services {
            let Works { offering, tables, told, .. } = works;
            let service = state.wanted.services.get(key);
            let offers = service.map(|service| offering.offers(&state.wanted, state.book.grants_of(key), service));
            let now = tables.take(&offers.unwrap_or_default(), |address| self.is_programmed(address));
            if told.get(key).map_or(&[][..], AsRef::as_ref) == &*now {
                continue;
            }
            // First what is new: a prefix that stays is not forgotten in between.
            tables.tell(offering, &now, true, &mut before);
            let earlier = told.remove(key).unwrap_or_default();
            tables.tell(offering, &earlier, false, &mut before);
            works.count(&now, true, Some(&mut turned));
            works.count(&earlier, false, Some(&mut turned));
            if !now.is_empty() {
                works.told.insert(key.clone(), now);
            }
        }
        let changed = works.tables.tables.iter().zip(before).map(|(table, before)| changes(table, before)).collect();
        Update { addresses: turned, ..shared(&works.tables, changed) }
    }
}

/// The changes of each table, for each session that is told from it.
fn shared(tables: &NodeTables, changed: Vec<Vec<RouteChange>>) -> Update {
    let changed: Vec<Arc<[RouteChange]>> = changed.into_iter().map(Arc::from).collect();
    let of_session = tables.of_session.iter().map(|(peer, place)| (peer.clone(), Arc::clone(&changed[*place])));
    Update { routes: of_session.filter(|(_, changed)| !changed.is_empty()).collect(), ..Update::default() }
}

/// Every service that has one of the addresses, as whatever kind.
pub(super) fn services_with(state: &State, addresses: &BTreeSet<IpAddr>) -> BTreeSet<ServiceKey> {
    if addresses.is_empty() {
        return BTreeSet::new();
    }
    let services = state.wanted.services.values();
    let of_cluster = services.filter(|service| service.cluster_ips.iter().any(|address| addresses.contains(address)));
    let others = addresses.iter().flat_map(|address| state.users_of(*address));
    of_cluster.map(|service| &service.key).chain(others).cloned().collect()
}

/// The addresses that only one of the two tells.
fn turned(from: Option<&Works>, to: Option<&Works>) -> Turned {
    let none = BTreeMap::new();
    let (from, to) = (from.map_or(&none, |works| &works.addresses), to.map_or(&none, |works| &works.addresses));
    let only = |one: &BTreeMap<IpAddr, u32>, other: &BTreeMap<IpAddr, u32>| {
        one.keys().filter(|address| !other.contains_key(address)).copied().collect()
    };
    Turned { began: only(to, from), ended: only(from, to) }
}

/// What leads from one whole to another.
fn turn(from: Option<&Works>, to: Option<&Works>) -> Update {
    let sessions = |works: Option<&Works>| -> BTreeMap<PeerKey, Session> {
        let kept = works.map(|works| &works.tables.sessions.kept[..]).unwrap_or_default();
        kept.iter().map(|session| (session.peer.clone(), session.clone())).collect()
    };
    let (mut old, new) = (sessions(from), sessions(to));
    let mut update = Update { addresses: turned(from, to), ..Update::default() };
    let mut known: BTreeMap<(usize, usize), Arc<[RouteChange]>> = BTreeMap::new();
    for (peer, session) in new {
        let Some(before) = old.remove(&peer) else {
            update.sessions.insert(peer, SessionChange::Opened(Box::new(session)));
            continue;
        };
        if let (Some(from), Some(to)) = (from, to)
            && let (Some(one), Some(other)) = (from.tables.of_session.get(&peer), to.tables.of_session.get(&peer))
        {
            let changed = known
                .entry((*one, *other))
                .or_insert_with(|| difference(&from.tables.tables[*one], &to.tables.tables[*other]).into());
            if !changed.is_empty() {
                update.routes.insert(peer.clone(), Arc::clone(changed));
            }
        }
        if before != session {
            update.sessions.insert(peer, SessionChange::Changed(Box::new(session)));
        }
    }
    update.sessions.extend(old.into_keys().map(|peer| (peer, SessionChange::Closed)));
    update
}
