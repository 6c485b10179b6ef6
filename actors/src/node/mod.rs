//! One node, wired: its actors, started in order and stopped the other way round, after it has handed over.

mod desk;
mod follow;
mod hooks;
mod lines;
mod shared;
mod stopping;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use quorumlb_raft_store::group::NodeDispatcher;
use quorumlb_raft_store::log::StorageHealth;
use quorumlb_raft_store::machine::Incarnation;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::session::Witness;

pub use desk::NodeDesk;
pub use follow::{Followed, Follower, Noticed, follow, nudge};
pub use shared::{Known, Shared};

use crate::bgp::BgpDesk;
use crate::config::ConfigDesk;
use crate::group::GroupKeeper;
use crate::leader::LeaderDesk;
use crate::links::LinksDesk;
use crate::owner::OwnerDesk;
use crate::ports::{Wires, World};
use crate::report::Reporter;
use crate::session::SessionKeeper;
use crate::status::{BgpStatus, ConfigStatus, NodeStatus, Phase, PingCounters, SessionStatus, StatusBoard};
use crate::tree::{Child, Family, Rank};
use hooks::{Admission, NodeHooks};
use lines::Lines;
use shared::Parts;

/// Who a node is.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// Its name, as the manifests and its certificate have it.
    pub name: NodeName,
    /// The cluster's name.
    pub cluster: String,
    /// The nodes and tunables of its files as they are at the start.
    pub known: Known,
}

/// A running node.
pub struct Node<W: World> {
    shared: Shared<W>,
}

impl<W: World> Node<W> {
    /// Starts a node. Its actors run on the present tokio runtime.
    ///
    /// # Errors
    /// When the wire cannot be bound or ractor does not start, in words.
    pub async fn start(options: NodeOptions, world: W) -> Result<Self, String> {
        let lines = Lines::default();
        let witness = Arc::new(Mutex::new(Witness::new(world.boot_now())));
        let admission = Admission::default();
        let clock = world.clone();
        let hooks = NodeHooks {
            lines: lines.clone(),
            witness: Arc::clone(&witness),
            boot_now: Box::new(move || clock.boot_now()),
            admission: Arc::clone(&admission),
        };
        let dispatcher = NodeDispatcher::new(options.cluster.clone(), std::collections::BTreeSet::new(), hooks);
        let wire = world.bind(Arc::clone(&dispatcher), options.known.settings.liveness)?;
        let family = Family::new().await.map_err(|error| error.to_string())?;
        let board = StatusBoard::new(status(&options, &world));
        let incarnation = Incarnation(world.random());
        let (me, cluster) = (options.name, options.cluster);
        let parts = Parts { world, me, cluster, incarnation, board, lines, family, wire, dispatcher, witness };
        let shared = Shared::new(parts, options.known);
        let admitting = shared.clone();
        // Set once, right here.
        let _ = admission.set(Box::new(move |member| admits(&admitting, &member.name)));
        start_actors(&shared);
        Ok(Self { shared })
    }

    /// What the admin side asks.
    pub fn desk(&self) -> NodeDesk<W> {
        NodeDesk::new(self.shared.clone())
    }

    /// Hands over what the node owns, and its leadership, and stops.
    pub async fn stop(self) {
        stopping::hand_over(&self.shared).await;
        self.shared.family.stop().await;
    }

    /// Stops without a word, as a crash would; for tests.
    pub async fn abandon(self) {
        self.shared.family.stop().await;
    }
}

fn start_actors<W: World>(shared: &Shared<W>) {
    let family = shared.family.clone();
    let lines = shared.lines.clone();
    macro_rules! supervise {
        ($name:literal, $line:expr, $role:ident) => {
            let of = shared.clone();
            family.supervise(rank($name), Child::new($name, $line, move || $role::new(of.clone())));
        };
    }
    supervise!("owner", lines.owner, OwnerDesk);
    supervise!("bgp", lines.bgp, BgpDesk);
    supervise!("leader", lines.leader, LeaderDesk);
    supervise!("report", lines.report, Reporter);
    supervise!("links", lines.links, LinksDesk);
    supervise!("session", lines.session, SessionKeeper);
    supervise!("group", lines.group, GroupKeeper);
    supervise!("config", lines.config, ConfigDesk);
}

/// The place of an actor in the order of starting. The interfaces' actors stand at 40.
fn rank(name: &str) -> Rank {
    let place = match name {
        "owner" => 10,
        "bgp" => 15,
        "leader" => 20,
        "report" => 30,
        "links" => 50,
        "session" => 60,
        "group" => 70,
        _ => 80,
    };
    (place, name.to_owned())
}

/// A node that the group's configuration does not have is not taken in; without a configuration everyone with a
/// certificate is.
fn admits<W: World>(shared: &Shared<W>, node: &NodeName) -> Result<(), String> {
    let Some(part) = shared.part() else { return Ok(()) };
    part.view().read(|state| {
        if state.wanted.nodes.is_empty() || state.wanted.nodes.contains_key(node) {
            return match state.members.get(node) {
                Some(member) if member.leaving => Err(format!("{node} is leaving the group")),
                _ => Ok(()),
            };
        }
        Err(format!("the configuration has no node {node}: add it under spec.nodes"))
    })
}

fn status<W: World>(options: &NodeOptions, world: &W) -> NodeStatus {
    let why_not = "it has no session yet".to_owned();
    NodeStatus {
        node: options.name.clone(),
        cluster: options.cluster.clone(),
        version: env!("CARGO_PKG_VERSION"),
        started_ms: world.wall_ms(),
        now_ms: world.wall_ms(),
        phase: Phase::Bootstrapping("it starts".to_owned()),
        raft: None,
        session: SessionStatus { why_not, ..SessionStatus::default() },
        disk: StorageHealth::Ok,
        config: ConfigStatus { path: world.name(), ..ConfigStatus::default() },
        interfaces: BTreeMap::new(),
        owned: BTreeMap::new(),
        bgp: BgpStatus::default(),
        wire: Default::default(),
        refusals: Vec::new(),
        credentials: world.credentials(),
        restarts: BTreeMap::new(),
        pings: PingCounters::default(),
    }
}

/// The wire of a world.
pub type WireOf<W> = <W as Wires>::Wire;
