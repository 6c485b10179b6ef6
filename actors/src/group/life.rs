//! The stages of a node's part in the group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use quorumlb_raft_store::bootstrap::{
    Answer, Candidate, Decision, Disk as OwnDisk, Heard, Patience, Plan, decide, founders, founding_id, joining_id,
};
use quorumlb_raft_store::group::{MemberStanding, Participant};
use quorumlb_raft_store::log::{Local, LogStore};
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::types::{Member, RaftId};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::{GroupMessage, ask, watch};
use crate::node::Shared;
use crate::ports::{Wires, World};
use crate::status::Phase;
use crate::tree::Line;

/// How often other nodes are asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// A change of `hold` needs other timers in Raft, which starts anew for them: one member after the other, this long apart,
/// so that a quorum stays; the leader last.
const RETIME_APART: Duration = Duration::from_secs(3);

/// Where a node stands between an unopened log and a part in the group.
pub(super) enum Life<W: World> {
    /// The log is not open.
    Closed,
    /// The log is open; it has no identity yet.
    Seeking(Seeking),
    /// Raft runs.
    Running(Running<W>),
}

pub(super) struct Seeking {
    store: LogStore,
    local: Local,
    since: Instant,
    asked: Option<Instant>,
    heard: BTreeMap<NodeName, (Answer, Instant)>,
}

pub(super) struct Running<W: World> {
    part: Participant<<W as Wires>::Wire>,
    store: LogStore,
    watch: AbortHandle,
    asked: Option<Instant>,
    hold: Duration,
    retime: Option<Instant>,
    /// It may have to found the group: its identity is a founder's, and its log is empty.
    unfounded: Option<BTreeMap<RaftId, Member>>,
}

impl<W: World> Life<W> {
    /// As far as it goes just now.
    pub async fn go_on(self, shared: &Shared<W>, me: &Line<GroupMessage>) -> Self {
        match self {
            Self::Closed => open(shared).await,
            Self::Seeking(seeking) => seeking.go_on(shared, me).await,
            Self::Running(running) => running.go_on(shared, me).await,
        }
    }

    /// Ends it in order.
    pub async fn end(self, shared: &Shared<W>) {
        if let Self::Running(running) = self {
            running.watch.abort();
            shared.set_part(None);
            running.part.shutdown(&shared.dispatcher).await;
        }
    }

    /// The next start is that of a new node.
    pub async fn forget_identity(&self) {
        let (Self::Running(Running { store, .. }) | Self::Seeking(Seeking { store, .. })) = self else { return };
        let forgotten = async {
            let local = store.local();
            let node = local.node()?;
            local.set_node(&Local { left: true, ..node }).await
        };
        if let Err(error) = forgotten.await {
            tracing::error!(%error, "the data directory still holds the identity that has left: remove it by hand");
        }
    }
}

async fn open<W: World>(shared: &Shared<W>) -> Life<W> {
    let aside = |why: String| {
        let phase = Phase::Aside(why.clone());
        // It is tried again and again; the log has it once.
        if shared.board.look(|status| status.phase != phase) {
            tracing::error!(%why, "this node stands aside");
            shared.board.update(|status| status.phase = phase);
        }
        Life::Closed
    };
    let store = match shared.world.probe().map_err(|error| error.to_string()) {
        Ok(()) => shared.world.open_store(),
        Err(why) => return aside(format!("the data directory does not take writes: {why}")),
    };
    let store = match store {
        Ok(store) => store,
        Err(error) => {
            shared.board.update(|status| status.disk = error.health());
            return aside(error.to_string());
        }
    };
    let local = match store.local().node() {
        Ok(local) if local.left => {
            return aside("this node has left the group for good; to join again, move raft.redb out of its data directory (its pki folder stays)".to_owned());
        }
        Ok(local) if !local.node.is_empty() && local.node != shared.me.as_str() => {
            return aside(format!(
                "this data directory belongs to {}, and this is {}: give --data its own, or move raft.redb away",
                local.node, shared.me
            ));
        }
        Ok(local) if !local.cluster.is_empty() && local.cluster != shared.cluster => {
            return aside(format!(
                "this data directory belongs to cluster {}, and the files are of {}: give --data its own, or move raft.redb \
                 away",
                local.cluster, shared.cluster
            ));
        }
        Ok(local) => Local {
            generation: local.generation + 1,
            cluster: shared.cluster.clone(),
            node: shared.me.0.clone(),
            ..local
        },
        Err(error) => return aside(format!("the data directory cannot be read: {error}")),
    };
    if let Err(error) = store.local().set_node(&local).await {
        return aside(format!("the data directory cannot be written: {error}"));
    }
    shared.dispatcher.know_disk(local.identity.map_or(OwnDisk::Empty, OwnDisk::Holds));
    shared.board.update(|status| {
        status.disk = store.health().current();
        status.phase = Phase::Bootstrapping("looking for the group".to_owned());
    });
    let heard = BTreeMap::new();
    Life::Seeking(Seeking { store, local, since: Instant::now(), asked: None, heard })
}

