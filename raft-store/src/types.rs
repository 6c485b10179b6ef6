//! openraft's type parameters for this group.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::machine::{Outcome, Proposal};
use crate::model::NodeName;
use crate::runtime::NodeRuntime;

/// A Raft identity. It belongs to one data directory: a node that lost its disk comes back under another one.
pub type RaftId = u64;

/// What the membership says of a Raft identity.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Member {
    /// The node's name, which its certificate must carry.
    pub name: NodeName,
    /// Where its QUIC port is.
    pub address: SocketAddr,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.address)
    }
}

impl Default for Member {
    /// openraft asks for a default; it never reaches the membership.
    fn default() -> Self {
        Self { name: NodeName(String::new()), address: SocketAddr::from(([0, 0, 0, 0], 0)) }
    }
}

openraft::declare_raft_types!(
    /// The group's types.
    pub TypeConfig:
        D = Proposal,
        R = Outcome,
        NodeId = RaftId,
        Node = Member,
        AsyncRuntime = NodeRuntime,
);
