//! Why a session or an attempt ended.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use thiserror::Error;

use super::super::Family;
use super::super::message::{CapabilityList, Code, Malformed, Notification};
use super::settings::PeerAs;
use super::{State, Stop};

/// Why the peer's OPEN is not good.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another AS than the configured one.
    #[error("the peer is in AS {got}, {} is configured", describe(.wanted, .ours))]
    PeerAs {
        /// The peer's.
        got: u32,
        /// The configured one.
        wanted: PeerAs,
        /// Ours.
        ours: u32,
    },
    /// 0.0.0.0, or ours within our AS.
    #[error("the peer has the BGP identifier {0}, which is not allowed or our own: router IDs must differ")]
    Identifier(Ipv4Addr),
    /// One or two seconds.
    #[error("the peer proposes a hold time of {0} s, at least 3 are needed")]
    HoldTime(u16),
    /// No family in common.
    #[error("no address family in common: configured {}, the peer speaks {}", list(.ours), list(.theirs))]
    Families {
        /// The configured ones.
        ours: BTreeSet<Family>,
        /// Those of the peer that are known here.
        theirs: BTreeSet<Family>,
    },
}

fn describe(wanted: &PeerAs, ours: &u32) -> String {
    match wanted {
        PeerAs::Given(given) => format!("AS {given}"),
        PeerAs::Internal => format!("our own, AS {ours},"),
        PeerAs::External => format!("any but our own, AS {ours},"),
        PeerAs::Any => "any".to_owned(),
    }
}

fn list(families: &BTreeSet<Family>) -> String {
    let names: Vec<_> = families.iter().map(Family::to_string).collect();
    if names.is_empty() { "none of them".to_owned() } else { names.join(" and ") }
}

impl OpenError {
    fn notification(&self) -> Notification {
        match self {
            Self::PeerAs { .. } => Code::BAD_PEER_AS.into(),
            Self::Identifier(_) => Code::BAD_IDENTIFIER.into(),
            Self::HoldTime(_) => Code::UNACCEPTABLE_HOLD_TIME.into(),
            Self::Families { ours, .. } => {
                let mut list = CapabilityList::default();
                ours.iter().for_each(|family| list.multiprotocol(family.wire()));
                Notification::new(Code::UNSUPPORTED_CAPABILITY, list.capabilities())
            }
        }
    }
}

/// Why a session or an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The peer cannot be connected to.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The peer did not answer a connection attempt.
    #[error("no answer to the connection attempt")]
    ConnectTimeout,
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// A message that cannot be read.
    #[error("the peer sent {0}")]
    Malformed(#[from] Malformed),
    /// The peer's OPEN is not good.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A message that does not belong there.
    #[error("the peer sent {message} in state {state}")]
    Unexpected {
        /// The message.
        message: &'static str,
        /// The state.
        state: State,
    },
    /// The peer ended it.
    #[error("the peer says: {0}")]
    Notification(Notification),
    /// Nothing was heard from the peer for the hold time.
    #[error("nothing was heard from the peer for {0} s (hold time)")]
    HoldTimer(u16),
    /// The peer did not send an OPEN.
    #[error("the peer did not send an OPEN for {0} s")]
    NoOpen(u64),
    /// The peer took nothing of what is sent (RFC 9687).
    #[error("the peer took nothing of what is sent for {0} s")]
    SendHoldTimer(u64),
    /// Another connection with the peer won (RFC 4271 section 6.8).
    #[error("another connection with the peer is kept")]
    Collision,
    /// The peer has restarted and come back on a new connection (RFC 4724 section 5).
    #[error("the peer restarted")]
    PeerRestarted,
    /// It was ended on purpose.
    #[error("stopped: {0}")]
    Stopped(&'static str),
}

impl Failure {
    /// What the peer is told; nothing where there is nobody to tell.
    pub(super) fn notification(&self) -> Option<Notification> {
        Some(match self {
            Self::Malformed(malformed) => malformed.notification(),
            Self::Open(error) => error.notification(),
            Self::Unexpected { state, .. } => match state {
                State::OpenSent => Code::UNEXPECTED_IN_OPEN_SENT.into(),
                State::OpenConfirm => Code::UNEXPECTED_IN_OPEN_CONFIRM.into(),
                State::Established => Code::UNEXPECTED_IN_ESTABLISHED.into(),
                State::Idle | State::Connect | State::Active => Code::STATE_MACHINE.into(),
            },
            Self::HoldTimer(_) | Self::NoOpen(_) => Code::HOLD_TIMER.into(),
            Self::SendHoldTimer(_) => Code::SEND_HOLD_TIMER.into(),
            Self::Collision => Code::COLLISION.into(),
            Self::Connect(_)
            | Self::ConnectTimeout
            | Self::Closed
            | Self::Broken(_)
            | Self::Notification(_)
            | Self::PeerRestarted
            | Self::Stopped(_) => return None,
        })
    }
}

impl Stop {
    /// Why the session is down, in words.
    pub(super) const fn failure(&self) -> Failure {
        Failure::Stopped(match self {
            Self::Shutdown { .. } => "administrative shutdown",
            Self::Deconfigured => "the peer is not configured any more",
            Self::Reset { .. } | Self::HardReset { .. } => "administrative reset",
            Self::BfdDown => "BFD is down",
            Self::Abandon => "closed for a restart",
        })
    }

    /// What the peer is told.
    pub(super) fn notification(&self, graceful_notification: bool) -> Option<Notification> {
        let (notification, hard) = match self {
            Self::Shutdown { text } => (Notification::with_text(Code::ADMINISTRATIVE_SHUTDOWN, text), true),
            Self::Deconfigured => (Code::DECONFIGURED.into(), true),
            Self::Reset { text } => (Notification::with_text(Code::ADMINISTRATIVE_RESET, text), false),
            Self::HardReset { text } => (Notification::with_text(Code::ADMINISTRATIVE_RESET, text), true),
            Self::BfdDown => (Code::BFD_DOWN.into(), true),
            Self::Abandon => return None,
        };
        // A peer that has not agreed to RFC 8538 does not know hard resets, and forgets the routes anyway.
        Some(if hard && graceful_notification { notification.into_hard_reset() } else { notification })
    }
}
