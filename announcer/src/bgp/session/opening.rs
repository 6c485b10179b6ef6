//! A connection in OpenSent or OpenConfirm.

use std::time::Duration;

use super::super::message::{self, Framer, Message};
use super::established::Established;
use super::negotiate::{Negotiated, negotiate};
use super::random::Jitter;
use super::{ConnectionId, Counters, Direction, Endpoints, Failure, Settings, State};
use crate::BootTime;

/// How long an OPEN is waited for: the large hold time that RFC 4271 section 8.2.2 suggests.
pub(super) const OPEN_WAIT: Duration = Duration::from_secs(240);

#[derive(Debug, Clone)]
enum Stage {
    /// Our OPEN was sent, the peer's is waited for.
    Sent { give_up: BootTime },
    /// The peer's OPEN is good, its KEEPALIVE is waited for.
    Confirm { negotiated: Negotiated, hold: BootTime, keepalive: Option<BootTime> },
}

/// What a message has brought about.
#[derive(Debug)]
pub(super) enum Step {
    /// The peer's OPEN is good: a KEEPALIVE is to be sent.
    Opened,
    /// The peer has found ours good, too: the session is up.
    Confirmed,
}

/// A connection on which the session is being opened.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub id: ConnectionId,
    pub direction: Direction,
    pub endpoints: Endpoints,
    framer: Framer,
    stage: Stage,
}

impl Opening {
    /// A connection on which our OPEN was just sent.
    pub fn new(
        id: ConnectionId,
        direction: Direction,
        endpoints: Endpoints,
        settings: &Settings,
        now: BootTime,
    ) -> Self {
        let mut framer = Framer::default();
        if settings.extended_messages {
            framer.extend_messages();
        }
        Self { id, direction, endpoints, framer, stage: Stage::Sent { give_up: now + OPEN_WAIT } }
    }

    pub const fn state(&self) -> State {
        match self.stage {
            Stage::Sent { .. } => State::OpenSent,
            Stage::Confirm { .. } => State::OpenConfirm,
        }
    }

    /// What was agreed on, in OpenConfirm.
    pub const fn negotiated(&self) -> Option<&Negotiated> {
        match &self.stage {
            Stage::Sent { .. } => None,
            Stage::Confirm { negotiated, .. } => Some(negotiated),
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.framer.feed(bytes);
    }

    /// Takes the next message that is whole.
    pub fn step(
        &mut self,
        settings: &Settings,
        counters: &mut Counters,
        jitter: &mut Jitter,
        now: BootTime,
    ) -> Result<Option<Step>, Failure> {
        let state = self.state();
        let context = self.negotiated().map(Negotiated::update_context).unwrap_or_default();
        let Some(frame) = self.framer.next_frame()? else { return Ok(None) };
        counters.count_received(frame.kind);
        let unexpected = |message| Err(Failure::Unexpected { message, state });
        match (message::decode(frame, &context)?, &mut self.stage) {
            (Message::Notification(notification), _) => Err(Failure::Notification(notification)),
            (Message::Open(open), Stage::Sent { .. }) => {
                let negotiated = negotiate(settings, &open)?;
                // Without a hold time the wait is bounded all the same.
                let hold = now + negotiated.hold().unwrap_or(OPEN_WAIT);
                let keepalive = next_keepalive(&negotiated, jitter, now);
                self.stage = Stage::Confirm { negotiated, hold, keepalive };
                Ok(Some(Step::Opened))
            }
            (Message::Keepalive, Stage::Confirm { .. }) => Ok(Some(Step::Confirmed)),
            (Message::Open(_), _) => unexpected("an OPEN"),
            (Message::Keepalive, _) => unexpected("a KEEPALIVE"),
            (Message::Update(..), _) => unexpected("an UPDATE"),
            (Message::RouteRefresh { .. }, _) => unexpected("a ROUTE-REFRESH"),
        }
    }

    /// Looks at the time: `true` when a KEEPALIVE is due.
    pub fn poll(&mut self, jitter: &mut Jitter, now: BootTime) -> Result<bool, Failure> {
        match &mut self.stage {
            Stage::Sent { give_up } if now >= *give_up => Err(Failure::NoOpen(OPEN_WAIT.as_secs())),
            Stage::Sent { .. } => Ok(false),
            Stage::Confirm { negotiated, hold, .. } if now >= *hold => Err(Failure::HoldTimer(negotiated.hold_time)),
            Stage::Confirm { negotiated, keepalive, .. } => {
                let due = keepalive.is_some_and(|due| now >= due);
                if due {
                    *keepalive = next_keepalive(negotiated, jitter, now);
                }
                Ok(due)
            }
        }
    }

    pub fn deadline(&self) -> Option<BootTime> {
        match &self.stage {
            Stage::Sent { give_up } => Some(*give_up),
            Stage::Confirm { hold, keepalive, .. } => Some(keepalive.map_or(*hold, |keepalive| keepalive.min(*hold))),
        }
    }

    /// The session that is up now; `None` while the peer's OPEN is not there.
    pub fn establish(self, now: BootTime) -> Option<Established> {
        let Stage::Confirm { negotiated, keepalive, .. } = self.stage else { return None };
        Some(Established::new(self.id, self.direction, self.endpoints, self.framer, negotiated, keepalive, now))
    }
}

/// When the next KEEPALIVE is due, with jitter.
pub(super) fn next_keepalive(negotiated: &Negotiated, jitter: &mut Jitter, now: BootTime) -> Option<BootTime> {
    let interval = Duration::from_secs(negotiated.keepalive.into());
    (negotiated.keepalive > 0).then(|| now + jitter.spread(interval))
}
