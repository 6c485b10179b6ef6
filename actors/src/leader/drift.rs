//! Owners drift back to an even spread: not before the nodes have been quiet for a while, and no faster than the pace.

use std::collections::BTreeMap;
use std::time::Duration;

use quorumlb_raft_store::group::Participant;
use quorumlb_raft_store::machine::{Command, SessionId, State};
use quorumlb_raft_store::model::{NodeName, Rebalance};
use quorumlb_raft_store::net::Wire;
use quorumlb_raft_store::session::BootTime;

use super::LeaderMessage;
use crate::node::Shared;
use crate::ports::World;
use crate::tree::Line;

/// At a pace of more than ten a second several moves begin at once.
const SHORTEST_STEP: Duration = Duration::from_millis(200);

/// A node, as far as a change of it calls for quiet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    /// Another session is another life, even if nobody looked in between.
    session: Option<SessionId>,
    relieved: bool,
    /// Its interfaces, and whether they are up.
    interfaces: Vec<(String, bool)>,
}

type Nodes = BTreeMap<NodeName, Seen>;

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

    /// Takes notice of the nodes after a change of the state: what comes and goes between two looks calls for quiet, too.
    pub fn state_changed<W: World, N: Wire>(&mut self, shared: &Shared<W>, part: &Participant<N>) {
        if self.quiet_since.is_some() {
            self.observe(part.view().read(nodes), shared.world.boot_now());
        }
    }

    fn observe(&mut self, nodes: Nodes, now: BootTime) {
        if nodes != self.nodes || self.quiet_since.is_none() {
            self.nodes = nodes;
            self.quiet_since = Some(now);
        }
    }

    /// Begins the next moves, if it is time.
    pub fn look<W: World, N: Wire>(&mut self, shared: &Shared<W>, me: &Line<LeaderMessage>, part: &Participant<N>) {
        let now = shared.world.boot_now();
        let (nodes, pace) = part.view().read(|state| (nodes(state), state.wanted.settings.rebalance));
        self.observe(nodes, now);
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
        let session = member.and_then(|member| member.session.as_ref()).map(|session| session.id);
        let relieved = member.is_some_and(|member| member.relieved());
        let interfaces = member.and_then(|member| member.report.as_ref()).map(|report| &report.interfaces);
        let interfaces = interfaces.into_iter().flatten().map(|link| (link.name.clone(), link.up)).collect();
        Seen { session, relieved, interfaces }
    };
    state.wanted.nodes.keys().map(|node| (node.clone(), of(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_came_back_before_the_next_look_calls_for_quiet() {
        let link = |up| {
            let links = vec![("net0".to_owned(), up)];
            let seen = Seen { session: Some(SessionId(1)), relieved: false, interfaces: links };
            Nodes::from([(NodeName("node1".into()), seen)])
        };
        let at = |seconds| BootTime(Duration::from_secs(seconds));
        let mut drift = Drift::default();
        drift.observe(link(true), at(0));
        drift.observe(link(true), at(50));
        assert_eq!(drift.quiet_since, Some(at(0)));
        drift.observe(link(false), at(60));
        drift.observe(link(true), at(60));
        assert_eq!(drift.quiet_since, Some(at(60)));
    }

    #[test]
    fn moves_keep_the_pace() {
        let pace = |pace_per_second| step(Rebalance { after: Duration::ZERO, pace_per_second });
        assert_eq!(pace(1), (Duration::from_secs(1), 1));
        assert_eq!(pace(5), (Duration::from_millis(200), 1));
        assert_eq!(pace(10), (Duration::from_millis(200), 2));
        assert_eq!(pace(1000), (Duration::from_millis(200), 200));
    }
}
