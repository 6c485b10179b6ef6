//! A node's place in the Raft group.

use std::time::Duration;

use crate::types::{Member, RaftId};

/// A node's place in the Raft group, as it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its identity.
    pub id: RaftId,
    /// The term it is in.
    pub term: u64,
    /// What it is.
    pub role: Role,
    /// Who leads, as far as it knows.
    pub leader: Option<(RaftId, Member)>,
    /// Index of the last entry in its log.
    pub last_log: Option<u64>,
    /// Index of the last entry that it knows to be committed.
    pub committed: Option<u64>,
    /// Index of the last entry that it applied.
    pub applied: Option<u64>,
    /// Index of the last entry in its snapshot.
    pub snapshot: Option<u64>,
    /// Index of the last entry that it purged.
    pub purged: Option<u64>,
    /// The membership, by identity.
    pub members: Vec<MemberStanding>,
}

/// What a node is in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It follows the log without a vote.
    Learner,
    /// It votes and follows.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It leads.
    Leader,
    /// Its Raft has stopped: why.
    Failed(String),
}

/// One member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStanding {
    /// Its identity.
    pub id: RaftId,
    /// Its name and address.
    pub member: Member,
    /// It votes.
    pub voter: bool,
    /// How long it has been silent; only the leader knows.
    pub silent: Option<Duration>,
    /// Entries that it does not hold yet; only the leader knows.
    pub lag: Option<u64>,
}

impl Role {
    /// The role in a word.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Learner => "learner",
            Self::Follower => "follower",
            Self::Candidate => "candidate",
            Self::Leader => "leader",
            Self::Failed(_) => "failed",
        }
    }
}
