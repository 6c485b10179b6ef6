//! Brings proposals to the leader, whoever it is just then.
//!
//! While there is no leader a proposal is held and brought to the next one, up to its deadline; then the proposer hears
//! since when there has been none. A proposal never hangs.
//!
//! Bringing a proposal again after its answer was lost is safe for the commands that are idempotent by content: a
//! report, a session of one incarnation, a release or refusal of an epoch, an expiry of one session, a drain, a
//! configuration, a service. For the others ([`repeatable`] says no) the proposer hears that the outcome is unknown.

use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};

use super::{CallError, ProposeAnswer, WireError};
use crate::machine::{Command, Outcome, Proposal};
use crate::types::Member;

/// Proposals that may be under way at once.
const HELD_LIMIT: usize = 1024;

/// One attempt at a remote leader that hangs; a large proposal gets more time from [`call`](super::call()).
const ATTEMPT: Duration = Duration::from_secs(1);

/// How long to wait for a change before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Who leads, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leader {
    /// This node.
    Me,
    /// Another one.
    Other(Member),
    /// Nobody.
    Nobody,
}

/// What became of a proposal on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// Committed and applied.
    Applied(Outcome),
    /// Not taken: this node does not lead.
    NotLeader,
    /// Taken, and then leadership was lost.
    Unknown,
    /// Raft has failed on this node.
    Failed(String),
}

/// The group, as far as forwarding needs it.
pub trait Group: Send + Sync + 'static {
    /// Who leads.
    fn leader(&self) -> Leader;

    /// Resolves when another leads than when it was called; need not notice every change.
    fn changed(&self) -> impl Future<Output = ()> + Send;

    /// Proposes on this node.
    fn write(&self, proposal: Proposal) -> impl Future<Output = Written> + Send;

    /// Proposes at the leader `to`.
    fn send(
        &self,
        to: &Member,
        proposal: Proposal,
        ttl: Duration,
    ) -> impl Future<Output = Result<ProposeAnswer, CallError>> + Send;
}

/// Why a proposal was not applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProposeError {
    /// There was no leader up to the deadline; nothing was proposed.
    #[error("no leader for {for_ms} ms; a majority of the voters must be alive and connected", for_ms = .since.elapsed().as_millis())]
    NoLeader {
        /// Since when.
        since: Instant,
    },
    /// The deadline passed, or leadership was lost, after the proposal was handed over; it may still come into effect.
    #[error("the outcome is not known: {reason}")]
    Unknown {
        /// What happened last.
        reason: String,
    },
    /// Too many proposals are under way.
    #[error("{HELD_LIMIT} proposals are under way already")]
    Full,
    /// Raft has failed on this node.
    #[error("this node has failed: {0}")]
    Failed(String),
}

/// Whether a command may be proposed again when its outcome is unknown.
pub fn repeatable(command: &Command) -> bool {
    // A repeated rebalancing would exceed its limit.
    !matches!(command, Command::Rebalance { .. })
}

/// Brings proposals to the leader.
#[derive(Debug)]
pub struct Forwarder<G> {
    group: G,
    slots: Semaphore,
    leaderless_since: Mutex<Option<Instant>>,
}

/// What one attempt gave.
enum Attempt {
    Done(Outcome),
    /// Certainly not proposed; try the next leader.
    NotTaken,
    /// Perhaps proposed.
    Unclear(String),
    Failed(String),
}

impl<G: Group> Forwarder<G> {
    /// A forwarder for this group.
    pub fn new(group: G) -> Self {
        Self { group, slots: Semaphore::new(HELD_LIMIT), leaderless_since: Mutex::new(None) }
    }

