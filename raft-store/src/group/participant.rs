//! One life of a node in the group: from the opened log to its shutdown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::alias::{LogIdOf, WatchReceiverOf};
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{InitializeError, RaftError};
use openraft::impls::ProgressResponder;
use openraft::metrics::{RaftMetrics, RaftServerMetrics};
use openraft::vote::RaftLeaderId;
use openraft::{ChangeMembers, Instant as _, Raft, ServerState};
use tokio::time::Instant;

use super::suspend::Suspends;
use super::{MemberStanding, Role, Standing, timing};
use crate::log::{LocalStore, LogStore};
use crate::machine::{Outcome, Proposal};
use crate::model::Liveness;
use crate::net::{Dispatcher, Forwarder, ProposeError, RaftGroup, RaftNetworks, Wire};
use crate::replica::{Replica, View};
use crate::session::{BootTime, Leadership};
use crate::types::{Member, RaftId, TypeConfig};
use crate::voters::{Seen, Step};

/// A learner with at most so many entries to go can vote at once.
const CAUGHT_UP: u64 = 1000;

/// The dispatcher of a node whose state machine is the replica.
pub type NodeDispatcher = Dispatcher<Replica>;

/// A node's part in the group. Clones are handles to the same part.
pub struct Participant<W: Wire> {
    inner: Arc<Inner<W>>,
}

struct Inner<W: Wire> {
    raft: Raft<TypeConfig, Replica>,
    metrics: WatchReceiverOf<TypeConfig, RaftMetrics<TypeConfig>>,
    server: WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>,
    view: View,
    store: LogStore,
    local: LocalStore,
    networks: RaftNetworks<W>,
    forwarder: Forwarder<RaftGroup<W, Replica>>,
    suspends: Mutex<Suspends>,
    caught_up: AtomicBool,
}

impl<W: Wire> Clone for Participant<W> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

/// Follows who leads and who the members are.
pub struct LeaderWatch {
    metrics: WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>,
}

impl LeaderWatch {
    /// Resolves when something may have changed since the last time; `None` when Raft has ended.
    pub async fn changed(&mut self) -> Option<()> {
        self.metrics.changed().await.ok()
    }
}

/// Why a node cannot take part, or a change of the membership failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GroupError(String);

fn failed(error: impl std::fmt::Display) -> GroupError {
    GroupError(error.to_string())
}

impl<W: Wire> Participant<W> {
    /// Starts Raft on a store, under an identity, and serves it to the other nodes.
    ///
    /// # Errors
    /// When the log or the snapshot cannot be read.
    pub async fn start(
        cluster: &str,
        id: RaftId,
        store: LogStore,
        wire: W,
        dispatcher: &NodeDispatcher,
        liveness: Liveness,
    ) -> Result<Self, GroupError> {
        let config = Arc::new(timing::config(cluster, liveness).validate().map_err(failed)?);
        let replica = Replica::new(&store);
        let (view, local) = (replica.view(), store.local());
        let networks = RaftNetworks::new(wire.clone(), id);
        let raft = Raft::new(id, config, networks.clone(), store.clone(), replica).await.map_err(failed)?;
        dispatcher.serve(Some(raft.clone()));
        let forwarder = Forwarder::new(RaftGroup::new(raft.clone(), wire));
        let (metrics, server) = (raft.metrics(), raft.server_metrics());
        Ok(Self {
            inner: Arc::new(Inner {
                raft,
                metrics,
                server,
                view,
                store,
                local,
                networks,
                forwarder,
                suspends: Mutex::default(),
                caught_up: AtomicBool::new(false),
            }),
        })
    }

