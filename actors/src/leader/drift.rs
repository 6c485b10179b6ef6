//! Owners drift back to an even spread: not before the nodes have been quiet for a while, and no faster than the pace.

use std::collections::BTreeMap;
use std::time::Duration;

use quorumlb_raft_store::group::Participant;
use quorumlb_raft_store::machine::{Command, State};
use quorumlb_raft_store::model::{NodeName, Rebalance};
use quorumlb_raft_store::net::Wire;
use quorumlb_raft_store::session::BootTime;

use super::LeaderMessage;
use crate::node::Shared;
use crate::ports::World;
use crate::tree::Line;

/// At a pace of more than ten a second several moves begin at once.
const SHORTEST_STEP: Duration = Duration::from_millis(200);

/// The nodes, as far as a change of them calls for quiet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Nodes(BTreeMap<NodeName, (bool, bool, Vec<(String, bool)>)>);

/// When owners may move.
#[derive(Default)]
pub(super) struct Drift {
    nodes: Nodes,
    quiet_since: Option<BootTime>,
    next: Option<BootTime>,
    busy: bool,
}

impl Drift {
    /// This node does not lead: a new leader waits for quiet again.
    pub fn not_leading(&mut self) {
        *self = Self::default();
    }

    /// A rebalance is over.
    pub fn rebalanced(&mut self) {
        self.busy = false;
    }

    /// Begins the next moves, if it is time.
    pub fn look<W: World, N: Wire>(&mut self, shared: &Shared<W>, me: &Line<LeaderMessage>, part: &Participant<N>) {
        let now = shared.world.boot_now();
        let (nodes, pace) = part.view().read(|state| (nodes(state), state.wanted.settings.rebalance));
        if nodes != self.nodes || self.quiet_since.is_none() {
            self.nodes = nodes;
            self.quiet_since = Some(now);
        }
        let quiet = self.quiet_since.is_some_and(|since| now.since(since) >= pace.after);
        if !quiet || self.busy || self.next.is_some_and(|next| now < next) {
            return;
        }
        let (step, limit) = step(pace);
        self.next = Some(now + step);
        if part.view().read(State::unbalanced) {
            self.busy = true;
            let (shared, me) = (shared.clone(), me.clone());
            tokio::spawn(async move {
                if let Err(error) = shared.propose(Command::Rebalance { limit }, Duration::from_secs(2)).await {
                    tracing::info!(%error, "a rebalance was not taken");
                }
                me.answer(LeaderMessage::Rebalanced);
            });
        }
    }
}

/// How often moves begin, and how many at once, so that the pace is kept on average and over any second.
fn step(pace: Rebalance) -> (Duration, u32) {
    let per_second = pace.pace_per_second.max(1);
    let each = Duration::from_secs(1) / per_second;
    if each >= SHORTEST_STEP { (each, 1) } else { (SHORTEST_STEP, (per_second / 5).max(1)) }
}

fn nodes(state: &State) -> Nodes {
    let of = |node: &NodeName| {
        let member = state.members.get(node);
        let live = member.is_some_and(|member| member.session.is_some());
        let relieved = member.is_some_and(|member| member.relieved());
        let interfaces = member.and_then(|member| member.report.as_ref()).map(|report| &report.interfaces);
        let links = interfaces.into_iter().flatten().map(|link| (link.name.clone(), link.up)).collect();
        (live, relieved, links)
    };
    Nodes(state.wanted.nodes.keys().map(|node| (node.clone(), of(node))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_keep_the_pace() {
        let pace = |pace_per_second| step(Rebalance { after: Duration::ZERO, pace_per_second });
        assert_eq!(pace(1), (Duration::from_secs(1), 1));
        assert_eq!(pace(5), (Duration::from_millis(200), 1));
        assert_eq!(pace(10), (Duration::from_millis(200), 2));
        assert_eq!(pace(1000), (Duration::from_millis(200), 200));
    }
}
