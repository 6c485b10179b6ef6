//! The lines to a node's actors.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorumlb_raft_store::session::Fence;

use crate::bgp::BgpMessage;
use crate::config::ConfigMessage;
use crate::group::GroupMessage;
use crate::leader::LeaderMessage;
use crate::links::LinksMessage;
use crate::owner::OwnerMessage;
use crate::report::ReportMessage;
use crate::segment::SegmentMessage;
use crate::session::SessionMessage;
use crate::tree::Line;

/// How many messages may wait for an actor.
const BOUND: usize = 4096;

/// How many may wait for an actor that gets one for each owned address.
const BOUND_PER_ADDRESS: usize = 200_000;

/// The lines to all actors. Clones reach the same ones.
#[derive(Clone)]
pub struct Lines {
    /// Its part in the group.
    pub group: Line<GroupMessage>,
    /// Its session.
    pub session: Line<SessionMessage>,
    /// What it does as leader.
    pub leader: Line<LeaderMessage>,
    /// What it owns.
    pub owner: Line<OwnerMessage>,
    /// Its interfaces.
    pub links: Line<LinksMessage>,
    /// What it tells of itself.
    pub report: Line<ReportMessage>,
    /// Its files.
    pub config: Line<ConfigMessage>,
    /// Its BGP sessions.
    pub bgp: Line<BgpMessage>,
    segments: Arc<Mutex<BTreeMap<String, Line<SegmentMessage>>>>,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            group: Line::new(BOUND),
            session: Line::new(BOUND),
            leader: Line::new(BOUND),
            owner: Line::new(BOUND_PER_ADDRESS),
            links: Line::new(BOUND),
            report: Line::new(BOUND),
            config: Line::new(BOUND),
            bgp: Line::new(BOUND),
            segments: Arc::default(),
        }
    }
}

impl Lines {
    fn segments(&self) -> MutexGuard<'_, BTreeMap<String, Line<SegmentMessage>>> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line to an interface's actor, if there is one.
    pub fn segment(&self, interface: &str) -> Option<Line<SegmentMessage>> {
        self.segments().get(interface).cloned()
    }

    /// The interfaces that have an actor.
    pub fn interfaces(&self) -> Vec<String> {
        self.segments().keys().cloned().collect()
    }

    /// A line for a new interface.
    pub fn add_segment(&self, interface: &str) -> Line<SegmentMessage> {
        let line = Line::new(BOUND_PER_ADDRESS);
        self.segments().insert(interface.to_owned(), line.clone());
        line
    }

    /// An interface is gone.
    pub fn remove_segment(&self, interface: &str) {
        self.segments().remove(interface);
    }

    /// Tells everyone who rests on it that the node's part in the group began or ended. Whoever is being restarted
    /// looks for itself.
    pub(super) fn group_changed(&self) {
        self.session.send(SessionMessage::GroupChanged).or_lost();
        self.leader.send(LeaderMessage::GroupChanged).or_lost();
        self.owner.send(OwnerMessage::GroupChanged).or_lost();
        self.report.send(ReportMessage::GroupChanged).or_lost();
        self.config.send(ConfigMessage::GroupChanged).or_lost();
        self.bgp.send(BgpMessage::GroupChanged).or_lost();
    }

    /// Tells every interface until when it may answer. A full mailbox loses it; the fence then closes by its time.
    pub(super) fn fence_changed(&self, fence: Fence) {
        for line in self.segments().values() {
            line.send(SegmentMessage::Fence(fence)).or_lost();
        }
    }
}
