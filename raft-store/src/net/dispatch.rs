//! The receiving side: checks who asks, and hands requests to Raft.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use openraft::Raft;
use openraft::alias::{SnapshotOf, VoteOf};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ChangeMembershipError, ClientWriteError, RaftError};
use openraft::raft::AppendEntriesRequest;
use openraft::storage::RaftStateMachine;

use super::snapshot::{Assembly, Received};
use super::{JoinAnswer, ProposeAnswer, RaftAnswer, RaftCall, Refusal, Request, Response, Service, SnapshotPart};
use crate::bootstrap::{Answer, Disk, belongs, founding_id};
use crate::codec::{self, Kind, WIRE_VERSION};
use crate::machine::{Command, Proposal};
use crate::model::NodeName;
use crate::types::{Member, RaftId, TypeConfig};

/// Answers what other nodes ask. It works before the node has an identity, too: then it only says so.
pub struct Dispatcher<SM: RaftStateMachine<TypeConfig, SnapshotData = Vec<u8>>> {
    cluster: String,
    founders: Mutex<BTreeSet<Member>>,
    raft: Mutex<Option<Raft<TypeConfig, SM>>>,
    /// What this node's disk holds; `None` until it has been read.
    disk: Mutex<Option<Disk>>,
    arriving: Mutex<Assembly>,
    hooks: Box<dyn Hooks>,
}

/// What the node wants to hear of, and to have a say in. None of it may block.
pub trait Hooks: Send + Sync + 'static {
    /// A datagram came, from a node that is proven to be `from`.
    fn notice(&self, from: NodeName, datagram: Vec<u8>);

    /// A leader of `term` was heard. Called before this node acknowledges anything to it.
    fn leader_heard(&self, term: u64);

    /// Whether a node may become a member.
    ///
    /// # Errors
    /// Why not.
    fn admits(&self, member: &Member) -> Result<(), String>;
}

impl<SM: RaftStateMachine<TypeConfig, SnapshotData = Vec<u8>>> Dispatcher<SM> {
    /// A dispatcher for a node of `cluster` whose configuration names these `founders`.
    pub fn new(cluster: impl Into<String>, founders: BTreeSet<Member>, hooks: impl Hooks) -> Arc<Self> {
        Arc::new(Self {
            cluster: cluster.into(),
            founders: Mutex::new(founders),
            raft: Mutex::new(None),
            disk: Mutex::new(None),
            arriving: Mutex::new(Assembly::default()),
            hooks: Box::new(hooks),
        })
    }

    /// The configuration names other founders now.
    pub fn set_founders(&self, founders: BTreeSet<Member>) {
        *self.founders.lock().unwrap_or_else(PoisonError::into_inner) = founders;
    }

