//! What a node knows of itself alone, as plain data: each actor writes its own part, the admin side reads all of it.
//! Nothing is decided from it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorumlb_raft_store::group::Standing;
use quorumlb_raft_store::log::StorageHealth;
use quorumlb_raft_store::machine::{Epoch, SessionId};
use quorumlb_raft_store::model::{ConfigDigest, NodeName};
use quorumlb_raft_store::net::quic::{Refusal, WireCounters};

pub use crate::bgp::BgpStatus;

use crate::ports::Credentials;

/// Everything that one node knows of itself.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// Its name.
    pub node: NodeName,
    /// The cluster's name.
    pub cluster: String,
    /// The program's version.
    pub version: &'static str,
    /// When it started, milliseconds since 1970 by its wall clock.
    pub started_ms: u64,
    /// When this was last looked at, by the same clock.
    pub now_ms: u64,
    /// What it does just now in the group.
    pub phase: Phase,
    /// Its place in the Raft group, once it has one.
    pub raft: Option<Standing>,
    /// Its session with the quorum.
    pub session: SessionStatus,
    /// The disk under its data directory.
    pub disk: StorageHealth,
    /// The files it watches.
    pub config: ConfigStatus,
    /// Its interfaces, by name.
    pub interfaces: BTreeMap<String, InterfaceStatus>,
    /// What it owns, by address.
    pub owned: BTreeMap<IpAddr, OwnedStatus>,
    /// Its BGP sessions.
    pub bgp: BgpStatus,
    /// What came of its QUIC connections.
    pub wire: WireCounters,
    /// Nodes that it has no connection with because of a certificate.
    pub refusals: Vec<Refusal>,
    /// What it proves itself with.
    pub credentials: Credentials,
    /// How often each of its actors was started anew after a failure, by the actor's name.
    pub restarts: BTreeMap<&'static str, u64>,
    /// Counters of the session's keeper.
    pub pings: PingCounters,
}

/// What a node does in the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It looks for its place: the reason why it waits.
    Bootstrapping(String),
    /// It is part of the group.
    Running,
    /// Its disk does not take writes: it has stepped aside and tries again. Why.
    Aside(String),
    /// It hands over what it owns, then stops.
    Stopping,
}

/// A node's session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionStatus {
    /// Its id, while it has one.
    pub id: Option<SessionId>,
    /// For how long it is still valid; `None` when it may not answer.
    pub valid_for: Option<Duration>,
    /// Why it may not answer, in words; empty when it may.
    pub why_not: String,
    /// When the quorum last confirmed it, milliseconds since 1970; `None` when it never did in this run.
    pub confirmed_ms: Option<u64>,
    /// For how long whoever is taken for the leader has not answered, when that is too long; `None` when it answers, or
    /// when there is none.
    pub leader_silent: Option<Duration>,
}

/// Pings and what came of them, since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PingCounters {
    /// Pings sent.
    pub sent: u64,
    /// Answers that extended the session.
    pub answered: u64,
    /// Times that the fence closed while something was owned or not.
    pub fence_closed: u64,
    /// Times that the process stood still for too long.
    pub stalls: u64,
}

/// The files that a node watches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigStatus {
    /// The folder or file.
    pub path: String,
    /// The digest of what was last read without errors.
    pub digest: Option<ConfigDigest>,
    /// The first problem of what is there now; empty when there is none. The last good state stands.
    pub error: String,
    /// All problems of what is there now, as `check` prints them; empty when there are none.
    pub report: String,
    /// How often it was read anew.
    pub reloads: u64,
    /// How often that gave errors.
    pub failures: u64,
}

/// One interface on a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfaceStatus {
    /// Its MAC.
    pub mac: String,
    /// Up, with carrier, and its responder works.
    pub up: bool,
    /// Why its responder does not work; empty when it does.
    pub error: String,
    /// What it counted.
    pub counters: SegmentCounters,
}

/// What a responder counted, in frames, since its interface came up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentCounters {
    /// Questions seen, whoever they were for.
    pub requests: u64,
    /// Questions for owned addresses that were answered.
    pub answered: u64,
    /// Questions for owned addresses not answered because the fence was closed.
    pub fenced: u64,
    /// Questions for owned addresses not answered because of the bound on answers.
    pub rate_dropped: u64,
    /// Announcements made.
    pub announced: u64,
    /// Claims of owned addresses by other stations.
    pub conflicts: u64,
    /// Frames that are not valid.
    pub malformed: u64,
    /// Frames that were held back at the moment of sending, because the fence had closed since they were made.
    pub held_back: u64,
    /// Frames that the kernel dropped because this process was too slow.
    pub kernel_dropped: u64,
}

/// One address that the node owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedStatus {
    /// The ownership's epoch.
    pub epoch: Epoch,
    /// The interfaces it answers on.
    pub interfaces: Vec<String>,
    /// It answers now.
    pub answering: bool,
    /// Why it does not; empty when it does.
    pub why_not: String,
}

/// The node's status, shared by its actors. Cheap to clone; never held over an await.
#[derive(Clone, Debug)]
pub struct StatusBoard(Arc<Mutex<NodeStatus>>);

impl StatusBoard {
    /// A board that begins with this.
    pub fn new(status: NodeStatus) -> Self {
        Self(Arc::new(Mutex::new(status)))
    }

    /// A copy of all that stands on it.
    pub fn read(&self) -> NodeStatus {
        self.lock().clone()
    }

    /// Looks at it without a copy.
    pub fn look<R>(&self, look: impl FnOnce(&NodeStatus) -> R) -> R {
        look(&self.lock())
    }

    /// Changes a part of it.
    pub fn update(&self, change: impl FnOnce(&mut NodeStatus)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, NodeStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
