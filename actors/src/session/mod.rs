//! The node's session with the quorum: an actor around [`Pinger`].

use std::time::Duration;

use quorumlb_raft_store::codec::encode;
use quorumlb_raft_store::machine::{Command, Outcome, SessionId};
use quorumlb_raft_store::model::{Fencing, Liveness, NodeName};
use quorumlb_raft_store::net::Wire;
use quorumlb_raft_store::session::{Answer, BootTime, Fence, Notice, Ping, Pinger, PingerOutput, Pong};
use quorumlb_raft_store::types::{Member, RaftId};

use crate::leader::LeaderMessage;
use crate::node::Shared;
use crate::owner::OwnerMessage;
use crate::ports::World;
use crate::report::ReportMessage;
use crate::status::Phase;
use crate::tree::{Alarm, Failure, Line, Role};

/// How long a proposal to open a session may take before it is made again.
const OPENING: Duration = Duration::from_secs(2);

/// What the session's keeper is told.
#[derive(Clone, Debug)]
pub enum SessionMessage {
    /// It is time.
    Tick,
    /// The leader answered.
    Pong {
        /// Who.
        from: NodeName,
        /// What.
        pong: Pong,
    },
    /// The group opened this session, or said why not.
    Opened(Result<SessionId, String>),
    /// The node's part in the group began or ended.
    GroupChanged,
    /// Another leader, or none.
    LeaderMoved,
}

/// The keeper of the node's session.
pub struct SessionKeeper<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Keeping {
    pinger: Pinger,
    liveness: Liveness,
    alarm: Alarm,
    opening: bool,
    leader: Option<RaftId>,
    /// The node might answer when it was last looked at.
    open: bool,
}

impl<W: World> SessionKeeper<W> {
    /// A keeper for this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }

    fn tick(&self, me: &Line<SessionMessage>, keeping: &mut Keeping) {
        let now = self.shared.world.boot_now();
        let liveness = self.shared.settings().liveness;
        if liveness != keeping.liveness {
            keeping.liveness = liveness;
            keeping.pinger.retime(liveness.ping, liveness.hold);
        }
        let Some(part) = self.shared.part() else {
            let outputs = keeping.pinger.rest(now);
            return self.carry_out(me, outputs, None, keeping);
        };
        let (term, leader) = part.leader();
        // A voter may lead at any moment: then a connection to it must be there.
        part.voters().iter().filter(|voter| voter.name != self.shared.me).for_each(|voter| self.shared.reach(voter));
        let witness = *self.shared.witness.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let outputs = keeping.pinger.tick(term, &witness, now);
        self.carry_out(me, outputs, leader.map(|(_, member)| member), keeping);
    }

    fn carry_out(
        &self,
        me: &Line<SessionMessage>,
        outputs: Vec<PingerOutput>,
        leader: Option<Member>,
        keeping: &mut Keeping,
    ) {
        let stalled = outputs.iter().any(|output| matches!(output, PingerOutput::Stalled(_)));
        let soft = self.shared.settings().fencing == Fencing::Soft;
        for output in outputs {
            match output {
                PingerOutput::Send(ping) => self.send(ping, leader.as_ref()),
                // Without a quorum's word the soft mode goes on with what it had.
                PingerOutput::Fence(Fence::Closed) if stalled && soft => {}
                PingerOutput::Fence(fence) => self.shared.set_fence(fence),
                PingerOutput::OpenSession => self.open(me, keeping),
                PingerOutput::Stalled(gap) => {
                    tracing::warn!(?gap, "this process stood still; it asks the quorum again before it answers");
                    self.shared.board.update(|status| status.pings.stalls += 1);
                }
            }
        }
    }

    fn send(&self, ping: Ping, leader: Option<&Member>) {
        let Some(leader) = leader else { return };
        self.shared.board.update(|status| status.pings.sent += 1);
        if leader.name == self.shared.me {
            self.shared.lines.leader.send(LeaderMessage::Ping { from: leader.name.clone(), ping }).or_lost();
            return;
        }
        // The next ping follows; a lost one costs nothing but time.
        let Some(version) = self.shared.wire.version_now(leader) else { return };
        if let Ok(datagram) = encode(version, &Notice::Ping(ping)) {
            let _ = self.shared.wire.notify(leader, datagram);
        }
    }

    /// Asks the group for a session, once at a time.
    fn open(&self, me: &Line<SessionMessage>, keeping: &mut Keeping) {
        if std::mem::replace(&mut keeping.opening, true) {
            return;
        }
        let (shared, me) = (self.shared.clone(), me.clone());
        tokio::spawn(async move {
            let command = Command::OpenSession { node: shared.me.clone(), incarnation: shared.incarnation };
            let opened = match shared.propose(command, OPENING).await {
                Ok(Outcome::Session(session)) => Ok(session),
                Ok(other) => Err(other.to_string()),
                Err(error) => Err(error.to_string()),
            };
            me.answer(SessionMessage::Opened(opened));
        });
    }

