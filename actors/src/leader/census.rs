//! Who is a member and who votes: an edge around [`voters::next_step`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use quorumlb_raft_store::bootstrap::Answer;
use quorumlb_raft_store::group::{Participant, Standing};
use quorumlb_raft_store::machine::Command;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::net::{Lane, Request, Response, Wire, call};
use quorumlb_raft_store::session::BootTime;
use quorumlb_raft_store::types::RaftId;
use quorumlb_raft_store::voters::{self, Roster, Step};

use super::LeaderMessage;
use crate::node::Shared;
use crate::ports::{Wires, World};
use crate::tree::Line;

/// A node that the configuration has no more, and that has no session, is forgotten after this.
const ABANDONED_AFTER: Duration = Duration::from_secs(600);

/// How long to wait after a change that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// How often, and how long, a node that is to get another address is asked there.
const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBE_PATIENCE: Duration = Duration::from_secs(1);

/// What the leader knows of the membership over time.
pub(super) struct Census {
    voters: BTreeSet<NodeName>,
    voters_since: BootTime,
    now: BootTime,
    busy: bool,
    not_before: Option<BootTime>,
    abandoned: BTreeMap<NodeName, BootTime>,
    /// Where nodes that are to get another address have answered.
    answered: BTreeMap<RaftId, SocketAddr>,
    probe_at: Option<BootTime>,
    /// A change of `hold`, and since when this leader has seen it stand.
    hold: Option<(u64, BootTime)>,
}

impl Census {
    /// A census that begins now: a process that starts does not know for how long the voters have been these.
    pub fn new(now: BootTime) -> Self {
        Self {
            voters: BTreeSet::new(),
            voters_since: now,
            now,
            busy: false,
            not_before: None,
            abandoned: BTreeMap::new(),
            answered: BTreeMap::new(),
            probe_at: None,
            hold: None,
        }
    }

    /// The replica was replaced: the voters' age is not known any more.
    pub fn voters_may_have_changed(&mut self) {
        self.voters.clear();
    }

    /// Takes the membership as it is now.
    pub fn observe(&mut self, standing: &Standing) {
        let voters = standing.members.iter().filter(|member| member.voter).map(|member| member.member.name.clone());
        let voters: BTreeSet<NodeName> = voters.collect();
        if voters != self.voters {
            self.voters = voters;
            self.voters_since = self.now;
        }
    }

    /// The voters, if they have been these for longer than any promise; nobody otherwise.
    pub fn steady_voters<W: World>(&mut self, shared: &Shared<W>) -> BTreeSet<NodeName> {
        self.now = shared.world.boot_now();
        let Some(part) = shared.part() else { return BTreeSet::new() };
        self.observe(&part.standing());
        let longest = part.view().read(|state| state.longest_hold());
        // Twice: the clocks of others may run apart, and an observation may be late.
        let steady = self.now.since(self.voters_since) > longest * 2;
        if steady { self.voters.clone() } else { BTreeSet::new() }
    }

    /// This node does not lead.
    pub fn not_leading(&mut self) {
        self.busy = false;
        self.abandoned.clear();
        self.answered.clear();
        self.hold = None;
    }

    /// A node answered at the address that it is to get.
    pub fn answered(&mut self, id: RaftId, address: SocketAddr) {
        self.answered.insert(id, address);
    }

    /// Asks nodes that are to get another address whether they are there.
    fn probe<W: World>(&mut self, shared: &Shared<W>, me: &Line<LeaderMessage>, roster: &Roster) {
        let wanted = roster.to_probe();
        self.answered.retain(|id, address| wanted.iter().any(|to| to.id == *id && to.member.address == *address));
        if wanted.is_empty() || self.probe_at.is_some_and(|at| self.now < at) {
            return;
        }
        self.probe_at = Some(self.now + PROBE_EVERY);
        for to in wanted {
            let (shared, me) = (shared.clone(), me.clone());
            tokio::spawn(async move {
                let answer = call(&shared.wire, &to.member, Lane::Client, &Request::Hello, PROBE_PATIENCE).await;
                if let Ok(Response::Hello(Answer::Exists { cluster })) = answer
                    && cluster == shared.cluster
                {
                    me.send(LeaderMessage::AnsweredAt(to.id, to.member.address)).or_lost();
                }
            });
        }
    }

    /// A change is over.
    pub fn changed(&mut self, result: Result<(), String>) {
        self.busy = false;
        if let Err(why) = result {
            tracing::info!(%why, "a change of the membership failed; it is tried again");
            self.not_before = Some(self.now + AFTER_FAILURE);
        }
    }

