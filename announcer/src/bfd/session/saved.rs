//! A running session, to be handed to another process of the same machine without the peer noticing.

use std::num::NonZeroU8;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::poll::Poll;
use super::timing::Jitter;
use super::{Remote, Session, Timing};
use crate::BootTime;
use crate::bfd::packet::{Diagnostic, Discriminator, Micros, State};

/// A session's whole state. Moments are nanoseconds since boot, so it means something only until the machine boots anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Our name for the session.
    pub discriminator: Discriminator,
    /// Whether it waits for the peer to begin.
    pub passive: bool,
    /// As configured.
    pub timing: Timing,
    /// The State field's bits.
    state: u8,
    diagnostic: u8,
    since: u64,
    /// The peer, when it is heard.
    pub remote: Option<SavedRemote>,
    poll: Poll,
    transmit_in_use: u32,
    receive_in_use: u32,
    sent: u64,
    jitter: Option<Jitter>,
}

/// The peer of a [`Saved`] session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRemote {
    /// The peer's name for the session.
    pub discriminator: Discriminator,
    state: u8,
    diagnostic: u8,
    desired_min_tx: u32,
    required_min_rx: u32,
    multiplier: NonZeroU8,
    demand: bool,
    control_plane_independent: bool,
}

impl Session {
    /// The session's whole state.
    #[must_use]
    pub fn save(&self) -> Saved {
        let remote = self.remote.discriminator.map(|discriminator| SavedRemote {
            discriminator,
            state: self.remote.state.bits(),
            diagnostic: self.remote.diagnostic.code(),
            desired_min_tx: self.remote.desired_min_tx.0,
            required_min_rx: self.remote.required_min_rx.0,
            multiplier: self.remote.multiplier,
            demand: self.remote.demand,
            control_plane_independent: self.remote.control_plane_independent,
        });
        Saved {
            discriminator: self.discriminator,
            passive: self.passive,
            timing: self.timing,
            state: self.state.bits(),
            diagnostic: self.diagnostic.code(),
            since: self.since.nanos(),
            remote,
            poll: self.poll,
            transmit_in_use: self.transmit_in_use.0,
            receive_in_use: self.receive_in_use.0,
            sent: self.sent.nanos(),
            jitter: self.jitter,
        }
    }

    /// Goes on with a session where another process left it. What the peer sent while it was handed over may be lost, so
    /// the detection time begins anew. Moments that have not come yet, from another boot, count as now.
    #[must_use]
    pub fn restore(saved: &Saved, now: BootTime) -> Self {
        let at = |nanos| BootTime::from_boot(Duration::from_nanos(nanos)).min(now);
        let remote = saved.remote.as_ref().map_or(Remote::UNKNOWN, |remote| Remote {
            discriminator: Some(remote.discriminator),
            state: State::from_bits(remote.state),
            diagnostic: Diagnostic::from_code(remote.diagnostic),
            desired_min_tx: Micros(remote.desired_min_tx),
            required_min_rx: Micros(remote.required_min_rx),
            multiplier: remote.multiplier,
            demand: remote.demand,
            control_plane_independent: remote.control_plane_independent,
            heard: now,
        });
        Self {
            discriminator: saved.discriminator,
            passive: saved.passive,
            timing: saved.timing,
            state: State::from_bits(saved.state),
            diagnostic: Diagnostic::from_code(saved.diagnostic),
            since: at(saved.since),
            remote,
            poll: saved.poll,
            transmit_in_use: Micros(saved.transmit_in_use),
            receive_in_use: Micros(saved.receive_in_use),
            sent: at(saved.sent),
            jitter: saved.jitter,
        }
    }
}
