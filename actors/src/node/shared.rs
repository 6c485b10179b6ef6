//! What a node's actors share: who the node is, how they reach each other, and its part in the group.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorumlb_raft_store::group::{NodeDispatcher, Participant};
use quorumlb_raft_store::log::Local;
use quorumlb_raft_store::machine::{Command, Incarnation, Outcome, Proposal};
use quorumlb_raft_store::model::{ClusterSettings, ConfigDigest, Labels, Node, NodeName};
use quorumlb_raft_store::net::{ProposeError, Wire};
use quorumlb_raft_store::session::{BootTime, Fence, Witness};
use quorumlb_raft_store::types::Member;
use tokio::time::Instant;

use super::lines::Lines;
use crate::holding::Holding;
use crate::ports::{Wires, World};
use crate::source::Secrets;
use crate::status::StatusBoard;
use crate::tree::Family;

/// A node's context. Clones are handles to the same one.
pub struct Shared<W: World> {
    inner: Arc<Inner<W>>,
}

/// What stands in it.
pub struct Inner<W: World> {
    /// The world outside.
    pub world: W,
    /// Who this node is.
    pub me: NodeName,
    /// The cluster's name.
    pub cluster: String,
    /// This run of the node.
    pub incarnation: Incarnation,
    /// What the node knows of itself, for the admin side.
    pub board: StatusBoard,
    /// How the actors reach each other.
    pub lines: Lines,
    /// Their supervisor.
    pub family: Family,
    /// How the node reaches others.
    pub wire: <W as Wires>::Wire,
    /// What answers others.
    pub dispatcher: Arc<NodeDispatcher>,
    /// What this node can testify about earlier leaders.
    pub witness: Arc<Mutex<Witness>>,
    /// The addresses that it takes packets for.
    pub holding: Holding,
    known: Mutex<Known>,
    part: Mutex<Option<Participant<<W as Wires>::Wire>>>,
    fence: Mutex<Fence>,
    heard: Mutex<Heard>,
    /// The last term that this process began a ledger of promises for.
    ledger_term: Mutex<Option<u64>>,
}

/// When this node last heard of the leader and the quorum; for people.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    /// Whom the node takes for the leader, and since when it has not answered.
    pub leader: Option<(NodeName, BootTime)>,
    /// When the quorum last confirmed the session, by the wall clock.
    pub confirmed_ms: Option<u64>,
}

/// The nodes and tunables as the files have them: what counts before there is a group.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The nodes.
    pub nodes: BTreeMap<NodeName, Node>,
    /// The tunables.
    pub settings: ClusterSettings,
    /// Passwords of BGP sessions. They stay on the nodes whose files have them.
    pub secrets: Secrets,
}

impl<W: World> Clone for Shared<W> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<W: World> std::ops::Deref for Shared<W> {
    type Target = Inner<W>;