    fn opened(&self, me: &Line<SessionMessage>, opened: Result<SessionId, String>, keeping: &mut Keeping) {
        keeping.opening = false;
        match opened {
            Ok(session) => {
                self.shared.board.update(|status| {
                    status.session.id = Some(session);
                    status.session.why_not.clear();
                });
                let outputs = keeping.pinger.opened(session);
                self.carry_out(me, outputs, None, keeping);
                self.shared.lines.owner.send(OwnerMessage::SessionOpened).or_lost();
                self.shared.lines.report.send(ReportMessage::SessionOpened).or_lost();
                // The first promise is wanted at once, not at the next tick.
                self.tick(me, keeping);
            }
            Err(why) => {
                tracing::warn!(%why, "no session yet");
                self.shared.board.update(|status| status.session.why_not = format!("no session: {why}"));
            }
        }
    }

    fn pong(&self, me: &Line<SessionMessage>, from: &NodeName, pong: &Pong, keeping: &mut Keeping) {
        let now = self.shared.world.boot_now();
        self.shared.hear(|heard| {
            if let Some((_, since)) = heard.leader.as_mut().filter(|(leader, _)| leader == from) {
                *since = now;
            }
        });
        let before = keeping.pinger.fence();
        let outputs = keeping.pinger.pong(pong, now);
        self.carry_out(me, outputs, None, keeping);
        if keeping.pinger.fence() != before {
            if matches!(pong.answer, Answer::Valid { .. }) {
                let confirmed = self.shared.world.wall_ms();
                self.shared.hear(|heard| heard.confirmed_ms = Some(confirmed));
            }
            self.shared.board.update(|status| status.pings.answered += 1);
        }
    }

    /// A new leader is asked at once: what is left of the old one's promise runs.
    fn leader_moved(&self, me: &Line<SessionMessage>, keeping: &mut Keeping) {
        let leader = self.shared.part().and_then(|part| part.leader().1);
        if let Some((_, member)) = &leader {
            // Begins to connect, so that the ping finds a connection.
            self.shared.reach(member);
        }
        let (name, now) = (leader.as_ref().map(|(_, member)| member.name.clone()), self.shared.world.boot_now());
        self.shared.hear(|heard| {
            if heard.leader.as_ref().map(|(leader, _)| leader) != name.as_ref() {
                heard.leader = name.map(|name| (name, now));
            }
        });
        let id = leader.map(|(id, _)| id);
        if id.is_some() && std::mem::replace(&mut keeping.leader, id) != id {
            self.tick(me, keeping);
        }
    }

    /// Tells when the node may not answer any more, or may again. A promise that runs out does so without a word.
    fn watch_fence(&self, keeping: &mut Keeping) {
        let now = self.shared.world.boot_now();
        let open = matches!(self.shared.fence(), Fence::OpenUntil { until, .. } if until > now);
        if std::mem::replace(&mut keeping.open, open) == open {
            return;
        }
        if open {
            tracing::info!("a quorum confirms this node's session: it may answer");
            return;
        }
        let stopping = self.shared.board.look(|status| status.phase == Phase::Stopping);
        self.shared.board.update(|status| status.pings.fence_closed += 1);
        match self.shared.settings().fencing {
            _ if stopping => {}
            Fencing::Strict => tracing::warn!("no quorum confirms this node's session: it answers for nothing"),
            Fencing::Soft => {
                tracing::warn!(
                    "no quorum confirms this node's session: it answers for what it had until another one does"
                );
            }
        }
    }

    fn rearm(&self, me: &Line<SessionMessage>, keeping: &mut Keeping) {
        let wait = keeping.pinger.next_deadline().since(self.shared.world.boot_now());
        keeping.alarm.set(me, wait, SessionMessage::Tick);
    }
}

impl<W: World> Role for SessionKeeper<W> {
    type Message = SessionMessage;
    type State = Keeping;

    async fn start(&self, me: &Line<SessionMessage>) -> Result<Keeping, Failure> {
        let liveness = self.shared.settings().liveness;
        let now: BootTime = self.shared.world.boot_now();
        let pinger = Pinger::new(self.shared.incarnation, liveness.ping, liveness.hold, now);
        self.shared.set_fence(Fence::Closed);
        let alarm = Alarm::default();
        let mut keeping = Keeping { pinger, liveness, alarm, opening: false, leader: None, open: false };
        keeping.alarm.set(me, Duration::ZERO, SessionMessage::Tick);
        Ok(keeping)
    }

    async fn handle(
        &self,
        me: &Line<SessionMessage>,
        message: SessionMessage,
        keeping: &mut Keeping,
    ) -> Result<(), Failure> {
        match message {
            SessionMessage::Tick => self.tick(me, keeping),
            SessionMessage::Pong { from, pong } => self.pong(me, &from, &pong, keeping),
            SessionMessage::Opened(opened) => self.opened(me, opened, keeping),
            SessionMessage::GroupChanged | SessionMessage::LeaderMoved => self.leader_moved(me, keeping),
        }
        self.watch_fence(keeping);
        self.rearm(me, keeping);
        Ok(())
    }
}