    /// Proposes, and waits until it is applied, at most until `deadline`.
    ///
    /// # Errors
    /// When there is no leader until then, the outcome is unknown, or too much is under way.
    pub async fn propose(&self, proposal: Proposal, deadline: Instant) -> Result<Outcome, ProposeError> {
        let _slot = self.slots.try_acquire().map_err(|_| ProposeError::Full)?;
        let mut unclear = None;
        loop {
            let leader = self.look();
            match self.attempt(&leader, &proposal, deadline).await {
                Attempt::Done(outcome) => return Ok(outcome),
                Attempt::Failed(reason) => return Err(ProposeError::Failed(reason)),
                Attempt::Unclear(reason) if !repeatable(&proposal.command) => {
                    return Err(ProposeError::Unknown { reason });
                }
                Attempt::Unclear(reason) => unclear = Some(reason),
                Attempt::NotTaken => {}
            }
            if Instant::now() >= deadline {
                return Err(self.too_late(unclear));
            }
            let again = deadline.min(Instant::now() + LOOK_AGAIN);
            // Whether it changed or not, the next look decides.
            let _ = timeout_at(again, self.group.changed()).await;
        }
    }

    /// Who leads; remembers since when nobody does.
    fn look(&self) -> Leader {
        let leader = self.group.leader();
        let mut since = self.leaderless_since.lock().unwrap_or_else(PoisonError::into_inner);
        match leader {
            Leader::Nobody => drop(since.get_or_insert_with(Instant::now)),
            Leader::Me | Leader::Other(_) => *since = None,
        }
        leader
    }

    async fn attempt(&self, leader: &Leader, proposal: &Proposal, deadline: Instant) -> Attempt {
        match leader {
            Leader::Nobody => Attempt::NotTaken,
            Leader::Me => match timeout_at(deadline, self.group.write(proposal.clone())).await {
                Ok(Written::Applied(outcome)) => Attempt::Done(outcome),
                Ok(Written::NotLeader) => Attempt::NotTaken,
                Ok(Written::Unknown) => Attempt::Unclear("leadership was lost meanwhile".into()),
                Ok(Written::Failed(reason)) => Attempt::Failed(reason),
                Err(_) => Attempt::Unclear("no majority confirmed it in time".into()),
            },
            Leader::Other(member) => self.attempt_there(member, proposal, deadline).await,
        }
    }

    async fn attempt_there(&self, member: &Member, proposal: &Proposal, deadline: Instant) -> Attempt {
        let ttl = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT);
        let moved = async {
            match repeatable(&proposal.command) {
                true => self.leader_moves(member).await,
                false => std::future::pending().await,
            }
        };
        let sent = tokio::select! {
            biased;
            sent = timeout_at(deadline, self.group.send(member, proposal.clone(), ttl)) => sent,
            () = moved => return Attempt::Unclear(format!("{member} leads no more")),
        };
        match sent {
            Ok(Ok(ProposeAnswer::Applied(outcome))) => Attempt::Done(outcome),
            Ok(Ok(ProposeAnswer::NotLeader { .. }) | Err(CallError::Wire(WireError::Unreachable { .. }))) => {
                Attempt::NotTaken
            }
            Ok(Ok(ProposeAnswer::Unknown)) => Attempt::Unclear(format!("{member} lost leadership meanwhile")),
            Ok(Err(error)) => Attempt::Unclear(error.to_string()),
            Err(_) => Attempt::Unclear(format!("no answer from {member}")),
        }
    }

    /// Resolves when `member` is not the leader any more.
    async fn leader_moves(&self, member: &Member) {
        while matches!(self.look(), Leader::Other(leader) if leader == *member) {
            // Whether it changed or not, the next look decides.
            let _ = timeout(LOOK_AGAIN, self.group.changed()).await;
        }
    }

    fn too_late(&self, unclear: Option<String>) -> ProposeError {
        let since = *self.leaderless_since.lock().unwrap_or_else(PoisonError::into_inner);
        match (unclear, since) {
            (None, Some(since)) => ProposeError::NoLeader { since },
            (Some(reason), _) => ProposeError::Unknown { reason },
            (None, None) => ProposeError::Unknown { reason: "the leader did not take it in time".into() },
        }
    }
}

#[cfg(test)]
mod tests;