    fn deref(&self) -> &Inner<W> {
        &self.inner
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a node is made of.
pub struct Parts<W: World> {
    /// The world outside.
    pub world: W,
    /// Who it is.
    pub me: NodeName,
    /// The cluster's name.
    pub cluster: String,
    /// This run.
    pub incarnation: Incarnation,
    /// Its status.
    pub board: StatusBoard,
    /// How the actors reach each other.
    pub lines: Lines,
    /// Their supervisor.
    pub family: Family,
    /// How it reaches others.
    pub wire: <W as Wires>::Wire,
    /// What answers others.
    pub dispatcher: Arc<NodeDispatcher>,
    /// What it can testify.
    pub witness: Arc<Mutex<Witness>>,
}

impl<W: World> Shared<W> {
    /// A context.
    pub fn new(parts: Parts<W>, known: Known) -> Self {
        let Parts { world, me, cluster, incarnation, board, lines, family, wire, dispatcher, witness } = parts;
        let (known, part, fence) = (Mutex::new(known), Mutex::new(None), Mutex::new(Fence::Closed));
        let inner = Inner {
            world,
            me,
            cluster,
            incarnation,
            board,
            lines,
            family,
            wire,
            dispatcher,
            witness,
            holding: Holding::default(),
            known,
            part,
            fence,
            heard: Mutex::default(),
            ledger_term: Mutex::new(None),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The node's part in the group, while it has one.
    pub fn part(&self) -> Option<Participant<<W as Wires>::Wire>> {
        lock(&self.part).clone()
    }

    /// The node's part in the group begins, or ends.
    pub fn set_part(&self, part: Option<Participant<<W as Wires>::Wire>>) {
        *lock(&self.part) = part;
        self.lines.group_changed();
    }

    /// The nodes and tunables of the files.
    pub fn known(&self) -> Known {
        lock(&self.known).clone()
    }

    /// The files say something else now.
    pub fn set_known(&self, known: Known) {
        *lock(&self.known) = known;
    }

    /// Until when this node may answer.
    pub fn fence(&self) -> Fence {
        *lock(&self.fence)
    }

    /// The quorum's new word on that.
    pub fn set_fence(&self, fence: Fence) {
        *lock(&self.fence) = fence;
        self.lines.fence_changed(fence);
    }

    /// When the node last heard of the leader and the quorum.
    pub fn heard(&self) -> Heard {
        lock(&self.heard).clone()
    }

    /// It heard of one of them.
    pub fn hear(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut lock(&self.heard));
    }

    /// The tunables in force: the group's, else those of the files.
    pub fn settings(&self) -> ClusterSettings {
        let group = self
            .part()
            .and_then(|part| part.view().read(|state| state.config.is_some().then_some(state.wanted.settings)));
        group.unwrap_or_else(|| lock(&self.known).settings)
    }

    /// Where a node's QUIC port is, and its labels, as the files have it.
    pub fn member(&self, node: &NodeName) -> Option<(Member, Labels)> {
        let known = lock(&self.known);
        let found = known.nodes.get(node)?;
        Some((Member { name: node.clone(), address: found.address? }, found.labels.clone()))
    }

    /// Where this node's own QUIC port is, for others.
    pub fn my_address(&self) -> Option<SocketAddr> {
        self.member(&self.me).map(|(member, _)| member.address)
    }

    /// A ledger of promises for this term begins; `false` when there was one already, which its actor has lost.
    pub fn begins_ledger(&self, term: u64) -> bool {
        lock(&self.ledger_term).replace(term) != Some(term)
    }

    /// A command in this node's name.
    pub fn proposal(&self, command: Command) -> Proposal {
        Proposal { at_ms: self.world.wall_ms(), by: self.me.clone(), command }
    }

    /// Proposes a command in this node's name.
    ///
    /// # Errors
    /// See [`ProposeError`]; also when the node is not part of the group just now.
    pub async fn propose(&self, command: Command, patience: Duration) -> Result<Outcome, ProposeError> {
        let Some(part) = self.part() else {
            return Err(ProposeError::Failed("it is not part of the group just now".to_owned()));
        };
        part.propose(self.proposal(command), Instant::now() + patience).await
    }

    /// The configuration that this node last proposed or saw stand, from its disk.
    pub async fn last_seen_config(&self) -> Option<ConfigDigest> {
        let local = self.part()?.local().node();
        local.inspect_err(|error| tracing::warn!(%error, "the data directory cannot be read")).ok()?.last_seen_config
    }

    /// Remembers it, durably.
    pub async fn remember_config(&self, digest: ConfigDigest) {
        let Some(part) = self.part() else { return };
        let remembered = async {
            let local = part.local().node()?;
            part.local().set_node(&Local { last_seen_config: Some(digest), ..local }).await
        };
        if let Err(error) = remembered.await {
            tracing::warn!(%error, "the data directory does not remember what was proposed");
        }
    }

    /// Begins a connection to a node, unless there is one.
    pub fn reach(&self, member: &Member) {
        let _ = self.wire.version_now(member);
    }
}
