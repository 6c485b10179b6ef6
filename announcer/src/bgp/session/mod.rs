//! The BGP session with one peer (RFC 4271 section 8). Sans-IO.
//!
//! The edge gives [`Session`] an [`Input`] and the time, carries out each [`Output`] in order, and gives
//! [`Input::Tick`] at [`Session::next_deadline`]. Randomness comes from a seed.
//!
//! ```text
//!            Start                    Connected / Accepted             OPEN good           KEEPALIVE
//!  Stopped ────────> Down: dialing ────────────────────> OpenSent ──────────> OpenConfirm ─────────> Up
//!     ^                ^                                     └───── failure ──────┘                   │
//!     └──── Stop ──────┴───────────────────────── failure, back-off ──────────────────────────────────┘
//! ```
//!
//! Until one of them wins, there may be two connections, one dialed and one accepted (RFC 4271 section 6.8), each of them
//! an `Opening`. What was agreed on is [`Negotiated`], which only a good OPEN makes. Nothing is imported: the peer's routes
//! are read for errors, counted and dropped.
//!
//! | file | what |
//! |---|---|
//! | `settings` | what one peer is configured to be |
//! | `negotiate` | our OPEN, and what follows from both |
//! | `opening` | a connection in OpenSent or OpenConfirm |
//! | `established` | a session that is up |
//! | `machine` | phases, dialing, collisions |
//! | `failure` | why a session or an attempt ended |
//! | `saved` | a session that goes on in another process |

mod counters;
mod established;
mod failure;
mod machine;
mod negotiate;
mod opening;
mod random;
mod saved;
mod settings;

pub use counters::Counters;
pub use failure::{Failure, OpenError};
pub use machine::Session;
pub use negotiate::{Negotiated, PeerRestart};
pub use saved::{ImportError, Saved};
pub use settings::{GracefulRestart, PeerAs, Settings, SettingsError};

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Family;

/// One transport connection of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u64);

/// The two ends of a transport connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    /// Ours.
    pub local: SocketAddr,
    /// The peer's.
    pub remote: SocketAddr,
}

/// Who opened a transport connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// We did.
    Dialed,
    /// The peer did.
    Accepted,
}

/// How a session is ended on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// The routes go at once: administrative shutdown, as hard reset where the peer would keep them otherwise (RFC 8538).
    Shutdown {
        /// Shown to the peer's operator, up to 255 octets (RFC 9003).
        text: String,
    },
    /// The peer is not configured any more. The routes go at once.
    Deconfigured,
    /// The session starts anew, for example with other settings; [`Input::Start`] follows. The peer keeps the routes where
    /// RFC 8538 was negotiated.
    Reset {
        /// Shown to the peer's operator, up to 255 octets.
        text: String,
    },
    /// As [`Stop::Reset`], but the routes go at once whatever was negotiated.
    HardReset {
        /// Shown to the peer's operator, up to 255 octets.
        text: String,
    },
    /// BFD says that the peer cannot be reached (RFC 9384). The routes go at once: BFD down wins over graceful restart.
    BfdDown,
    /// The connection is closed without a NOTIFICATION: with graceful restart the peer keeps the routes until the restart
    /// time is over.
    Abandon,
}

/// What happens to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input<'a> {
    /// Bring it up and keep it up.
    Start,
    /// End it, and stay down.
    Stop(Stop),
    /// A connection that [`Output::Connect`] asked for is there.
    Connected(ConnectionId, Endpoints),
    /// It cannot be had.
    ConnectFailed(ConnectionId, String),
    /// The peer has connected. The first output says what becomes of that: [`Output::Accept`] or [`Output::Refuse`].
    Accepted(Endpoints),
    /// Bytes came.
    Received(ConnectionId, &'a [u8]),
    /// The connection ended, with an error where there was one.
    Closed(ConnectionId, Option<String>),
    /// Bytes were written; whether some still wait to be.
    Wrote(ConnectionId, Waiting),
    /// Look at the time.
    Tick,
}

/// Whether bytes wait to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// All were written.
    Nothing,
    /// Some wait.
    Some,
}

/// What the edge shall do or pass on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Dial the peer.
    Connect(ConnectionId),
    /// The connection that was just offered is called so.
    Accept(ConnectionId),
    /// Close the connection that was just offered.
    Refuse,
    /// Write these bytes: one whole message.
    Send(ConnectionId, Vec<u8>),
    /// Close the connection, or stop dialing. What was given to be sent before is sent first, as far as that is possible
    /// soon; UPDATEs that wait are dropped.
    Close(ConnectionId),
    /// The session is up: routes may be sent.
    Established(ConnectionId, Arc<Negotiated>),
    /// The peer wants all routes of a family again.
    Refresh(Family),
    /// The session was up and is down.
    Down(Failure),
    /// An attempt failed.
    AttemptFailed(Failure),
}

/// State by its name in RFC 4271 section 8.2.2; of two connections the one that is further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    /// Stopped, or waiting after a failure.
    Idle,
    /// Dialing.
    Connect,
    /// Waiting for the peer to connect.
    Active,
    /// Connected, waiting for OPEN.
    OpenSent,
    /// Both OPENs were exchanged.
    OpenConfirm,
    /// Up.
    Established,
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