    /// Founds the group with these voters. Nothing happens when it is founded already.
    ///
    /// # Errors
    /// When Raft has failed, or the members make no sense.
    pub async fn found(&self, members: BTreeMap<RaftId, Member>) -> Result<(), GroupError> {
        match self.inner.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether this node holds a part of a group's log.
    ///
    /// # Errors
    /// When Raft has failed.
    pub async fn is_founded(&self) -> Result<bool, GroupError> {
        self.inner.raft.is_initialized().await.map_err(failed)
    }

    /// The applied state.
    pub fn view(&self) -> &View {
        &self.inner.view
    }

    /// Whether the applied state has once been as new as a leader said the group's is. Before, right after a start, it may
    /// be that of long ago.
    pub fn is_caught_up(&self) -> bool {
        let caught_up = &self.inner.caught_up;
        if !caught_up.load(Ordering::Relaxed) {
            let metrics = self.inner.metrics.borrow_watched();
            let committed = metrics.cluster_committed.filter(|_| metrics.current_leader.is_some());
            if committed.is_some_and(|committed| metrics.last_applied >= Some(committed)) {
                caught_up.store(true, Ordering::Relaxed);
            }
        }
        caught_up.load(Ordering::Relaxed)
    }

    /// What the node keeps for itself on the same disk.
    pub fn local(&self) -> &LocalStore {
        &self.inner.local
    }

    /// Its identity.
    pub fn id(&self) -> RaftId {
        *self.inner.raft.node_id()
    }

    /// Proposes, here or at the leader, and waits until it is applied, at most until `deadline`.
    ///
    /// # Errors
    /// See [`ProposeError`].
    pub async fn propose(&self, proposal: Proposal, deadline: Instant) -> Result<Outcome, ProposeError> {
        self.inner.forwarder.propose(proposal, deadline).await
    }

    /// Proposes here, if this node leads in `term` when Raft takes it, and nowhere else: for what follows from what the
    /// leader of that term knows.
    ///
    /// # Errors
    /// When it does not lead in that term, or the outcome is not known.
    pub async fn propose_in_term(&self, term: u64, proposal: Proposal) -> Result<Outcome, GroupError> {
        let last = self.inner.metrics.borrow_watched().last_applied;
        let leader = last.map(|last| *last.committed_leader_id()).filter(|leader| leader.term() == term);
        let leader = leader.ok_or_else(|| failed("nothing of this term has been applied yet"))?;
        let (responder, written) = ProgressResponder::complete_only();
        self.inner.raft.write(proposal).with_leader(leader).responder(responder).await.map_err(failed)?;
        let written = written.await.map_err(|_| failed("Raft has ended"))?;
        written.map(|written| written.data).map_err(failed)
    }

    /// Follows changes of [`Participant::leader`] and [`Participant::voters`], from now on.
    pub fn watch(&self) -> LeaderWatch {
        LeaderWatch { metrics: self.inner.raft.server_metrics() }
    }

    /// Reaches the members where the present membership says; to be called when it may have changed.
    pub fn follow_addresses(&self) {
        self.inner.networks.follow(self.inner.metrics.borrow_watched().membership_config.nodes());
    }

    /// Keeps the log short in bytes: openraft counts entries only, and few large ones would fill a disk. To be called
    /// from time to time; what it begins goes on by itself.
    ///
    /// # Errors
    /// When Raft has failed.
    pub async fn tend_log(&self) -> Result<(), GroupError> {
        self.inner.store.note_committed();
        let (applied, snapshot, purged) = {
            let metrics = self.inner.metrics.borrow_watched();
            let index = |log_id: Option<LogIdOf<TypeConfig>>| log_id.map(|log_id| log_id.index);
            (index(metrics.last_applied), index(metrics.snapshot), index(metrics.purged))
        };
        let raft = &self.inner.raft;
        // While one is being built openraft passes this over.
        if applied > snapshot && self.inner.store.bytes_after(snapshot) > timing::SNAPSHOT_BYTES {
            raft.trigger().snapshot().await.map_err(failed)?;
        }
        match self.inner.store.behind(timing::KEEP_BYTES).min(snapshot) {
            Some(upto) if Some(upto) > purged => raft.trigger().purge_log(upto).await.map_err(failed),
            Some(_) | None => Ok(()),
        }
    }

    /// Its place in the group.
    pub fn standing(&self) -> Standing {
        standing(&self.inner.metrics.borrow_watched())
    }

    /// The term, and who leads in it as far as this node knows.
    pub fn leader(&self) -> (u64, Option<(RaftId, Member)>) {
        let metrics = self.inner.server.borrow_watched();
        let leader = metrics
            .current_leader
            .and_then(|id| metrics.membership_config.get_node(&id).map(|member| (id, member.clone())));
        (metrics.vote.leader_id.term, leader)
    }

    /// Who votes.
    pub fn voters(&self) -> Vec<Member> {
        let metrics = self.inner.server.borrow_watched();
        let membership = &metrics.membership_config;
        membership.voter_ids().filter_map(|id| membership.get_node(&id).cloned()).collect()
    }

    /// This node's standing as leader, or `None` when it does not lead. `now` is the present.
    ///
    /// An acknowledgement from before the machine was suspended does not count: the clock that it was stamped with
    /// stood still meanwhile.
    pub fn leadership(&self, now: BootTime) -> Option<Leadership> {
        // On every node and each time: who watches only while it leads misses a suspend right after its election.
        let awake = self.inner.suspends.lock().unwrap_or_else(PoisonError::into_inner).awake_for(Instant::now(), now);
        let metrics = self.inner.metrics.borrow_watched();
        if metrics.state != ServerState::Leader || metrics.running_state.is_err() {
            return None;
        }
        let term = metrics.current_term;
        let ready = metrics.last_applied.is_some_and(|last| last.committed_leader_id().term() == term);
        let mut voters = metrics.membership_config.voter_ids();
        if voters.all(|voter| voter == metrics.id) {
            // It is its own majority, and nobody else's word is waited for.
            return Some(Leadership { term, ready, acknowledged: Some(now) });
        }
        let age = metrics.last_quorum_acked.map(|acked| acked.elapsed());
        let acknowledged = age.filter(|age| *age < awake).map(|age| now - age);
        Some(Leadership { term, ready, acknowledged })
    }

    /// What the leader observes of the members, for [`crate::voters`]; empty elsewhere.
    pub fn seen(&self) -> BTreeMap<RaftId, Seen> {
        let members = self.standing().members;
        members
            .into_iter()
            .filter_map(|member| {
                let caught_up = member.lag.is_some_and(|lag| lag <= CAUGHT_UP);
                Some((member.id, Seen { silent: member.silent?, caught_up }))
            })
            .collect()
    }

    /// Carries out one step of the membership.
    ///
    /// # Errors
    /// When this node does not lead any more, another change is under way, or there is no majority.
    pub async fn change(&self, step: Step) -> Result<(), GroupError> {
        let raft = &self.inner.raft;
        match step {
            Step::AddLearner { id, member } => raft.add_learner(id, member, false).await.map(drop).map_err(failed),
            Step::Readdress { id, member } => {
                let change = ChangeMembers::SetNodes(BTreeMap::from([(id, member)]));
                raft.change_membership(change, true).await.map(drop).map_err(failed)
            }
            Step::HandOver { to } => raft.trigger().transfer_leader(to).await.map_err(failed),
            Step::Remove { id, .. } => {
                let change = ChangeMembers::RemoveNodes(BTreeSet::from([id]));
                raft.change_membership(change, true).await.map(drop).map_err(failed)
            }
            Step::Voters { voters, .. } => {
                let change = ChangeMembers::ReplaceAllVoters(voters);
                raft.change_membership(change, true).await.map(drop).map_err(failed)
            }
        }
    }

    /// Lets the voter that is furthest lead, if this node does; resolves at once, the change follows.
    ///
    /// # Errors
    /// When Raft has failed. That nobody can take over is no error.
    pub async fn hand_over(&self) -> Result<(), GroupError> {
        let standing = self.standing();
        if standing.role != Role::Leader {
            return Ok(());
        }
        let able = |member: &&MemberStanding| member.voter && member.id != standing.id && member.lag.is_some();
        let silence = |member: &&MemberStanding| (member.silent.unwrap_or(Duration::MAX), member.lag);
        match standing.members.iter().filter(able).min_by_key(silence) {
            Some(next) => self.inner.raft.trigger().transfer_leader(next.id).await.map_err(failed),
            None => Ok(()),
        }
    }

    /// Ends Raft. The store may be opened again when every handle is dropped.
    pub async fn shutdown(&self, dispatcher: &NodeDispatcher) {
        dispatcher.serve(None);
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not end in order");
        }
    }
}

