//! What the wire hands to the actors.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use quorumlb_raft_store::codec::decode;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::net::Hooks;
use quorumlb_raft_store::session::{BootTime, Notice, Witness};
use quorumlb_raft_store::types::Member;

use super::lines::Lines;
use crate::leader::LeaderMessage;
use crate::session::SessionMessage;

/// Whether a node may become a member.
pub type Admission = Arc<OnceLock<Box<dyn Fn(&Member) -> Result<(), String> + Send + Sync>>>;

/// The dispatcher's hooks.
pub struct NodeHooks {
    /// The actors.
    pub lines: Lines,
    /// What this node can testify.
    pub witness: Arc<Mutex<Witness>>,
    /// CLOCK_BOOTTIME.
    pub boot_now: Box<dyn Fn() -> BootTime + Send + Sync>,
    /// Set once the node is wired.
    pub admission: Admission,
}

impl Hooks for NodeHooks {
    fn notice(&self, from: NodeName, datagram: Vec<u8>) {
        match decode::<Notice>(&datagram) {
            Ok(Notice::Ping(ping)) => self.lines.leader.send(LeaderMessage::Ping { from, ping }).or_lost(),
            Ok(Notice::Pong(pong)) => self.lines.session.send(SessionMessage::Pong { from, pong }).or_lost(),
            Err(error) => tracing::debug!(%from, %error, "a notice that makes no sense"),
        }
    }

    fn leader_heard(&self, term: u64) {
        let now = (self.boot_now)();
        self.witness.lock().unwrap_or_else(PoisonError::into_inner).heard(term, now);
    }

    fn admits(&self, member: &Member) -> Result<(), String> {
        self.admission.get().map_or(Ok(()), |admits| admits(member))
    }
}
