//! What can be asked of the group. A command is everything that apply gets to see: no clock, no randomness.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::model::{ConfigDigest, Delta, Interface, NodeName, Service, ServiceKey};

/// An entry of the log: a command with what is only for display.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// When it was proposed, in milliseconds since 1970 by the proposer's wall clock. Shown in events, never decided on.
    pub at_ms: u64,
    /// Who proposed it.
    pub by: NodeName,
    /// What is asked.
    pub command: Command,
}

/// Identifies a session: the log index of the command that opened it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// One run of a node's process; drawn at random when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Incarnation(pub u64);

/// Grows by one with each change of an address's owner. The first owner has epoch 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

/// What is asked of the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// The wanted state changes.
    Configure(Delta),
    /// A node tells of itself. Proposed only when something in it changed.
    Report {
        /// Who.
        node: NodeName,
        /// Which run of it; reports of an older run than the session's are refused.
        incarnation: Incarnation,
        /// What it found.
        report: NodeReport,
    },
    /// A node that has no session, or a new run of it, asks for one. What the node owned stays its own.
    OpenSession {
        /// Who.
        node: NodeName,
        /// Which run of it.
        incarnation: Incarnation,
    },
    /// The leader has not answered the node's pings for longer than hold and margin: what it owned goes to others.
    ExpireSession {
        /// Who.
        node: NodeName,
        /// Only this session; a newer one is left alone.
        session: SessionId,
    },
    /// An owner has stopped answering for addresses, for a planned move. Only now may the next owner begin.
    Release {
        /// The owner.
        node: NodeName,
        /// What it has given up, each with the epoch under which it held it. Stale ones are passed over.
        addresses: Vec<(IpAddr, Epoch)>,
    },
    /// An owner gives an address up because its responder cannot be programmed (P8).
    Refuse {
        /// The owner.
        node: NodeName,
        /// The address.
        address: IpAddr,
        /// The epoch under which it was granted.
        epoch: Epoch,
        /// Why, for the operator.
        message: String,
    },
    /// A node is to be relieved of everything, or may serve again.
    Drain {
        /// Who.
        node: NodeName,
        /// True to drain, false to serve again.
        on: bool,
    },
    /// A node that has handed over stops: its session ends at once.
    CloseSession {
        /// Who.
        node: NodeName,
        /// Only this session.
        session: SessionId,
    },
    /// A node leaves the group for good: everything known of its runs is forgotten.
    Forget {
        /// Who.
        node: NodeName,
    },
    /// Owners may drift towards the optimum.
    Rebalance {
        /// At most so many planned moves may be begun by this command.
        limit: u32,
    },
    /// A node is to leave the group for good: it is drained, loses its vote and its membership, and is then forgotten.
    Leave {
        /// Who.
        node: NodeName,
    },
    /// A node is about to stop: it is relieved of everything until its next run opens a session.
    HandOver {
        /// Who.
        node: NodeName,
        /// Only this session.
        session: SessionId,
    },
    /// A service comes through the API, or changes. One that stands in the files is refused.
    PutService(Box<Service>),
    /// A service that came through the API goes.
    DeleteService(ServiceKey),
    /// The leader has seen `hold` stand for longer than any promise that was made under an earlier one.
    HoldStands {
        /// As of this change; if it has changed again since, nothing happens.
        changes: u64,
    },
}

/// What a running node tells of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its program's version.
    pub version: String,
    /// The newest message format that it speaks.
    pub wire_version: u8,
    /// Where its QUIC port is.
    pub address: Option<SocketAddr>,
    /// Its interfaces.
    pub interfaces: Vec<Interface>,
    /// The configuration that its files hold, or `None` when it watches none.
    pub config: Option<ConfigDigest>,
    /// Why its files could not be taken, first line only; empty when they could.
    pub config_error: String,
    /// Addresses that its responder could not be programmed for and that it is not willing to try again yet.
    pub refused: BTreeSet<IpAddr>,
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Applied.
    Done,
    /// Applied, and this is the session.
    Session(SessionId),
    /// Nothing was changed, and why.
    Refused(String),
}

impl fmt::Display for Proposal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.command.name(), self.by)
    }
}

impl Command {
    /// The command's name, for logs and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Configure(_) => "configure",
            Self::Report { .. } => "report",
            Self::OpenSession { .. } => "open-session",
            Self::ExpireSession { .. } => "expire-session",
            Self::Release { .. } => "release",
            Self::Refuse { .. } => "refuse",
            Self::Drain { .. } => "drain",
            Self::CloseSession { .. } => "close-session",
            Self::Forget { .. } => "forget",
            Self::Rebalance { .. } => "rebalance",
            Self::Leave { .. } => "leave",
            Self::HandOver { .. } => "hand-over",
            Self::PutService(_) => "put-service",
            Self::DeleteService(_) => "delete-service",
            Self::HoldStands { .. } => "hold-stands",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Session(session) => write!(f, "session {}", session.0),
            Self::Refused(why) => write!(f, "refused: {why}"),
        }
    }
}