fn leader(metrics: &RaftMetrics<TypeConfig>) -> Option<(RaftId, Member)> {
    let id = metrics.current_leader?;
    metrics.membership_config.get_node(&id).map(|member| (id, member.clone()))
}

fn standing(metrics: &RaftMetrics<TypeConfig>) -> Standing {
    let role = match (&metrics.running_state, metrics.state) {
        (Err(error), _) => Role::Failed(error.to_string()),
        (Ok(()), ServerState::Learner) => Role::Learner,
        (Ok(()), ServerState::Follower) => Role::Follower,
        (Ok(()), ServerState::Candidate) => Role::Candidate,
        (Ok(()), ServerState::Leader) => Role::Leader,
        (Ok(()), ServerState::Shutdown) => Role::Failed("it was shut down".to_owned()),
    };
    Standing {
        id: metrics.id,
        term: metrics.current_term,
        role,
        leader: leader(metrics),
        last_log: metrics.last_log_index,
        committed: metrics.local_committed.map(|log_id| log_id.index),
        applied: metrics.last_applied.map(|log_id| log_id.index),
        snapshot: metrics.snapshot.map(|log_id| log_id.index),
        purged: metrics.purged.map(|log_id| log_id.index),
        members: members(metrics),
    }
}

fn members(metrics: &RaftMetrics<TypeConfig>) -> Vec<MemberStanding> {
    let membership = &metrics.membership_config;
    let voters: BTreeSet<RaftId> = membership.voter_ids().collect();
    let last = metrics.last_log_index.map_or(0, |last| last + 1);
    let of = |(id, member): (&RaftId, &Member)| {
        let me = *id == metrics.id;
        let heartbeat = metrics.heartbeat.as_ref().filter(|_| !me);
        let heard = heartbeat.map(|of| of.get(id).copied().flatten().map_or(Duration::MAX, |at| at.elapsed()));
        let matched = metrics.replication.as_ref().and_then(|of| of.get(id).copied());
        let lag = matched.map(|log_id| last.saturating_sub(log_id.map_or(0, |log_id| log_id.index + 1)));
        let silent = heard.or(metrics.heartbeat.as_ref().map(|_| Duration::ZERO));
        MemberStanding { id: *id, member: member.clone(), voter: voters.contains(id), silent, lag }
    };
    membership.nodes().map(of).collect()
}