    /// The disk has been read, or an identity was written to it. Before, a node that asks whether there is a group gets no
    /// answer: this one may hold it and not know yet.
    pub fn know_disk(&self, disk: Disk) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = Some(disk);
    }

    /// From now on this node has an identity; or, with `None`, it is stopping.
    pub fn serve(&self, raft: Option<Raft<TypeConfig, SM>>) {
        *self.raft.lock().unwrap_or_else(PoisonError::into_inner) = raft;
    }

    fn raft(&self) -> Option<Raft<TypeConfig, SM>> {
        self.raft.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers one request of the node that is proven to be `from`.
    pub async fn handle(&self, from: NodeName, request: Request) -> Response {
        let raft = self.raft();
        if let Request::Hello = request {
            return self.hello(raft.as_ref());
        }
        let Some(raft) = raft else { return Response::Refused(Refusal::NoIdentity) };
        let answer = match request {
            Request::Raft { from: id, to, call } => self.raft_call(&raft, &from, id, to, call).await,
            Request::Propose(proposal) => propose(&raft, &from, proposal).await,
            Request::Join { id, member } => self.join(&raft, &from, id, member).await,
            Request::Hello => Ok(self.hello(Some(&raft))),
        };
        answer.unwrap_or_else(Response::Refused)
    }

    fn hello(&self, raft: Option<&Raft<TypeConfig, SM>>) -> Response {
        let cluster = self.cluster.clone();
        let disk = *self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        match (raft, disk) {
            (Some(raft), _) if self.has_a_group(raft) => Response::Hello(Answer::Exists { cluster }),
            // Whether it holds a group shows when Raft runs.
            (None, None | Some(Disk::Holds(_))) => Response::Refused(Refusal::NoIdentity),
            (Some(_), _) | (None, Some(Disk::Empty)) => {
                let founders = self.founders.lock().unwrap_or_else(PoisonError::into_inner).clone();
                Response::Hello(Answer::NoGroup { cluster, founders })
            }
        }
    }

    /// Whether a group is known to exist. Entry 0 is what a founder writes by itself; anything after it comes from a leader
    /// that a majority has elected. Whoever is no founder has joined what was there.
    fn has_a_group(&self, raft: &Raft<TypeConfig, SM>) -> bool {
        let metrics = raft.metrics();
        let metrics = metrics.borrow_watched();
        let founder = self
            .founders
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|member| founding_id(&self.cluster, &member.name) == metrics.id);
        !founder || metrics.current_leader.is_some() || metrics.last_log_index.is_some_and(|last| last > 0)
    }

    /// A claim to an identity must fit the name in the certificate: by the identity itself, which a node can check even
    /// when it lags behind and has not heard of the member yet, and by the membership.
    fn check_claim(&self, raft: &Raft<TypeConfig, SM>, from: &NodeName, id: RaftId) -> Result<(), Refusal> {
        if !belongs(&self.cluster, from, id) {
            return Err(Refusal::NotYou(format!("identity {id:x} does not belong to {from}")));
        }
        let metrics = raft.server_metrics();
        let known = metrics.borrow_watched().membership_config.get_node(&id).cloned();
        match known {
            Some(member) if member.name != *from => {
                Err(Refusal::NotYou(format!("identity {id:x} belongs to {}, not to {from}", member.name)))
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn raft_call(
        &self,
        raft: &Raft<TypeConfig, SM>,
        from: &NodeName,
        id: RaftId,
        to: RaftId,
        call: RaftCall,
    ) -> Result<Response, Refusal> {
        let me = *raft.node_id();
        if to != me {
            return Err(Refusal::OtherIdentity { asked: to, found: me });
        }
        self.check_claim(raft, from, id)?;
        let leader = speaks_for(&call);
        if leader != id {
            return Err(Refusal::NotYou(format!("identity {id:x} speaks with the vote of {leader:x}")));
        }
        if let RaftCall::Append(AppendEntriesRequest { vote, .. }) | RaftCall::Snapshot(SnapshotPart { vote, .. }) =
            &call
        {
            self.hooks.leader_heard(vote.leader_id.term);
        }
        let answer = match call {
            RaftCall::Append(request) => raft.append_entries(request).await.map(RaftAnswer::Append).map_err(failed),
            RaftCall::Vote(request) => raft.vote(request).await.map(RaftAnswer::Vote).map_err(failed),
            RaftCall::PreVote(request) => raft.pre_vote(request).await.map(RaftAnswer::Vote).map_err(failed),
            RaftCall::Snapshot(part) => self.snapshot_part(raft, id, part).await,
            RaftCall::TransferLeader(request) => {
                raft.handle_transfer_leader(request).await.map(RaftAnswer::TransferLeader).map_err(failed)
            }
        }?;
        Ok(Response::Raft { from: me, answer })
    }

    async fn snapshot_part(
        &self,
        raft: &Raft<TypeConfig, SM>,
        id: RaftId,
        part: SnapshotPart,
    ) -> Result<RaftAnswer, Refusal> {
        let received = self.arriving.lock().unwrap_or_else(PoisonError::into_inner).take(id, part);
        match received.map_err(Refusal::Snapshot)? {
            Received::Next(next) => Ok(RaftAnswer::SnapshotPart { next }),
            Received::Whole(whole) => {
                let snapshot = SnapshotOf::<TypeConfig, Vec<u8>> { meta: whole.meta, snapshot: whole.data };
                raft.install_full_snapshot(whole.vote, snapshot).await.map(RaftAnswer::Snapshot).map_err(failed)
            }
        }
    }

    async fn join(
        &self,
        raft: &Raft<TypeConfig, SM>,
        from: &NodeName,
        id: RaftId,
        member: Member,
    ) -> Result<Response, Refusal> {
        if member.name != *from {
            return Err(Refusal::NotYou(format!("{from} asks to join as {}", member.name)));
        }
        self.check_claim(raft, from, id)?;
        self.hooks.admits(&member).map_err(Refusal::NotAdmitted)?;
        let answer = match raft.add_learner(id, member, false).await {
            Ok(_) => JoinAnswer::Joined,
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                JoinAnswer::NotLeader { leader: forward.leader_node }
            }
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(
                error @ (ChangeMembershipError::InProgress(_) | ChangeMembershipError::UncommittedLeaderLog(_)),
            ))) => JoinAnswer::Busy(error.to_string()),
            Err(error) => return Err(failed(error)),
        };
        Ok(Response::Join(answer))
    }
}

