//! All sessions of a node together: which session a packet is for, when the next one wants time, what each has done. Without
//! sockets and without a clock, like [`super::session`].

mod rows;

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::rows::{Counters, LastDown, Row, SavedSession};
use super::discard::{Discard, Discards};
use super::packet::{Diagnostic, Discriminator, LENGTH, Packet};
use super::path::{Arrival, Hops, Path};
use super::session::{Change, Input, Output, Session, Timing};
use crate::BootTime;

/// Sessions at most.
pub const MAX_SESSIONS: usize = 2048;
/// Source ports (RFC 5881 section 4).
const PORTS: std::ops::RangeInclusive<u16> = 49_152..=65_535;
/// The TTL that a single hop packet must have: any router on the way would have made it smaller.
const SINGLE_HOP_TTL: u8 = 255;

/// How a session is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Intervals and multiplier.
    pub timing: Timing,
    /// Whether it waits for the peer to begin.
    pub passive: bool,
    /// Multihop: the smallest TTL that is taken, 255 less the routers that may be between (FRR sends with 255, BIRD with the
    /// system's TTL, which is 64). Single hop takes 255 alone.
    pub least_ttl: u8,
}

impl Default for Settings {
    /// One router between at most, when multihop.
    fn default() -> Self {
        Self { timing: Timing::default(), passive: false, least_ttl: 254 }
    }
}

/// Why a session cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AddError {
    /// One for each path.
    #[error("there is a session on this path already")]
    Exists,
    /// The bound.
    #[error("there are {MAX_SESSIONS} sessions already")]
    TooMany,
}

/// There is no session on a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("there is no BFD session with {0}")]
pub struct NoSession(pub Path);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Send this for a session.
    Send(Discriminator, [u8; LENGTH]),
    /// A session came up, or went down.
    Changed(Path, Change),
    /// A session has ended; its socket is of no more use.
    Closed(Discriminator),
}

#[derive(Debug)]
struct Entry {
    path: Path,
    settings: Settings,
    source_port: u16,
    session: Session,
    /// It has to go when its peer knows.
    closing: bool,
    /// As it stands in the index of deadlines.
    deadline: Option<BootTime>,
    counters: Counters,
    discards: Discards,
    last_down: Option<LastDown>,
    last_send_error: Option<String>,
}

