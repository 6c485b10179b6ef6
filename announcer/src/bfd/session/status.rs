//! What a session tells of itself.

use std::fmt;
use std::num::NonZeroU8;
use std::time::Duration;

use super::{Session, State};
use crate::BootTime;
use crate::bfd::packet::{Diagnostic, Discriminator};

/// A session came up, or went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Both sides hear each other.
    Up,
    /// It was Up and is not any more.
    Down {
        /// Why.
        reason: DownReason,
        /// As it is told to the peer.
        diagnostic: Diagnostic,
        /// What the peer told last; none when it was silent.
        peer_diagnostic: Diagnostic,
    },
}

/// Why a session is not Up any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownReason {
    /// Nothing came from the peer for the detection time.
    DetectionTimeExpired,
    /// The peer does not hear us, or took its session down for another reason; its diagnostic tells.
    PeerSignaledDown,
    /// The peer began anew, under a new discriminator: its BFD was restarted.
    PeerRestarted,
    /// The peer's operator took its session down.
    PeerAdminDown,
    /// Our operator took the session down.
    AdminDown,
}

impl DownReason {
    /// Whether the path failed. It did not when one of the operators took the session down (RFC 5882 section 3.2), nor when
    /// the peer's BFD was restarted: it was heard all the time. What runs over the path then stays as it is.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::DetectionTimeExpired | Self::PeerSignaledDown)
    }

    /// As events and metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DetectionTimeExpired => "DetectionTimeExpired",
            Self::PeerSignaledDown => "PeerSignaledDown",
            Self::PeerRestarted => "PeerRestarted",
            Self::PeerAdminDown => "PeerAdminDown",
            Self::AdminDown => "AdminDown",
        }
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DetectionTimeExpired => "nothing came from the peer for the detection time",
            Self::PeerSignaledDown => "the peer says that its session is down",
            Self::PeerRestarted => "the peer's BFD was restarted",
            Self::PeerAdminDown => "the peer's operator took the session down",
            Self::AdminDown => "the session was taken down here",
        })
    }
}

/// A session as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Ours.
    pub state: State,
    /// Since when.
    pub since: BootTime,
    /// Why it was last down.
    pub diagnostic: Diagnostic,
    /// Our name for the session.
    pub discriminator: Discriminator,
    /// The peer's state, as it told; Down when it is not heard.
    pub remote_state: State,
    /// Why the peer was last down, as it told.
    pub remote_diagnostic: Diagnostic,
    /// The peer's name for the session; `None` when it is not heard.
    pub remote_discriminator: Option<Discriminator>,
    /// The peer's BFD does not share fate with its control plane.
    pub remote_control_plane_independent: bool,
    /// Between our packets, before jitter.
    pub transmit_interval: Duration,
    /// Between the peer's packets, before jitter; `None` when it is not heard.
    pub receive_interval: Option<Duration>,
    /// Without a packet for so long the session fails; `None` when the peer is not heard.
    pub detection_time: Option<Duration>,
    /// Ours, as configured.
    pub multiplier: NonZeroU8,
    /// The peer does not know our present intervals for certain.
    pub polling: bool,
}

impl Session {
    /// The session as it is.
    #[must_use]
    pub fn status(&self) -> Status {
        let heard = self.remote.discriminator.is_some();
        let receive_interval = self.receive_in_use.max(self.remote.desired_min_tx);
        Status {
            state: self.state,
            since: self.since,
            diagnostic: self.diagnostic,
            discriminator: self.discriminator,
            remote_state: self.remote.state,
            remote_diagnostic: self.remote.diagnostic,
            remote_discriminator: self.remote.discriminator,
            remote_control_plane_independent: self.remote.control_plane_independent,
            transmit_interval: self.transmit_interval().into(),
            receive_interval: heard.then(|| receive_interval.into()),
            detection_time: heard.then(|| self.detection_time()),
            multiplier: self.timing.multiplier(),
            polling: self.poll.is_running(),
        }
    }
}
