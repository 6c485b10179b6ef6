//! The node's place in the Raft group.

use std::time::Duration;

use quorumlb_raft_store::group::{MemberStanding, Role, Standing};
use quorumlb_raft_store::log::StorageHealth;
use serde::Serialize;

use crate::status::{NodeStatus, Phase, SessionStatus};

/// A node's place in the Raft group, as it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RaftReport {
    /// Which node was asked.
    pub node: String,
    /// The name of who leads, as far as it knows.
    pub leader: Option<String>,
    /// For how long that one has not answered this node, when that is too long; `None` when it answers.
    pub leader_silent_ms: Option<u64>,
    /// `learner`, `follower`, `candidate`, `leader` or `failed`; `none` before it has a place.
    pub role: &'static str,
    /// Why its Raft has stopped; empty when it has not.
    pub role_why: String,
    /// The term it is in.
    pub term: u64,
    /// Its identity, in hexadecimal digits.
    pub id: Option<String>,
    /// Index of the last entry in its log.
    pub last_log: Option<u64>,
    /// Index of the last entry that it knows to be committed.
    pub committed: Option<u64>,
    /// Index of the last entry that it applied.
    pub applied: Option<u64>,
    /// Index of the last entry in its snapshot.
    pub snapshot: Option<u64>,
    /// Index of the last entry that it purged.
    pub purged: Option<u64>,
    /// The members, by name.
    pub members: Vec<MemberRow>,
    /// `bootstrapping`, `running`, `aside` or `stopping`.
    pub phase: &'static str,
    /// Why it bootstraps or stands aside; empty otherwise.
    pub phase_why: String,
    /// `ok`, `full`, `read-only` or `failed`.
    pub disk: &'static str,
    /// What is wrong with the disk and what helps; empty when it works.
    pub disk_why: String,
    /// Its session with the quorum.
    pub session: SessionRow,
}

/// A member of the Raft group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberRow {
    /// Its node's name.
    pub name: String,
    /// Its identity, in hexadecimal digits.
    pub id: String,
    /// Where its QUIC port is.
    pub address: String,
    /// It votes.
    pub voter: bool,
    /// It leads.
    pub leader: bool,
    /// For how long it has been silent; only the leader knows. `None` also when it was never heard of.
    pub silent_ms: Option<u64>,
    /// This leader has not heard of it yet.
    pub never_heard: bool,
    /// Entries that it does not hold yet; only the leader knows.
    pub lag: Option<u64>,
}

/// A node's session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionRow {
    /// Its id, while it has one.
    pub id: Option<u64>,
    /// For how long it is still valid; `None` when the node may not answer.
    pub valid_for_ms: Option<u64>,
    /// Why the node may not answer; empty when it may.
    pub why_not: String,
    /// When the quorum last confirmed it, milliseconds since 1970; `None` when it never did in this run.
    pub confirmed_ms: Option<u64>,
}

/// The report.
pub fn raft(status: &NodeStatus) -> RaftReport {
    let (phase, phase_why) = phase(&status.phase);
    let (disk, disk_why) = disk(&status.disk);
    let standing = status.raft.as_ref();
    RaftReport {
        node: status.node.to_string(),
        leader: standing.and_then(|raft| raft.leader.as_ref()).map(|(_, leader)| leader.name.to_string()),
        leader_silent_ms: status.session.leader_silent.map(millis),
        role: standing.map_or("none", |raft| raft.role.name()),
        role_why: match standing.map(|raft| &raft.role) {
            Some(Role::Failed(why)) => why.clone(),
            _ => String::new(),
        },
        term: standing.map_or(0, |raft| raft.term),
        id: standing.map(|raft| format!("{:x}", raft.id)),
        last_log: standing.and_then(|raft| raft.last_log),
        committed: standing.and_then(|raft| raft.committed),
        applied: standing.and_then(|raft| raft.applied),
        snapshot: standing.and_then(|raft| raft.snapshot),
        purged: standing.and_then(|raft| raft.purged),
        members: standing.map(members).unwrap_or_default(),
        phase,
        phase_why,
        disk,
        disk_why,
        session: session(&status.session),
    }
}

fn members(raft: &Standing) -> Vec<MemberRow> {
    let leader = raft.leader.as_ref().map(|(id, _)| *id);
    let row = |member: &MemberStanding| MemberRow {
        name: member.member.name.to_string(),
        id: format!("{:x}", member.id),
        address: member.member.address.to_string(),
        voter: member.voter,
        leader: leader == Some(member.id),
        silent_ms: member.silent.filter(|silent| *silent != Duration::MAX).map(millis),
        never_heard: member.silent == Some(Duration::MAX),
        lag: member.lag,
    };
    let mut rows: Vec<_> = raft.members.iter().map(row).collect();
    rows.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    rows
}

pub(super) fn session(session: &SessionStatus) -> SessionRow {
    SessionRow {
        id: session.id.map(|id| id.0),
        valid_for_ms: session.valid_for.map(millis),
        why_not: session.why_not.clone(),
        confirmed_ms: session.confirmed_ms,
    }
}

pub(super) fn phase(phase: &Phase) -> (&'static str, String) {
    match phase {
        Phase::Bootstrapping(why) => ("bootstrapping", why.clone()),
        Phase::Running => ("running", String::new()),
        Phase::Aside(why) => ("aside", why.clone()),
        Phase::Stopping => ("stopping", String::new()),
    }
}

pub(super) fn disk(disk: &StorageHealth) -> (&'static str, String) {
    let name = match disk {
        StorageHealth::Ok => return ("ok", String::new()),
        StorageHealth::Full => "full",
        StorageHealth::ReadOnly => "read-only",
        StorageHealth::Failed(_) => "failed",
    };
    (name, disk.to_string())
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