impl Entry {
    fn wants_time_at(&self) -> Option<BootTime> {
        let farewell = if self.closing { self.session.farewell_end() } else { None };
        self.session.next_deadline().into_iter().chain(farewell).min()
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Endpoint {
    sessions: BTreeMap<Discriminator, Entry>,
    paths: BTreeMap<Path, Discriminator>,
    deadlines: BTreeSet<(BootTime, Discriminator)>,
    ports: BTreeSet<u16>,
    discards: Discards,
}

impl Endpoint {
    /// Draws a discriminator that no session has.
    pub fn draw_discriminator(&self, randomness: &mut dyn Rng) -> Discriminator {
        loop {
            let drawn = Discriminator::new(randomness.next_u32());
            if let Some(free) = drawn.filter(|drawn| !self.sessions.contains_key(drawn)) {
                return free;
            }
        }
    }

    /// Draws a source port that no session has.
    pub fn draw_source_port(&self, randomness: &mut dyn Rng) -> u16 {
        let (first, count) = (*PORTS.start(), u32::from(PORTS.end() - PORTS.start()) + 1);
        loop {
            // Below 16,384, and there are fewer sessions than ports.
            let drawn = first + (randomness.next_u32() % count) as u16;
            if !self.ports.contains(&drawn) {
                return drawn;
            }
        }
    }

    /// Whether a session can be added.
    ///
    /// # Errors
    /// When there is one on the path, or too many. One that only says farewell makes room.
    pub fn has_room(&self, path: &Path) -> Result<(), AddError> {
        match self.paths.get(path).and_then(|id| self.sessions.get(id)) {
            Some(entry) if !entry.closing => Err(AddError::Exists),
            Some(_) => Ok(()),
            None if self.sessions.len() >= MAX_SESSIONS => Err(AddError::TooMany),
            None => Ok(()),
        }
    }

    /// Adds a session that begins at once.
    ///
    /// # Errors
    /// As [`Self::has_room`].
    pub fn add(
        &mut self,
        path: Path,
        settings: Settings,
        discriminator: Discriminator,
        source_port: u16,
        now: BootTime,
    ) -> Result<Vec<Action>, AddError> {
        let session = Session::new(discriminator, settings.timing, settings.passive, now);
        let counters = Counters::default();
        self.insert(Entry {
            path,
            settings,
            source_port,
            session,
            closing: false,
            deadline: None,
            counters,
            discards: Discards::default(),
            last_down: None,
            last_send_error: None,
        })
    }

    fn insert(&mut self, entry: Entry) -> Result<Vec<Action>, AddError> {
        self.has_room(&entry.path)?;
        let leaving = self.paths.get(&entry.path).copied();
        let actions = leaving.and_then(|id| self.drop_session(id)).into_iter().collect();
        let id = entry.session.discriminator();
        self.paths.insert(entry.path, id);
        self.ports.insert(entry.source_port);
        self.sessions.insert(id, entry);
        self.reschedule(id);
        Ok(actions)
    }

    /// Changes a session: intervals by a poll, the rest at once.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn change(
        &mut self,
        path: &Path,
        settings: Settings,
        now: BootTime,
        randomness: &mut dyn Rng,
    ) -> Result<Vec<Action>, NoSession> {
        let id = self.find(path)?;
        if let Some(entry) = self.sessions.get_mut(&id) {
            entry.settings = settings;
            entry.session.set_passive(settings.passive);
        }
        Ok(self.step(id, Input::Retime(settings.timing), now, randomness))
    }

    /// Takes a session down by its operator's word, or lets it come up again.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn set_admin_down(
        &mut self,
        path: &Path,
        down: bool,
        now: BootTime,
        randomness: &mut dyn Rng,
    ) -> Result<Vec<Action>, NoSession> {
        let id = self.find(path)?;
        let input = if down { Input::AdminDown(Diagnostic::ADMINISTRATIVELY_DOWN) } else { Input::AdminUp };
        Ok(self.step(id, input, now, randomness))
    }

    /// Ends a session: the peer is told that it is administratively down, and when it knows, [`Action::Closed`] follows.
    ///
    /// # Errors
    /// When there is no such session.
    pub fn remove(&mut self, path: &Path, now: BootTime, randomness: &mut dyn Rng) -> Result<Vec<Action>, NoSession> {
        let id = self.find(path)?;
        if let Some(entry) = self.sessions.get_mut(&id) {
            entry.closing = true;
        }
        Ok(self.step(id, Input::AdminDown(Diagnostic::ADMINISTRATIVELY_DOWN), now, randomness))
    }

    /// Takes a datagram.
    pub fn receive(
        &mut self,
        arrival: &Arrival,
        datagram: &[u8],
        now: BootTime,
        randomness: &mut dyn Rng,
    ) -> Vec<Action> {
        match self.accept(arrival, datagram) {
            Ok((id, packet)) => {
                if let Some(entry) = self.sessions.get_mut(&id) {
                    entry.counters.received += 1;
                }
                self.step(id, Input::Received(packet), now, randomness)
            }
            Err((id, discard)) => {
                tracing::debug!(peer = %arrival.from, "BFD packet discarded: {discard}");
                self.count_discard(id, discard);
                Vec::new()
            }
        }
    }