impl Seeking {
    pub fn heard(&mut self, from: NodeName, answer: Answer) {
        self.heard.insert(from, (answer, Instant::now()));
    }

    async fn go_on<W: World>(mut self, shared: &Shared<W>, me: &Line<GroupMessage>) -> Life<W> {
        let plan = plan(shared);
        shared.dispatcher.set_founders(plan.founders.clone());
        if self.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
            self.asked = Some(Instant::now());
            ask::hello(shared, me);
        }
        let disk = self.local.identity.map_or(OwnDisk::Empty, OwnDisk::Holds);
        let heard = self
            .heard
            .iter()
            .map(|(name, (answer, at))| (name.clone(), Heard { answer: answer.clone(), age: at.elapsed() }));
        let decision = decide(&plan, disk, &heard.collect(), self.since.elapsed(), Patience::default());
        match decision {
            Decision::Resume(id) => {
                // A founder that stopped between its decision and the deed finds its log empty.
                let founding = (id == founding_id(&shared.cluster, &shared.me)).then(|| memberships(&plan));
                self.run(shared, me, id, founding).await
            }
            Decision::Initialize { id, members } => self.settle(shared, me, id, Some(members)).await,
            Decision::Join => {
                let mut randomness = SmallRng::seed_from_u64(shared.world.random());
                let id = joining_id(&shared.cluster, &shared.me, &mut randomness);
                self.settle(shared, me, id, None).await
            }
            Decision::Wait(reason) => {
                shared.board.update(|status| status.phase = Phase::Bootstrapping(reason.to_string()));
                Life::Seeking(self)
            }
        }
    }

    /// Takes an identity, durably, before it is used.
    async fn settle<W: World>(
        mut self,
        shared: &Shared<W>,
        me: &Line<GroupMessage>,
        id: RaftId,
        founding: Option<BTreeMap<RaftId, Member>>,
    ) -> Life<W> {
        self.local = Local { identity: Some(id), bootstrapped: true, ..self.local };
        if let Err(error) = self.store.local().set_node(&self.local).await {
            me.send(GroupMessage::Failed(format!("the data directory cannot be written: {error}"))).or_lost();
            return Life::Seeking(self);
        }
        shared.dispatcher.know_disk(OwnDisk::Holds(id));
        tracing::info!(id = format!("{id:x}"), founds = founding.is_some(), "this node has an identity");
        self.run(shared, me, id, founding).await
    }

    async fn run<W: World>(
        self,
        shared: &Shared<W>,
        me: &Line<GroupMessage>,
        id: RaftId,
        unfounded: Option<BTreeMap<RaftId, Member>>,
    ) -> Life<W> {
        let liveness = shared.settings().liveness;
        let store = self.store.clone();
        let (wire, dispatcher) = (shared.wire.clone(), &shared.dispatcher);
        let part = match Participant::start(&shared.cluster, id, store, wire, dispatcher, liveness).await {
            Ok(part) => part,
            Err(error) => {
                shared.board.update(|status| status.phase = Phase::Aside(format!("Raft does not start: {error}")));
                return Life::Closed;
            }
        };
        let watch = watch::spawn(shared.clone(), me.clone(), part.clone(), self.store.health());
        shared.set_part(Some(part.clone()));
        let (asked, hold) = (None, liveness.hold);
        Life::Running(Running { part, store: self.store, watch, asked, hold, retime: None, unfounded })
    }
}

