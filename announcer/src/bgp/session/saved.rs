//! A session that goes on in another process on the same node.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::super::Family;
use super::super::message::Framer;
use super::established::Established;
use super::machine::{Phase, Session};
use super::negotiate::Negotiated;
use super::{ConnectionId, Counters, Direction, Endpoints, Settings, Waiting};
use crate::BootTime;

/// All that a process must know to go on with an established session, besides the connection's descriptor. Times are
/// those of the node's boot clock, which both processes share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The ends of the connection.
    pub endpoints: Endpoints,
    /// Who opened it.
    pub direction: Direction,
    /// What was agreed on.
    pub negotiated: Negotiated,
    /// Since when the session is up, after boot.
    pub since: Duration,
    /// When the hold timer expires, after boot.
    pub hold: Option<Duration>,
    /// What was received of a message that is not whole yet.
    pub partial: Vec<u8>,
    /// Families whose prefixes could not be read.
    pub disabled: BTreeSet<Family>,
    /// What went over the session.
    pub counters: Counters,
}

/// Why a saved session cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImportError {
    /// The settings changed in what was agreed on with the peer.
    #[error("{0} changed since the session was opened: it has to be opened anew")]
    Changed(&'static str),
}

impl Session {
    /// The established session, to go on in another process; `None` while it is not up. After this no input may be handled
    /// any more.
    #[must_use]
    pub fn save(&self) -> Option<Saved> {
        let Phase::Up(up) = &self.phase else { return None };
        Some(Saved {
            endpoints: up.endpoints,
            direction: up.direction,
            negotiated: Negotiated::clone(&up.negotiated),
            since: up.since.since_boot(),
            hold: up.hold.map(BootTime::since_boot),
            partial: up.framer.partial().to_vec(),
            disabled: up.disabled().clone(),
            counters: self.counters,
        })
    }

    /// Goes on with a saved session, with a KEEPALIVE due at once.
    ///
    /// # Errors
    /// When the settings do not fit what was agreed on. The session is then to be ended with a reset.
    pub fn resume(
        settings: Settings,
        seed: u64,
        saved: Saved,
        now: BootTime,
    ) -> Result<(Self, ConnectionId), ImportError> {
        fits(&settings, &saved.negotiated)?;
        let mut framer = Framer::default();
        if settings.extended_messages {
            framer.extend_messages();
        }
        framer.feed(&saved.partial);
        let mut session = Self::new(settings, seed);
        let id = session.new_id();
        let Saved { endpoints, direction, negotiated, .. } = saved;
        let mut up = Established::new(id, direction, endpoints, framer, negotiated, None, now);
        up.since = BootTime::from_boot(saved.since);
        up.hold = saved.hold.map(BootTime::from_boot);
        up.disable(&saved.disabled);
        up.keepalive_now(now);
        up.wrote(Waiting::Nothing, now);
        session.counters = saved.counters;
        session.phase = Phase::Up(Box::new(up));
        Ok((session, id))
    }
}

fn fits(settings: &Settings, negotiated: &Negotiated) -> Result<(), ImportError> {
    let changed = [
        ("our AS", settings.local_as != negotiated.local_as),
        ("the BGP identifier", settings.identifier != negotiated.identifier),
        ("the peer's AS", !settings.peer_as.admits(negotiated.peer_as, negotiated.local_as)),
        ("the hold time", negotiated.hold_time > settings.hold_time),
        ("the set of families", !negotiated.families.is_subset(&settings.families)),
        ("extended messages", negotiated.extended_messages && !settings.extended_messages),
        ("the extended next hop", negotiated.extended_next_hop && !settings.extended_next_hop),
        ("graceful restart", negotiated.graceful_restart && settings.graceful_restart.is_none()),
    ];
    changed.into_iter().find(|(_, changed)| *changed).map_or(Ok(()), |(what, _)| Err(ImportError::Changed(what)))
}