    /// Takes the next step, if there is one and none is under way.
    pub fn look<W: World>(
        &mut self,
        shared: &Shared<W>,
        me: &Line<LeaderMessage>,
        part: &Participant<<W as Wires>::Wire>,
        standing: &Standing,
    ) {
        self.now = shared.world.boot_now();
        if self.busy || self.not_before.is_some_and(|not_before| self.now < not_before) {
            return;
        }
        self.not_before = None;
        let roster = roster(part, standing, self.answered.clone());
        self.probe(shared, me, &roster);
        if let Some(step) = voters::next_step(&roster) {
            tracing::info!(%step, "the membership changes");
            self.carry_out(me, part, step);
        } else if let Some(command) = self.farewell(part, &roster).or_else(|| self.hold_stands(part)) {
            self.busy = true;
            let (shared, me) = (shared.clone(), me.clone());
            tokio::spawn(async move {
                let result = shared.propose(command, Duration::from_secs(2)).await;
                me.answer(LeaderMessage::Changed(result.map(drop).map_err(|error| error.to_string())));
            });
        }
    }

    fn carry_out<N: Wire>(&mut self, me: &Line<LeaderMessage>, part: &Participant<N>, step: Step) {
        self.busy = true;
        let (part, me) = (part.clone(), me.clone());
        tokio::spawn(async move {
            let result = part.change(step).await.map_err(|error| error.to_string());
            me.answer(LeaderMessage::Changed(result));
        });
    }

    /// After `hold` became shorter, a new leader waits as if the longer one still counted. This one has led for long enough
    /// that no promise under it runs any more: not its own, and none of a leader before it.
    fn hold_stands<N: Wire>(&mut self, part: &Participant<N>) -> Option<Command> {
        let (shrunk, longest) = part.view().read(|state| (state.hold_shrunk(), state.longest_hold()));
        let changes = shrunk?;
        let since = match self.hold {
            Some((seen, since)) if seen == changes => since,
            _ => self.hold.insert((changes, self.now)).1,
        };
        // Twice, as for the voters.
        (self.now.since(since) > longest * 2).then_some(Command::HoldStands { changes })
    }

    /// A node that has left is forgotten; one that the configuration lost long ago is made to leave.
    fn farewell<N: Wire>(&mut self, part: &Participant<N>, roster: &Roster) -> Option<Command> {
        let present: BTreeSet<&NodeName> = roster.members.values().map(|member| &member.name).collect();
        let now = self.now;
        let abandoned = &mut self.abandoned;
        part.view().read(|state| {
            let silent = |node: &NodeName| state.members.get(node).is_some_and(|member| member.session.is_none());
            let lost = |node: &NodeName| !state.wanted.nodes.is_empty() && !state.wanted.nodes.contains_key(node);
            abandoned.retain(|node, _| silent(node) && lost(node));
            for (node, member) in &state.members {
                if member.session.is_some() {
                    continue;
                }
                if member.leaving && !present.contains(node) {
                    return Some(Command::Forget { node: node.clone() });
                }
                if lost(node) && !member.leaving {
                    let since = *abandoned.entry(node.clone()).or_insert(now);
                    if now.since(since) > ABANDONED_AFTER {
                        return Some(Command::Leave { node: node.clone() });
                    }
                }
            }
            None
        })
    }
}

fn roster<N: Wire>(part: &Participant<N>, standing: &Standing, answered: BTreeMap<RaftId, SocketAddr>) -> Roster {
    let members = standing.members.iter().map(|member| (member.id, member.member.clone())).collect();
    let voters = standing.members.iter().filter(|member| member.voter).map(|member| member.id).collect();
    let seen = part.seen();
    part.view().read(|state| Roster {
        members,
        voters,
        leader: standing.id,
        seen,
        labels: state.wanted.nodes.values().map(|node| (node.name.clone(), node.labels.clone())).collect(),
        joining: BTreeMap::new(),
        addresses: state.wanted.nodes.values().filter_map(|node| Some((node.name.clone(), node.address?))).collect(),
        answered,
        left: state.members.iter().filter(|(_, member)| member.leaving).map(|(node, _)| node.clone()).collect(),
        wanted: state.wanted.settings.voters,
        dead_after: voters::DEAD_AFTER.max(state.wanted.settings.liveness.hold * 4),
    })
}
