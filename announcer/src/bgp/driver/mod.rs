//! One task for each peer: joins [`Session`](super::session::Session), the shared table and connections.
//!
//! ```text
//!   commands ──> Driver ──> events
//!                 │  │
//!     SharedRib <─┘  └─> links: at most three connections, each with what waits to be written
//! ```
//!
//! It decides nothing. UPDATEs are taken from the table only when nothing waits to be written, so that a slow peer costs
//! one batch of memory; what is read is handed on at once and not kept.

mod link;
mod task;

pub use task::Driver;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::Family;
use super::rib::{OwnAddresses, Position, SharedRib};
use super::session::{self, Counters, Endpoints, Failure, Negotiated, State, Stop};
use crate::BootTime;

/// What a driver is made for.
#[derive(Debug, Clone)]
pub struct Config {
    /// The peer.
    pub settings: session::Settings,
    /// This node's next hops; what is missing is the session's own address.
    pub own: OwnAddresses,
    /// For jitter.
    pub seed: u64,
    /// An earlier process on this node may have had the session: OPENs say so until then.
    pub restarted_until: Option<BootTime>,
}

/// What a driver is told.
#[derive(Debug)]
pub enum Command<S> {
    /// Bring the session up.
    Start,
    /// End it, and stay down.
    Stop(Stop),
    /// The peer has connected.
    Accepted(S),
    /// Other next hops: the routes are sent anew where that changes something.
    SetOwn(OwnAddresses),
    /// The routes are those of another table from now on, which was made from the present one. The session goes on from where
    /// it stands. Neither table may be changed before the answer.
    Move(SharedRib, oneshot::Sender<()>),
    /// Tell how it stands.
    Inspect(oneshot::Sender<Status>),
    /// Give the established session away, with its connection; the driver's task ends then. `None` while it is not up.
    Release(oneshot::Sender<Option<Released<S>>>),
}

/// What a driver tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The session is up.
    Established(Arc<Negotiated>, Endpoints),
    /// The peer was told all routes there are. Said once in each session.
    Told,
    /// The peer wanted a family again.
    Refreshed(Family),
    /// The session was up and is down.
    Down(Failure),
    /// An attempt failed.
    AttemptFailed(Failure),
}

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// State by its name in RFC 4271.
    pub state: State,
    /// What was agreed on, and since when, while it is up.
    pub established: Option<(Arc<Negotiated>, BootTime)>,
    /// The ends of its connection, while it is up.
    pub endpoints: Option<Endpoints>,
    /// What went over it.
    pub counters: Counters,
    /// What was last wrong, and when.
    pub last_failure: Option<(BootTime, Failure)>,
    /// While it is up: whether the peer was told all routes there are.
    pub told: bool,
}

/// A session given away to go on in another process.
#[derive(Debug)]
pub struct Released<S> {
    /// What the other process must know.
    pub saved: Saved,
    /// The connection.
    pub stream: S,
}

/// What another process must know to go on with a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The session.
    pub session: session::Saved,
    /// How far the peer was told; counts with the table as it was saved after the last driver gave its session away.
    pub position: Position,
    /// What was taken from the table and is not written yet: it goes first.
    pub unsent: Vec<u8>,
}

#[cfg(test)]
mod tests;
