//! What nodes say to each other.

use openraft::alias::{SnapshotMetaOf, VoteOf};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use crate::bootstrap::Answer;
use crate::codec::{Kind, Versioned};
use crate::machine::{Outcome, Proposal};
use crate::types::{Member, RaftId, TypeConfig};

/// A question. New kinds are added at the end: the number of a kind is part of the format.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Request {
    /// Part of Raft, between two identities.
    Raft {
        /// Who asks; must belong to the name in the sender's certificate.
        from: RaftId,
        /// Who is meant; anyone else refuses.
        to: RaftId,
        /// What.
        call: RaftCall,
    },
    /// A proposal for the leader. A node that does not lead refuses and says who does.
    Propose(Proposal),
    /// Does a group exist? Answered by every node, with or without an identity.
    Hello,
    /// The sender asks the leader to add it as a learner.
    Join {
        /// The sender's new identity.
        id: RaftId,
        /// Its name, which its certificate must carry, and its address.
        member: Member,
    },
}

impl Versioned for Request {
    const KIND: Kind = Kind::Message;
}

/// Part of Raft.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RaftCall {
    /// Log entries, or a heartbeat.
    Append(AppendEntriesRequest<TypeConfig>),
    /// A candidate asks for a vote.
    Vote(VoteRequest<TypeConfig>),
    /// A node asks whether it would get a vote.
    PreVote(VoteRequest<TypeConfig>),
    /// A part of a snapshot.
    Snapshot(SnapshotPart),
    /// The leader hands over.
    TransferLeader(TransferLeaderRequest<TypeConfig>),
}

/// A part of a snapshot. Parts come in order; the one at offset 0 begins anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotPart {
    /// The leader's vote.
    pub vote: VoteOf<TypeConfig>,
    /// What the snapshot covers.
    pub meta: SnapshotMetaOf<TypeConfig>,
    /// Where in the snapshot these bytes belong.
    pub offset: u64,
    /// The whole snapshot's size in bytes.
    pub total: u64,
    /// The bytes.
    pub data: Vec<u8>,
}

/// An answer. New kinds are added at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To [`Request::Raft`].
    Raft {
        /// Who answers.
        from: RaftId,
        /// What.
        answer: RaftAnswer,
    },
    /// To [`Request::Propose`].
    Propose(ProposeAnswer),
    /// To [`Request::Hello`].
    Hello(Answer),
    /// To [`Request::Join`].
    Join(JoinAnswer),
    /// To anything.
    Refused(Refusal),
}

impl Versioned for Response {
    const KIND: Kind = Kind::Message;
}

/// The answer to a part of Raft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RaftAnswer {
    /// To [`RaftCall::Append`].
    Append(AppendEntriesResponse<TypeConfig>),
    /// To [`RaftCall::Vote`] and [`RaftCall::PreVote`].
    Vote(VoteResponse<TypeConfig>),
    /// To a part of a snapshot that is not the last: go on at this offset.
    SnapshotPart {
        /// How many bytes are there.
        next: u64,
    },
    /// To the last part of a snapshot.
    Snapshot(SnapshotResponse<TypeConfig>),
    /// To [`RaftCall::TransferLeader`].
    TransferLeader(TransferLeaderResponse<TypeConfig>),
}

/// What became of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProposeAnswer {
    /// Committed and applied.
    Applied(Outcome),
    /// Not taken: this node does not lead. Nothing was appended; ask the leader.
    NotLeader {
        /// Who leads, as far as is known.
        leader: Option<Member>,
    },
    /// Taken, and then leadership was lost: it may or may not come into effect.
    Unknown,
}

/// What became of a wish to join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JoinAnswer {
    /// The sender is a member now.
    Joined,
    /// This node does not lead.
    NotLeader {
        /// Who leads, as far as is known.
        leader: Option<Member>,
    },
    /// Another change of the membership is under way; ask again.
    Busy(String),
}

/// Why a request was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    /// The message could not be understood.
    #[error("the message was not understood: {0}")]
    Malformed(String),
    /// It was meant for another identity, for example the one that was here before the disk was lost.
    #[error("identity {asked:x} was asked, {found:x} is here")]
    OtherIdentity {
        /// Who was asked.
        asked: RaftId,
        /// Who is here.
        found: RaftId,
    },
    /// The sender claims something that its certificate does not bear out.
    #[error("{0}")]
    NotYou(String),
    /// This node has no identity yet.
    #[error("this node is not part of the group yet")]
    NoIdentity,
    /// A part of a snapshot that does not follow the one before, or too much.
    #[error("snapshot part refused: {0}")]
    Snapshot(String),
    /// This node's Raft has failed.
    #[error("this node has failed: {0}")]
    Failed(String),
    /// This node is stopping.
    #[error("this node is stopping")]
    Stopping,
    /// The sender may not become a member.
    #[error("{0}")]
    NotAdmitted(String),
}
