//! One interface: answers and announces for what the node owns on it. An actor around [`Responder`].

mod intake;

use std::net::IpAddr;
use std::time::Duration;

use quorumlb_announcer::segment::{Output, Responder, Settings};
use quorumlb_announcer::{BootTime, FencedFrame};
use quorumlb_raft_store::machine::{Epoch, SessionId};
use quorumlb_raft_store::model::Fencing;
use quorumlb_raft_store::session::Fence;

use crate::node::Shared;
use crate::owner::OwnerMessage;
use crate::ports::{Segment, Segments, World};
use crate::report::ReportMessage;
use crate::status::SegmentCounters;
use crate::tree::{Alarm, Failure, Line, Role};

use intake::{Batch, Intake};

/// How often counters are published.
const PUBLISH_EVERY: Duration = Duration::from_secs(1);

/// What an interface's actor is told.
#[derive(Debug)]
pub enum SegmentMessage {
    /// Frames came.
    Frames(Batch),
    /// The socket has failed.
    Broken(String),
    /// The quorum's word on until when this node may answer.
    Fence(Fence),
    /// All ownerships that were told before are over.
    Adopt {
        /// Under which session they are from now on.
        session: Option<SessionId>,
        /// To be confirmed by this number.
        order: u64,
    },
    /// Answer for an address.
    Own {
        /// Under this session; of another one it is passed over.
        session: SessionId,
        /// The address.
        address: IpAddr,
        /// The ownership's epoch.
        epoch: Epoch,
    },
    /// Answer for it no more, and say so.
    Disown {
        /// The address.
        address: IpAddr,
        /// To be confirmed by this number.
        order: u64,
    },
    /// Announcements are due.
    Poll,
    /// It is time to publish counters.
    Publish,
}

/// The actor of one interface.
pub struct SegmentDesk<W: World> {
    shared: Shared<W>,
    interface: String,
}

/// What it keeps.
pub struct Answering<S> {
    segment: std::sync::Arc<S>,
    responder: Responder,
    session: Option<SessionId>,
    fence: Fence,
    _intake: Intake,
    poll: Alarm,
    publish: Alarm,
    held_back: u64,
}

impl<W: World> SegmentDesk<W> {
    /// The actor of this interface.
    pub fn new(shared: Shared<W>, interface: String) -> Self {
        Self { shared, interface }
    }

    fn now(&self) -> BootTime {
        announcer_time(self.shared.world.boot_now())
    }

    /// The fence counts for ownerships of its own session only: an ownership that this node has lost under an earlier
    /// one, and does not know of yet, must not be answered for.
    fn apply_fence(answering: &mut Answering<<W as Segments>::Segment>) {
        let fence = match answering.fence {
            Fence::OpenUntil { session, until } if Some(session) == answering.session => {
                quorumlb_announcer::Fence::ValidUntil(announcer_time(until))
            }
            Fence::OpenUntil { .. } | Fence::Closed => quorumlb_announcer::Fence::Closed,
        };
        answering.responder.fence(fence);
    }

    fn carry_out(&self, outputs: Vec<Output>, answering: &mut Answering<<W as Segments>::Segment>) {
        let mut waiting: std::collections::VecDeque<Output> = outputs.into();
        while let Some(output) = waiting.pop_front() {
            match output {
                Output::Send(frame) => self.send(&frame, answering),
                Output::Join(group) => {
                    let joined = match answering.segment.join(group) {
                        Ok(()) => answering.responder.group_joined(group),
                        Err(error) => answering.responder.group_failed(group, error),
                    };
                    waiting.extend(joined);
                }
                Output::Leave(group) => answering.segment.leave(group),
                Output::Programmed { address, epoch } => self.tell(OwnerMessage::Programmed {
                    interface: self.interface.clone(),
                    address,
                    epoch: Epoch(epoch),
                }),
                Output::Failed { address, epoch, reason } => self.tell(OwnerMessage::NotProgrammed {
                    interface: self.interface.clone(),
                    address,
                    epoch: Epoch(epoch),
                    why: reason.to_string(),
                }),
                Output::Yielded { address, epoch, to } => self.tell(OwnerMessage::NotProgrammed {
                    interface: self.interface.clone(),
                    address,
                    epoch: Epoch(epoch),
                    why: format!("{to} answers for it, and there is no quorum to ask"),
                }),
                Output::Conflict { address, mac } => {
                    tracing::error!(interface = self.interface, %address, %mac, "another station answers for an owned address");
                }
            }
        }
    }

    fn tell(&self, message: OwnerMessage) {
        // A full mailbox is counted; the owner says again what was not confirmed.
        self.shared.lines.owner.send(message).or_lost();
    }

    fn send(&self, frame: &FencedFrame, answering: &mut Answering<<W as Segments>::Segment>) {
        match answering.segment.send(frame) {
            Ok(true) => {}
            Ok(false) => answering.held_back += 1,
            Err(error) => tracing::debug!(interface = self.interface, %error, "a frame was not sent"),
        }
    }

    fn own(
        &self,
        session: SessionId,
        address: IpAddr,
        epoch: Epoch,
        answering: &mut Answering<<W as Segments>::Segment>,
    ) {
        if answering.session != Some(session) {
            return;
        }
        let outputs = answering.responder.own(address, epoch.0);
        self.carry_out(outputs, answering);
        self.poll(answering);
    }

