//! The node, as the admin side sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorumlb_raft_store::group::Participant;
use quorumlb_raft_store::machine::{Command, Outcome};
use quorumlb_raft_store::net::ProposeError;
use quorumlb_raft_store::replica::View;
use quorumlb_raft_store::session::Fence;
use tokio::time::{Instant, sleep};

use super::Shared;
use crate::admin::Desk;
use crate::group::GroupMessage;
use crate::ports::{Wires, World};
use crate::status::StatusBoard;

/// How long a node that leaves waits until others have taken over.
const LEAVING: Duration = Duration::from_secs(30);

/// A leader that has not answered for so long, or for twice `hold`, is not reached.
const REACHED: Duration = Duration::from_secs(1);

/// How often a waiting command looks again.
const LOOK: Duration = Duration::from_millis(200);

/// A handle for the admin side.
pub struct NodeDesk<W: World> {
    shared: Shared<W>,
    left: Arc<AtomicBool>,
}

impl<W: World> Clone for NodeDesk<W> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), left: Arc::clone(&self.left) }
    }
}

impl<W: World> NodeDesk<W> {
    pub(super) fn new(shared: Shared<W>) -> Self {
        Self { shared, left: Arc::default() }
    }

    /// Resolves when the node has left the group for good: its process is of no use any more.
    pub async fn has_left(&self) {
        while !self.left.load(Ordering::Relaxed) {
            sleep(LOOK).await;
        }
        // Whoever asked for it gets an answer first.
        sleep(LOOK).await;
    }

    /// The parts of the status that nobody writes, since they change by themselves.
    fn refresh(&self) {
        let (wire, refusals) = (<W as Wires>::counters(&self.shared.wire), <W as Wires>::refusals(&self.shared.wire));
        let restarts = self.shared.family.restarts();
        let now = self.shared.world.boot_now();
        let valid_for = match self.shared.fence() {
            Fence::OpenUntil { until, .. } if until > now => Some(until.since(now)),
            Fence::OpenUntil { .. } | Fence::Closed => None,
        };
        let (heard, now_ms) = (self.shared.heard(), self.shared.world.wall_ms());
        let patience = (self.shared.settings().liveness.hold * 2).max(REACHED);
        let leader = heard.leader.filter(|(leader, _)| *leader != self.shared.me);
        let silent = leader.map(|(_, since)| now.since(since)).filter(|silent| *silent > patience);
        self.shared.board.update(|status| {
            (status.wire, status.refusals, status.restarts) = (wire, refusals, restarts);
            (status.now_ms, status.session.valid_for) = (now_ms, valid_for);
            (status.session.confirmed_ms, status.session.leader_silent) = (heard.confirmed_ms, silent);
            if valid_for.is_some() {
                status.session.why_not.clear();
            } else if status.session.why_not.is_empty() {
                status.session.why_not = "the quorum has not confirmed it lately".to_owned();
            }
        });
    }
}

impl<W: World> Desk for NodeDesk<W> {
    fn status(&self) -> StatusBoard {
        self.refresh();
        self.shared.board.clone()
    }

    fn view(&self) -> Option<View> {
        self.shared.part().filter(Participant::is_caught_up).map(|part| part.view().clone())
    }

    async fn propose(&self, command: Command, patience: Duration) -> Result<Outcome, ProposeError> {
        self.shared.propose(command, patience).await
    }

    async fn leave(&self) -> Result<(), String> {
        let leave = Command::Leave { node: self.shared.me.clone() };
        match self.propose(leave, LEAVING).await {
            Ok(Outcome::Done | Outcome::Session(_)) => {}
            Ok(Outcome::Refused(why)) => return Err(why),
            Err(error) => return Err(error.to_string()),
        }
        let deadline = Instant::now() + LEAVING;
        while Instant::now() < deadline {
            let Some(part) = self.shared.part() else { break };
            let owns = part.view().read(|state| state.owned_by(&self.shared.me).next().is_some());
            let standing = part.standing();
            let votes = standing.members.iter().any(|member| member.voter && member.id == standing.id);
            if !owns && !votes {
                self.shared.lines.group.send(GroupMessage::ForgetIdentity).or_lost();
                self.left.store(true, Ordering::Relaxed);
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
        Err("others have not taken over in time: `quorumlb get nodes` and `get raft` tell what is missing; it is still \
             leaving"
            .to_owned())
    }

    fn wall_ms(&self) -> u64 {
        self.shared.world.wall_ms()
    }
}
