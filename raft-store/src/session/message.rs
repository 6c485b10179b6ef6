//! What nodes and the leader say to each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::codec::{Kind, Versioned};
use crate::machine::{Incarnation, SessionId};

/// From a node to whom it takes for the leader, each `ping` interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Grows by one with each ping of this run.
    pub sequence: u64,
    /// Which run of the node's process.
    pub incarnation: Incarnation,
    /// The session that the node believes to have.
    pub session: Option<SessionId>,
    /// How long ago the node last heard from a leader of an older term than `term` (see [`super::Witness`]).
    pub older_leader_heard: Duration,
    /// The term that `older_leader_heard` was counted for.
    pub term: u64,
}

/// The leader's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pong {
    /// The ping's number.
    pub sequence: u64,
    /// What it says.
    pub answer: Answer,
}

/// What the leader says to a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The session is valid until the ping's send time plus `hold`.
    Valid {
        /// Which session.
        session: SessionId,
        /// What the leader promised, the age of its quorum's acknowledgement already taken off.
        hold: Duration,
    },
    /// The group knows no such session: ask for one.
    NoSession,
    /// Not the leader, or not yet ready to answer.
    NotLeader,
    /// The leader, but no quorum has acknowledged it lately.
    NotFresh,
}

/// What goes between nodes as a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notice {
    /// To the leader.
    Ping(Ping),
    /// From the leader.
    Pong(Pong),
}

impl Versioned for Notice {
    const KIND: Kind = Kind::Message;
}
