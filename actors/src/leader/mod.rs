//! What a node does while it leads: answers pings, ends sessions, decides who votes, and lets owners drift back to an even
//! spread. On a node that does not lead it only says so.

mod census;
mod drift;
mod sessions;

use std::net::SocketAddr;
use std::time::Duration;

use quorumlb_raft_store::group::Role as RaftRole;
use quorumlb_raft_store::machine::SessionId;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::session::Ping;
use quorumlb_raft_store::types::RaftId;

use crate::node::{Follower, Noticed, Shared, nudge};
use crate::ports::World;
use crate::tree::{Alarm, Failure, Line, Role};

use census::Census;
use drift::Drift;
use sessions::Sessions;

/// How often the membership and the spread are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// What the leader's desk is told.
#[derive(Clone, Debug)]
pub enum LeaderMessage {
    /// A node asks for its session.
    Ping {
        /// Who.
        from: NodeName,
        /// What.
        ping: Ping,
    },
    /// A session may be overdue.
    Overdue,
    /// The end of a session could not be proposed.
    NotExpired(SessionId),
    /// It is time to look at the membership and the spread.
    Look,
    /// A change of the membership is over, well or not.
    Changed(Result<(), String>),
    /// A node answered at the address that it is to get.
    AnsweredAt(RaftId, SocketAddr),
    /// A rebalance is over, well or not.
    Rebalanced,
    /// The node's part in the group began or ended.
    GroupChanged,
    /// The applied state changed.
    StateChanged,
}

/// The leader's desk.
pub struct LeaderDesk<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Leading {
    sessions: Sessions,
    census: Census,
    drift: Drift,
    overdue: Alarm,
    look: Alarm,
    follow: Option<(Follower, Noticed)>,
}

impl<W: World> LeaderDesk<W> {
    /// A desk on this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }

    fn attach(&self, me: &Line<LeaderMessage>, leading: &mut Leading) {
        leading.follow = self.shared.part().map(|part| nudge(part.view(), me, LeaderMessage::StateChanged));
        leading.census.voters_may_have_changed();
    }

    fn look(&self, me: &Line<LeaderMessage>, leading: &mut Leading) {
        leading.look.set(me, LOOK, LeaderMessage::Look);
        // A message that was lost, or came before the leadership showed, must not leave the sessions without a watch.
        leading.sessions.expire(&self.shared, me);
        let Some(part) = self.shared.part() else { return };
        let standing = part.standing();
        leading.census.observe(&standing);
        if standing.role != RaftRole::Leader {
            leading.census.not_leading();
            leading.drift.not_leading();
            return;
        }
        leading.census.look(&self.shared, me, &part, &standing);
        leading.drift.look(&self.shared, me, &part);
    }

    fn rearm(&self, me: &Line<LeaderMessage>, leading: &mut Leading) {
        match leading.sessions.next_deadline(&self.shared) {
            Some(wait) => leading.overdue.set(me, wait, LeaderMessage::Overdue),
            None => leading.overdue.clear(),
        }
    }
}

impl<W: World> Role for LeaderDesk<W> {
    type Message = LeaderMessage;
    type State = Leading;

    async fn start(&self, me: &Line<LeaderMessage>) -> Result<Leading, Failure> {
        let mut leading = Leading {
            sessions: Sessions::default(),
            census: Census::new(self.shared.world.boot_now()),
            drift: Drift::default(),
            overdue: Alarm::default(),
            look: Alarm::default(),
            follow: None,
        };
        self.attach(me, &mut leading);
        leading.look.set(me, Duration::ZERO, LeaderMessage::Look);
        Ok(leading)
    }

    async fn handle(
        &self,
        me: &Line<LeaderMessage>,
        message: LeaderMessage,
        leading: &mut Leading,
    ) -> Result<(), Failure> {
        match message {
            LeaderMessage::Ping { from, ping } => {
                let voters = leading.census.steady_voters(&self.shared);
                if !leading.sessions.answer(&self.shared, from, &ping, &voters) {
                    return Ok(());
                }
            }
            LeaderMessage::Overdue | LeaderMessage::StateChanged => {
                if let Some((_, noticed)) = &leading.follow {
                    noticed.take();
                }
                leading.sessions.expire(&self.shared, me);
                if let Some(part) = self.shared.part() {
                    leading.drift.state_changed(&self.shared, &part);
                }
            }
            LeaderMessage::NotExpired(session) => leading.sessions.retry(session),
            LeaderMessage::Look => self.look(me, leading),
            LeaderMessage::Changed(result) => leading.census.changed(result),
            LeaderMessage::AnsweredAt(id, address) => leading.census.answered(id, address),
            LeaderMessage::Rebalanced => leading.drift.rebalanced(),
            LeaderMessage::GroupChanged => self.attach(me, leading),
        }
        self.rearm(me, leading);
        Ok(())
    }
}