    fn poll(&self, answering: &mut Answering<<W as Segments>::Segment>) {
        let outputs = answering.responder.poll(self.now());
        self.carry_out(outputs, answering);
    }

    fn adopt(&self, session: Option<SessionId>, answering: &mut Answering<<W as Segments>::Segment>) {
        let owned: Vec<IpAddr> = answering.responder.owned().map(|(address, _)| address).collect();
        for address in owned {
            let outputs = answering.responder.disown(address);
            self.carry_out(outputs, answering);
        }
        answering.session = session;
        Self::apply_fence(answering);
    }

    fn publish(&self, answering: &Answering<<W as Segments>::Segment>) {
        let counted = answering.responder.counters();
        let counters = SegmentCounters {
            requests: counted.requests,
            answered: counted.answered,
            fenced: counted.fenced,
            rate_dropped: counted.rate_dropped,
            announced: counted.announced,
            conflicts: counted.conflicts,
            malformed: counted.malformed,
            held_back: answering.held_back,
            kernel_dropped: answering.segment.dropped(),
        };
        let mac = answering.segment.mac().to_string();
        self.shared.board.update(|status| {
            let interface = status.interfaces.entry(self.interface.clone()).or_default();
            (interface.mac, interface.counters) = (mac, counters);
        });
    }

    fn rearm(&self, me: &Line<SegmentMessage>, answering: &mut Answering<<W as Segments>::Segment>) {
        match answering.responder.next_deadline() {
            Some(due) => answering.poll.set(me, due.since(self.now()), SegmentMessage::Poll),
            None => answering.poll.clear(),
        }
    }
}

/// The announcer's word for the same moment.
fn announcer_time(time: quorumlb_raft_store::session::BootTime) -> BootTime {
    BootTime::from_boot(time.0)
}

impl<W: World> Role for SegmentDesk<W> {
    type Message = SegmentMessage;
    type State = Answering<<W as Segments>::Segment>;

    async fn start(&self, me: &Line<SegmentMessage>) -> Result<Self::State, Failure> {
        let opened = self.shared.world.open_segment(&self.interface);
        let segment = std::sync::Arc::new(opened.map_err(|error| {
            let report = ReportMessage::SegmentDown { interface: self.interface.clone(), why: error.clone() };
            self.shared.lines.report.send(report).or_lost();
            Failure(error)
        })?);
        let fencing = match self.shared.settings().fencing {
            Fencing::Strict => quorumlb_announcer::Fencing::Strict,
            Fencing::Soft => quorumlb_announcer::Fencing::Soft,
        };
        let responder = Responder::new(segment.mac(), Settings { fencing, ..Settings::default() });
        let intake = Intake::start(std::sync::Arc::clone(&segment), me.clone());
        let mut answering = Answering {
            segment,
            responder,
            session: None,
            fence: self.shared.fence(),
            _intake: intake,
            poll: Alarm::default(),
            publish: Alarm::default(),
            held_back: 0,
        };
        let outputs = answering.responder.socket_opened();
        self.carry_out(outputs, &mut answering);
        self.shared.lines.report.send(ReportMessage::SegmentUp(self.interface.clone())).or_lost();
        answering.publish.set(me, Duration::ZERO, SegmentMessage::Publish);
        Ok(answering)
    }

    async fn handle(
        &self,
        me: &Line<SegmentMessage>,
        message: SegmentMessage,
        answering: &mut Self::State,
    ) -> Result<(), Failure> {
        match message {
            SegmentMessage::Frames(batch) => {
                for frame in batch.frames() {
                    let outputs = answering.responder.handle(frame, self.now());
                    self.carry_out(outputs, answering);
                }
            }
            SegmentMessage::Broken(why) => {
                let outputs = answering.responder.socket_failed(why.clone());
                self.carry_out(outputs, answering);
                let report = ReportMessage::SegmentDown { interface: self.interface.clone(), why: why.clone() };
                self.shared.lines.report.send(report).or_lost();
                return Err(Failure(why));
            }
            SegmentMessage::Fence(fence) => {
                answering.fence = fence;
                Self::apply_fence(answering);
                self.poll(answering);
            }
            SegmentMessage::Adopt { session, order } => {
                self.adopt(session, answering);
                self.tell(OwnerMessage::Adopted { interface: self.interface.clone(), order });
            }
            SegmentMessage::Own { session, address, epoch } => self.own(session, address, epoch, answering),
            SegmentMessage::Disown { address, order } => {
                let outputs = answering.responder.disown(address);
                self.carry_out(outputs, answering);
                self.tell(OwnerMessage::Silent { interface: self.interface.clone(), address, order });
            }
            SegmentMessage::Poll => self.poll(answering),
            SegmentMessage::Publish => {
                // Right after the start only: before, messages to this line would have reached nobody.
                if answering.session.is_none() {
                    self.tell(OwnerMessage::SegmentUp(self.interface.clone()));
                    answering.fence = self.shared.fence();
                    Self::apply_fence(answering);
                }
                self.publish(answering);
                answering.publish.set(me, PUBLISH_EVERY, SegmentMessage::Publish);
            }
        }
        self.rearm(me, answering);
        Ok(())
    }
}
