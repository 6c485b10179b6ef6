//! What sessions have done, for operators, and their state for another process.

use serde::{Deserialize, Serialize};

use super::{Action, AddError, Discards, Endpoint, Entry, Path, Session, Settings};
use crate::BootTime;
use crate::bfd::packet::{Diagnostic, Discriminator};
use crate::bfd::session::{Change, DownReason, Saved, Status};

/// Counted since a session was added.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets that were taken.
    pub received: u64,
    /// Packets that were to be sent.
    pub sent: u64,
    /// Packets among these that the system did not send.
    pub send_errors: u64,
    /// Times that it came up.
    pub ups: u64,
    /// Times that it went down.
    pub downs: u64,
}

/// The last time that a session went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastDown {
    /// When.
    pub at: BootTime,
    /// Why.
    pub reason: DownReason,
    /// What the peer told last before.
    pub peer_diagnostic: Diagnostic,
}

/// One session, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Between which addresses.
    pub path: Path,
    /// As configured.
    pub settings: Settings,
    /// Our UDP port.
    pub source_port: u16,
    /// As it is.
    pub status: Status,
    /// It only tells its peer that it ends.
    pub closing: bool,
    /// What it did.
    pub counters: Counters,
    /// Packets for it that were not taken, by reason.
    pub discards: Discards,
    /// When it last went down.
    pub last_down: Option<LastDown>,
    /// Why the system last did not send a packet.
    pub last_send_error: Option<String>,
}

/// A running session with its socket's port, for another process of the same machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedSession {
    /// Between which addresses.
    pub path: Path,
    /// As configured.
    pub settings: Settings,
    /// Our UDP port, which must stay the same (RFC 5881 section 4).
    pub source_port: u16,
    /// What it did.
    pub counters: Counters,
    /// Its state.
    pub session: Saved,
}

impl Entry {
    pub(super) fn note(&mut self, change: Change, at: BootTime) {
        match change {
            Change::Up => self.counters.ups += 1,
            Change::Down { reason, peer_diagnostic, .. } => {
                self.counters.downs += 1;
                self.last_down = Some(LastDown { at, reason, peer_diagnostic });
            }
        }
    }
}

impl Endpoint {
    /// All sessions, sorted by path.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let entries = self.paths.values().filter_map(|id| self.sessions.get(id));
        let row = |entry: &Entry| Row {
            path: entry.path,
            settings: entry.settings,
            source_port: entry.source_port,
            status: entry.session.status(),
            closing: entry.closing,
            counters: entry.counters,
            discards: entry.discards.clone(),
            last_down: entry.last_down,
            last_send_error: entry.last_send_error.clone(),
        };
        entries.map(row).collect()
    }

    /// Packets that belonged to no session, by reason.
    #[must_use]
    pub fn discards(&self) -> &Discards {
        &self.discards
    }

    /// All sessions, also those that say farewell.
    pub fn discriminators(&self) -> impl Iterator<Item = Discriminator> + '_ {
        self.sessions.keys().copied()
    }

    /// All sessions that do not end, for another process.
    #[must_use]
    pub fn save(&self) -> Vec<SavedSession> {
        let entries = self.sessions.values().filter(|entry| !entry.closing);
        let save = |entry: &Entry| SavedSession {
            path: entry.path,
            settings: entry.settings,
            source_port: entry.source_port,
            counters: entry.counters,
            session: entry.session.save(),
        };
        entries.map(save).collect()
    }

    /// Goes on with a session of another process.
    ///
    /// # Errors
    /// As [`Self::has_room`]; also when the discriminator is in use here.
    pub fn restore(&mut self, saved: &SavedSession, now: BootTime) -> Result<Vec<Action>, AddError> {
        if self.sessions.contains_key(&saved.session.discriminator) {
            return Err(AddError::Exists);
        }
        self.insert(Entry {
            path: saved.path,
            settings: saved.settings,
            source_port: saved.source_port,
            session: Session::restore(&saved.session, now),
            closing: false,
            deadline: None,
            counters: saved.counters,
            discards: Discards::default(),
            last_down: None,
            last_send_error: None,
        })
    }
}