impl<W: World> Running<W> {
    async fn go_on(mut self, shared: &Shared<W>, me: &Line<GroupMessage>) -> Life<W> {
        self.found(shared, me).await;
        self.ask_to_join(shared);
        if self.wants_other_timers(shared) {
            tracing::info!("Raft starts anew with the timers of the new liveness settings");
            Life::Running(self).end(shared).await;
            return Life::Closed;
        }
        Life::Running(self)
    }

    /// Founds the group, unless it is founded: then the founders' log reaches this node by itself.
    async fn found(&mut self, shared: &Shared<W>, me: &Line<GroupMessage>) {
        let Some(members) = self.unfounded.take() else { return };
        match self.part.is_founded().await {
            Ok(true) => {}
            Ok(false) => {
                if let Err(error) = self.part.found(members).await {
                    tracing::warn!(%error, "the group could not be founded");
                    me.send(GroupMessage::Failed(error.to_string())).or_lost();
                }
            }
            Err(error) => me.send(GroupMessage::Failed(error.to_string())).or_lost(),
        }
        shared.dispatcher.set_founders(plan(shared).founders);
    }

    fn ask_to_join(&mut self, shared: &Shared<W>) {
        let standing = self.part.standing();
        let member = standing.members.iter().any(|member| member.id == standing.id);
        let founder = standing.id == founding_id(&shared.cluster, &shared.me);
        if member || founder || self.asked.is_some_and(|asked| asked.elapsed() < ASK_EVERY) {
            return;
        }
        self.asked = Some(Instant::now());
        ask::join(shared, standing.id);
    }

    fn wants_other_timers(&mut self, shared: &Shared<W>) -> bool {
        if shared.settings().liveness.hold == self.hold {
            self.retime = None;
            return false;
        }
        let turn = turn(self.part.id(), self.part.leader().1.map(|(id, _)| id), &self.part.standing().members);
        self.retime.get_or_insert_with(Instant::now).elapsed() >= RETIME_APART * turn
    }
}

/// Whose turn a member is when all are to start anew, from 1: by identity, the leader last.
fn turn(me: RaftId, leader: Option<RaftId>, members: &[MemberStanding]) -> u32 {
    let others = members.iter().filter(|member| member.id != me);
    let before = match leader == Some(me) {
        true => others.count(),
        false => others.filter(|member| member.id < me && Some(member.id) != leader).count(),
    };
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

fn memberships(plan: &Plan) -> BTreeMap<RaftId, Member> {
    plan.founders.iter().map(|member| (founding_id(&plan.cluster, &member.name), member.clone())).collect()
}

/// The cluster as this node's files name it.
fn plan<W: World>(shared: &Shared<W>) -> Plan {
    let known = shared.known();
    let candidates: Vec<Candidate> = known
        .nodes
        .values()
        .filter_map(|node| {
            let member = Member { name: node.name.clone(), address: node.address? };
            Some(Candidate { member, labels: node.labels.clone() })
        })
        .collect();
    let founders: BTreeSet<Member> = founders(&candidates, known.settings.voters);
    Plan { cluster: shared.cluster.clone(), me: shared.me.clone(), founders }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_start_anew_one_after_the_other_and_the_leader_last() {
        let member = |id| MemberStanding { id, member: Member::default(), voter: true, silent: None, lag: None };
        let members = [member(1), member(2), member(3)];
        let turns = |leader| [1, 2, 3].map(|id| turn(id, leader, &members));
        assert_eq!(turns(Some(1)), [3, 1, 2]);
        assert_eq!(turns(Some(2)), [1, 3, 2]);
        assert_eq!(turns(None), [1, 2, 3]);
    }
}