/// Whose vote a call carries that only its owner may send.
fn speaks_for(call: &RaftCall) -> RaftId {
    let voter = |vote: &VoteOf<TypeConfig>| vote.leader_id.node_id;
    match call {
        RaftCall::Append(request) => voter(&request.vote),
        RaftCall::Vote(request) | RaftCall::PreVote(request) => voter(&request.vote),
        RaftCall::Snapshot(part) => voter(&part.vote),
        RaftCall::TransferLeader(request) => voter(request.from_leader()),
    }
}

async fn propose<SM: RaftStateMachine<TypeConfig>>(
    raft: &Raft<TypeConfig, SM>,
    from: &NodeName,
    proposal: Proposal,
) -> Result<Response, Refusal> {
    if proposal.by != *from {
        return Err(Refusal::NotYou(format!("{from} brings a proposal by {}", proposal.by)));
    }
    if let Command::ExpireSession { .. } | Command::HoldStands { .. } = proposal.command {
        // It follows from what the leader itself has promised; a former leader does not know that any more (P3).
        return Err(Refusal::NotYou(format!("only the leader may {}", proposal.command.name())));
    }
    let answer = match raft.client_write(proposal).await {
        Ok(written) => ProposeAnswer::Applied(written.data),
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
            ProposeAnswer::NotLeader { leader: forward.leader_node }
        }
        Err(RaftError::APIError(_)) => ProposeAnswer::Unknown,
        Err(error @ RaftError::Fatal(_)) => return Err(failed(error)),
    };
    Ok(Response::Propose(answer))
}

fn failed(error: impl std::fmt::Display) -> Refusal {
    Refusal::Failed(error.to_string())
}

impl<SM: RaftStateMachine<TypeConfig, SnapshotData = Vec<u8>>> Service for Dispatcher<SM> {
    async fn call(&self, from: NodeName, request: Vec<u8>) -> Vec<u8> {
        // Who asked in this version reads the answer in it, too.
        let version = codec::version_of(Kind::Message, &request).unwrap_or(WIRE_VERSION);
        let response = match codec::decode(&request) {
            Ok(request) => self.handle(from, request).await,
            Err(error) => Response::Refused(Refusal::Malformed(error.to_string())),
        };
        codec::encode(version, &response).unwrap_or_else(|error| {
            let refusal = Response::Refused(Refusal::Failed(error.to_string()));
            codec::encode(version, &refusal).unwrap_or_default()
        })
    }

    fn notify(&self, from: NodeName, datagram: Vec<u8>) {
        self.hooks.notice(from, datagram);
    }
}
