//! What one peer is configured to be.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use thiserror::Error;

use super::super::Family;

/// Which AS the peer must be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerAs {
    /// This one.
    Given(u32),
    /// Ours (iBGP).
    Internal,
    /// Any but ours (eBGP).
    External,
    /// Any: what its OPEN says counts.
    Any,
}

impl PeerAs {
    /// Whether a peer of this AS may be it.
    #[must_use]
    pub const fn admits(self, theirs: u32, ours: u32) -> bool {
        match self {
            Self::Given(given) => theirs == given,
            Self::Internal => theirs == ours,
            Self::External => theirs != ours,
            Self::Any => true,
        }
    }
}

/// Graceful restart as the restarting speaker (RFC 4724).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GracefulRestart {
    /// How long the peer keeps the routes while nobody is there, in seconds, 1 to 4,095. A dead node's routes linger for as
    /// long, unless BFD says that it is dead.
    pub restart_time: u16,
    /// Also after a NOTIFICATION other than a hard reset (RFC 8538).
    pub notification: bool,
    /// Forwarding goes on without this process. Said in every OPEN, not only after a restart, since a peer forgets the
    /// routes at a new OPEN without it, also when only the connection was lost.
    pub forwarding_preserved: bool,
}

/// What one peer is configured to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Our AS; not 0 and not 23456.
    pub local_as: u32,
    /// Our BGP identifier; not 0.0.0.0.
    pub identifier: Ipv4Addr,
    /// The peer's AS.
    pub peer_as: PeerAs,
    /// Never dial, only wait for the peer to connect.
    pub passive: bool,
    /// Proposed hold time in seconds: 0 (none), or at least 3. The smaller of both sides' counts.
    pub hold_time: u16,
    /// Seconds between KEEPALIVEs, at most a third of the hold time that was agreed on; a third of it where `None`.
    pub keepalive: Option<u16>,
    /// The longest time between two attempts to dial. The first ones follow each other sooner: the wait begins at a second
    /// and doubles with each failure.
    pub connect_retry: Duration,
    /// Families to be announced; at least one.
    pub families: BTreeSet<Family>,
    /// Offer IPv6 next hops for IPv4 routes (RFC 8950).
    pub extended_next_hop: bool,
    /// Offer messages of up to 65,535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Ask the peer to keep routes while this process restarts.
    pub graceful_restart: Option<GracefulRestart>,
}

impl Settings {
    /// With the usual values: both families, a hold time of 90 seconds, up to 120 seconds between attempts, extended
    /// messages, no graceful restart.
    #[must_use]
    pub fn new(local_as: u32, identifier: Ipv4Addr, peer_as: PeerAs) -> Self {
        Self {
            local_as,
            identifier,
            peer_as,
            passive: false,
            hold_time: 90,
            keepalive: None,
            connect_retry: Duration::from_secs(120),
            families: Family::ALL.into(),
            extended_next_hop: false,
            extended_messages: true,
            graceful_restart: None,
        }
    }

    /// Looks for values that no session can have.
    ///
    /// # Errors
    /// For the first one.
    pub fn check(&self) -> Result<(), SettingsError> {
        let restart_time = self.graceful_restart.map(|restart| restart.restart_time);
        if matches!(self.local_as, 0 | 23456) || self.peer_as == PeerAs::Given(0) {
            Err(SettingsError::AutonomousSystem)
        } else if self.identifier.is_unspecified() {
            Err(SettingsError::Identifier)
        } else if matches!(self.hold_time, 1 | 2) {
            Err(SettingsError::HoldTime(self.hold_time))
        } else if self.keepalive.is_some_and(|keepalive| keepalive == 0 || keepalive > self.hold_time) {
            Err(SettingsError::Keepalive { keepalive: self.keepalive.unwrap_or_default(), hold: self.hold_time })
        } else if self.families.is_empty() {
            Err(SettingsError::Families)
        } else if restart_time.is_some_and(|time| !(1..=4095).contains(&time)) {
            Err(SettingsError::RestartTime(restart_time.unwrap_or_default()))
        } else if self.connect_retry < Duration::from_secs(1) {
            Err(SettingsError::ConnectRetry(self.connect_retry))
        } else {
            Ok(())
        }
    }
}

/// A setting that no session can have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// AS 0, or AS_TRANS as our own.
    #[error("an AS number is 1 to 4294967295, our own not 23456")]
    AutonomousSystem,
    /// 0.0.0.0.
    #[error("the BGP identifier must not be 0.0.0.0: set a router ID")]
    Identifier,
    /// One or two seconds.
    #[error("a hold time of {0} s is not allowed: 0 (none), or 3 to 65535")]
    HoldTime(u16),
    /// Zero, or longer than the hold time.
    #[error(
        "a keepalive time of {keepalive} s does not fit a hold time of {hold} s: at least 1, at most the hold time"
    )]
    Keepalive {
        /// Seconds between KEEPALIVEs.
        keepalive: u16,
        /// Hold time in seconds.
        hold: u16,
    },
    /// No family.
    #[error("no address family: a session needs at least one")]
    Families,
    /// Zero, or more than twelve bits have room for.
    #[error("a restart time of {0} s is not allowed: 1 to 4095")]
    RestartTime(u16),
    /// Less than a second.
    #[error("a connect retry time of {0:?} is not allowed: at least 1 s")]
    ConnectRetry(Duration),
}