    /// Lets time pass for every session that wants it.
    pub fn tick(&mut self, now: BootTime, randomness: &mut dyn Rng) -> Vec<Action> {
        let due: Vec<_> = self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|&(_, id)| id).collect();
        due.into_iter().flat_map(|id| self.step(id, Input::Tick, now, randomness)).collect()
    }

    /// When a session wants time next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<BootTime> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    /// Keeps in mind what could not be sent, and why.
    pub fn note_send_error(&mut self, id: Discriminator, error: String) {
        if let Some(entry) = self.sessions.get_mut(&id) {
            entry.counters.send_errors += 1;
            entry.last_send_error = Some(error);
        }
    }

    /// No sessions, not even such that say farewell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    fn find(&self, path: &Path) -> Result<Discriminator, NoSession> {
        let id = self.paths.get(path).copied();
        let active = id.filter(|id| self.sessions.get(id).is_some_and(|entry| !entry.closing));
        active.ok_or(NoSession(*path))
    }

    /// RFC 5880 section 6.8.6 as far as it takes to know the session, and the TTL (RFC 5881 section 5).
    fn accept(
        &self,
        arrival: &Arrival,
        datagram: &[u8],
    ) -> Result<(Discriminator, Packet), (Option<Discriminator>, Discard)> {
        let packet = Packet::decode(datagram).map_err(|discard| (None, discard))?;
        // Once the peer names the session, neither its address nor the interface count (RFC 5880 section 6.3).
        let id = match packet.yours {
            Some(id) => id,
            None => self.match_path(arrival).ok_or((None, Discard::UnknownPeer))?,
        };
        let entry = self.sessions.get(&id).ok_or((None, Discard::UnknownDiscriminator(id.get())))?;
        let refuse = |discard| (Some(id), discard);
        if arrival.hops != entry.path.hops() {
            return Err(refuse(Discard::WrongPort));
        }
        let ttl = arrival.ttl.ok_or(refuse(Discard::NoTtl))?;
        let least = match arrival.hops {
            Hops::Single => SINGLE_HOP_TTL,
            Hops::Multi => entry.settings.least_ttl,
        };
        if ttl < least {
            return Err(refuse(Discard::Ttl { ttl, least }));
        }
        Ok((id, packet))
    }

    /// The path that fits best; the paths of one peer stand next to each other.
    fn match_path(&self, arrival: &Arrival) -> Option<Discriminator> {
        let of_peer =
            self.paths.range(Path::first_of(arrival.from)..).take_while(|(path, _)| path.peer() == arrival.from);
        let fitting = of_peer.filter_map(|(path, &id)| path.fits(arrival).map(|weight| (weight, id)));
        fitting.max_by_key(|&(weight, _)| weight).map(|(_, id)| id)
    }

    fn step(&mut self, id: Discriminator, input: Input, now: BootTime, randomness: &mut dyn Rng) -> Vec<Action> {
        let Some(entry) = self.sessions.get_mut(&id) else { return Vec::new() };
        let mut actions = Vec::new();
        for output in entry.session.handle(input, now, randomness) {
            match output {
                Output::Send(packet) => {
                    entry.counters.sent += 1;
                    actions.push(Action::Send(id, packet.encode()));
                }
                Output::Changed(change) => {
                    entry.note(change, now);
                    actions.push(Action::Changed(entry.path, change));
                }
                Output::Discarded(discard) => entry.discards.count(discard),
            }
        }
        let over = entry.closing && entry.session.farewell_end().is_some_and(|end| end <= now);
        if over {
            actions.extend(self.drop_session(id));
        } else {
            self.reschedule(id);
        }
        actions
    }

    fn drop_session(&mut self, id: Discriminator) -> Option<Action> {
        let entry = self.sessions.remove(&id)?;
        self.paths.remove(&entry.path);
        self.ports.remove(&entry.source_port);
        if let Some(at) = entry.deadline {
            self.deadlines.remove(&(at, id));
        }
        Some(Action::Closed(id))
    }

    fn reschedule(&mut self, id: Discriminator) {
        let Some(entry) = self.sessions.get_mut(&id) else { return };
        let deadline = entry.wants_time_at();
        if deadline == entry.deadline {
            return;
        }
        if let Some(at) = std::mem::replace(&mut entry.deadline, deadline) {
            self.deadlines.remove(&(at, id));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, id));
        }
    }

    fn count_discard(&mut self, id: Option<Discriminator>, discard: Discard) {
        match id.and_then(|id| self.sessions.get_mut(&id)) {
            Some(entry) => entry.discards.count(discard),
            None => self.discards.count(discard),
        }
    }
}

#[cfg(test)]
mod tests;
