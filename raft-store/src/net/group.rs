//! The group as openraft knows it, for forwarding.

use std::time::Duration;

use openraft::Raft;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::storage::RaftStateMachine;

use super::{CallError, Group, Lane, Leader, ProposeAnswer, Refusal, Request, Response, Wire, Written, call};
use crate::machine::Proposal;
use crate::types::{Member, TypeConfig};

/// openraft and the wire, as a [`Group`].
pub struct RaftGroup<W, SM: RaftStateMachine<TypeConfig>> {
    raft: Raft<TypeConfig, SM>,
    wire: W,
}

impl<W: Wire, SM: RaftStateMachine<TypeConfig>> RaftGroup<W, SM> {
    /// The group that `raft` is part of.
    pub fn new(raft: Raft<TypeConfig, SM>, wire: W) -> Self {
        Self { raft, wire }
    }
}

impl<W: Wire, SM: RaftStateMachine<TypeConfig>> Group for RaftGroup<W, SM> {
    fn leader(&self) -> Leader {
        let metrics = self.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        match metrics.current_leader {
            Some(id) if id == metrics.id => Leader::Me,
            Some(id) => metrics.membership_config.get_node(&id).cloned().map_or(Leader::Nobody, Leader::Other),
            None => Leader::Nobody,
        }
    }

    async fn changed(&self) {
        let mut metrics = self.raft.server_metrics();
        let before = metrics.borrow_watched().current_leader;
        // A new receiver may hold a change that is none for us.
        while metrics.borrow_watched().current_leader == before {
            if metrics.changed().await.is_err() {
                // Raft has stopped: nothing changes any more.
                std::future::pending::<()>().await;
            }
        }
    }

    async fn write(&self, proposal: Proposal) -> Written {
        match self.raft.client_write(proposal).await {
            Ok(written) => Written::Applied(written.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Written::NotLeader,
            Err(RaftError::APIError(_)) => Written::Unknown,
            Err(RaftError::Fatal(error)) => Written::Failed(error.to_string()),
        }
    }

    async fn send(&self, to: &Member, proposal: Proposal, ttl: Duration) -> Result<ProposeAnswer, CallError> {
        match call(&self.wire, to, Lane::Client, &Request::Propose(proposal), ttl).await? {
            Response::Propose(answer) => Ok(answer),
            Response::Refused(Refusal::Failed(_)) => Ok(ProposeAnswer::Unknown),
            // The other refusals come before anything was proposed.
            Response::Refused(_) => Ok(ProposeAnswer::NotLeader { leader: None }),
            _ => Err(CallError::Senseless { to: to.clone() }),
        }
    }
}
