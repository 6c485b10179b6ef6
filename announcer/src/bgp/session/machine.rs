//! Phases, dialing, collisions.

use std::sync::Arc;
use std::time::Duration;

use super::super::message::{Kind, MAX_MESSAGE, Message, Notification};
use super::established::Established;
use super::negotiate::{Negotiated, own_open};
use super::opening::{Opening, Step};
use super::random::Jitter;
use super::{ConnectionId, Counters, Direction, Endpoints, Failure, Input, Output, Settings, State, Stop, Waiting};
use crate::BootTime;

/// The wait after a first failure; it doubles with each further one, up to [`Settings::connect_retry`].
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A connection attempt is given up after this: within a network an answer comes soon or not at all.
const DIAL_LIMIT: Duration = Duration::from_secs(10);
/// A session that was up for this long was no failure: the waits begin anew.
const STABLE: Duration = Duration::from_secs(60);

/// What is done for a connection of our own.
#[derive(Debug, Clone)]
enum Dial {
    /// Nothing: the peer has to connect.
    Never,
    /// Dial at this time.
    At(BootTime),
    /// Being dialed.
    Dialing { id: ConnectionId, give_up: BootTime },
    /// It is there, and is being opened.
    Opening,
}

#[derive(Debug)]
pub(super) enum Phase {
    Stopped,
    Down,
    Up(Box<Established>),
}

/// The session with one peer.
#[derive(Debug)]
pub struct Session {
    settings: Settings,
    pub(super) jitter: Jitter,
    pub(super) phase: Phase,
    dial: Dial,
    dialed: Option<Opening>,
    /// While the session is up, this is the peer having restarted.
    accepted: Option<Opening>,
    next_id: u64,
    /// Failures in a row.
    failures: u32,
    /// Until when OPENs say that we have restarted.
    restarting: Option<BootTime>,
    pub(super) counters: Counters,
    last_failure: Option<(BootTime, Failure)>,
}

impl Session {
    /// A stopped session. The seed makes the jitter.
    #[must_use]
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            jitter: Jitter::new(seed),
            phase: Phase::Stopped,
            dial: Dial::Never,
            dialed: None,
            accepted: None,
            next_id: 0,
            failures: 0,
            restarting: None,
            counters: Counters::default(),
            last_failure: None,
        }
    }

    /// Says in OPENs that we have restarted, until the session is up once or the time is over: a peer that kept the
    /// routes waits for End-of-RIB then (RFC 4724). To be called before [`Input::Start`] when an earlier process on this
    /// node may have had the session.
    pub fn restarted(&mut self, until: BootTime) {
        self.restarting = Some(until);
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input<'_>, now: BootTime) -> Vec<Output> {
        let mut out = Vec::new();
        match input {
            Input::Start => self.start(now),
            Input::Stop(stop) => self.stop(&stop, now, &mut out),
            Input::Connected(id, endpoints) => self.connected(id, endpoints, now, &mut out),
            Input::ConnectFailed(id, error) => self.connect_failed(id, Failure::Connect(error), now, &mut out),
            Input::Accepted(endpoints) => self.offered(endpoints, now, &mut out),
            Input::Received(id, bytes) => self.received(id, bytes, now, &mut out),
            Input::Closed(id, error) => self.closed(id, error.map_or(Failure::Closed, Failure::Broken), now, &mut out),
            Input::Wrote(id, waiting) => self.wrote(id, waiting, now),
            Input::Tick => {}
        }
        self.poll(now, &mut out);
        out
    }

    fn start(&mut self, now: BootTime) {
        if matches!(self.phase, Phase::Stopped) {
            self.phase = Phase::Down;
            self.failures = 0;
            self.dial = if self.settings.passive { Dial::Never } else { Dial::At(now) };
        }
    }

    fn stop(&mut self, stop: &Stop, now: BootTime, out: &mut Vec<Output>) {
        let failure = stop.failure();
        if let Phase::Up(up) = std::mem::replace(&mut self.phase, Phase::Stopped) {
            self.part(up.id, stop.notification(up.negotiated.graceful_notification), out);
            out.push(Output::Down(failure.clone()));
            self.last_failure = Some((now, failure));
        }
        for opening in [self.dialed.take(), self.accepted.take()].into_iter().flatten() {
            self.part(opening.id, stop.notification(false), out);
        }
        if let Dial::Dialing { id, .. } = std::mem::replace(&mut self.dial, Dial::Never) {
            out.push(Output::Close(id));
        }
    }

    fn connected(&mut self, id: ConnectionId, endpoints: Endpoints, now: BootTime, out: &mut Vec<Output>) {
        if matches!(self.dial, Dial::Dialing { id: dialing, .. } if dialing == id) {
            self.dial = Dial::Opening;
            self.dialed = Some(self.open(id, Direction::Dialed, endpoints, now, out));
        }
    }

    fn connect_failed(&mut self, id: ConnectionId, failure: Failure, now: BootTime, out: &mut Vec<Output>) {
        if matches!(self.dial, Dial::Dialing { id: dialing, .. } if dialing == id) {
            self.dial_later(now);
            self.attempt_failed(failure, now, out);
        }
    }

    /// The peer has connected. While the session is up, only a peer that restarts gracefully may (RFC 4724 section 5);
    /// of two such connections the later one counts.
    fn offered(&mut self, endpoints: Endpoints, now: BootTime, out: &mut Vec<Output>) {
        let welcome = match &self.phase {
            Phase::Stopped => false,
            Phase::Down => true,
            Phase::Up(up) => up.negotiated.peer_restart.is_some(),
        };
        if !welcome {
            return out.push(Output::Refuse);
        }
        let id = self.new_id();
        out.push(Output::Accept(id));
        if let Some(earlier) = self.accepted.take() {
            out.push(Output::Close(earlier.id));
        }
        self.accepted = Some(self.open(id, Direction::Accepted, endpoints, now, out));
    }

    fn open(
        &mut self,
        id: ConnectionId,
        direction: Direction,
        endpoints: Endpoints,
        now: BootTime,
        out: &mut Vec<Output>,
    ) -> Opening {
        let restarting = self.restarting.is_some_and(|until| now < until);
        self.counters.count_sent(Kind::Open, 1);
        out.push(Output::Send(id, own_open(&self.settings, restarting)));
        Opening::new(id, direction, endpoints, &self.settings, now)
    }

    fn received(&mut self, id: ConnectionId, bytes: &[u8], now: BootTime, out: &mut Vec<Output>) {
        if let Phase::Up(up) = &mut self.phase
            && up.id == id
        {
            up.feed(bytes);
            return self.take_messages(now, out);
        }
        let Some(opening) = self.opening(id) else { return };
        opening.feed(bytes);
        self.take_openings(id, now, out);
    }

    /// Takes what an established session has received.
    fn take_messages(&mut self, now: BootTime, out: &mut Vec<Output>) {
        let Phase::Up(up) = &mut self.phase else { return };
        match up.take_messages(&mut self.counters, now) {
            Ok(families) => out.extend(families.into_iter().map(Output::Refresh)),
            Err(failure) => self.down(failure, now, out),
        }
    }

    /// Takes what a connection that is being opened has received.
    fn take_openings(&mut self, id: ConnectionId, now: BootTime, out: &mut Vec<Output>) {
        loop {
            let Self { dialed, accepted, settings, counters, jitter, .. } = self;
            let slots = [dialed, accepted].into_iter().flatten();
            let Some(opening) = slots.into_iter().find(|opening| opening.id == id) else { return };
            match opening.step(settings, counters, jitter, now) {
                Ok(None) => return,
                Ok(Some(Step::Opened)) => {
                    self.keepalive(id, out);
                    self.resolve(id, now, out);
                }
                Ok(Some(Step::Confirmed)) => {
                    self.establish(id, now, out);
                    return self.take_messages(now, out);
                }
                Err(failure) => return self.opening_failed(id, failure, now, out),
            }
        }
    }

    /// A good OPEN came on this connection: of two connections one is closed (RFC 4271 section 6.8).
    fn resolve(&mut self, id: ConnectionId, now: BootTime, out: &mut Vec<Output>) {
        if matches!(self.phase, Phase::Up(_)) {
            self.leave_for_restarted(now, out);
        }
        let (Some(dialed), Some(accepted)) = (&self.dialed, &self.accepted) else { return };
        let (Some(negotiated), Some(_)) = (dialed.negotiated(), accepted.negotiated()) else { return };
        debug_assert!(dialed.id == id || accepted.id == id);
        // The connection of the side with the higher identifier stays; RFC 6286 lets the AS decide between equal ones.
        let ours = (negotiated.identifier, negotiated.local_as);
        let theirs = (negotiated.peer_identifier, negotiated.peer_as);
        let loser = if ours > theirs { accepted.id } else { dialed.id };
        self.opening_failed(loser, Failure::Collision, now, out);
    }

    /// The peer is back on a new connection: the old one is closed without a word, the routes are sent on the new one.
    fn leave_for_restarted(&mut self, now: BootTime, out: &mut Vec<Output>) {
        if let Phase::Up(up) = std::mem::replace(&mut self.phase, Phase::Down) {
            out.push(Output::Close(up.id));
            out.push(Output::Down(Failure::PeerRestarted));
            self.last_failure = Some((now, Failure::PeerRestarted));
            self.dial_later(now);
        }
    }

    fn establish(&mut self, id: ConnectionId, now: BootTime, out: &mut Vec<Output>) {
        let dialed = self.dialed.take_if(|opening| opening.id == id);
        let Some(winner) = dialed.or_else(|| self.accepted.take_if(|opening| opening.id == id)) else { return };
        let Some(up) = winner.establish(now) else { return };
        for other in [self.dialed.take(), self.accepted.take()].into_iter().flatten() {
            self.part(other.id, Failure::Collision.notification(), out);
        }
        if let Dial::Dialing { id, .. } = std::mem::replace(&mut self.dial, Dial::Never) {
            out.push(Output::Close(id));
        }
        self.restarting = None;
        self.counters.established += 1;
        (self.counters.announced, self.counters.withdrawn) = (0, 0);
        out.push(Output::Established(id, Arc::clone(&up.negotiated)));
        self.phase = Phase::Up(Box::new(up));
    }

    fn opening_failed(&mut self, id: ConnectionId, failure: Failure, now: BootTime, out: &mut Vec<Output>) {
        let dialed = self.dialed.take_if(|opening| opening.id == id);
        if dialed.is_some() {
            self.dial_later(now);
        } else if self.accepted.take_if(|opening| opening.id == id).is_none() {
            return;
        }
        self.part(id, failure.notification(), out);
        if failure != Failure::Collision {
            self.attempt_failed(failure, now, out);
        }
    }

    fn attempt_failed(&mut self, failure: Failure, now: BootTime, out: &mut Vec<Output>) {
        out.push(Output::AttemptFailed(failure.clone()));
        self.last_failure = Some((now, failure));
    }

    /// The session that was up is down.
    fn down(&mut self, failure: Failure, now: BootTime, out: &mut Vec<Output>) {
        let Phase::Up(up) = std::mem::replace(&mut self.phase, Phase::Down) else { return };
        self.part(up.id, failure.notification(), out);
        out.push(Output::Down(failure.clone()));
        self.last_failure = Some((now, failure));
        if now.since(up.since) >= STABLE {
            self.failures = 0;
        }
        self.dial_later(now);
    }

    fn closed(&mut self, id: ConnectionId, failure: Failure, now: BootTime, out: &mut Vec<Output>) {
        match &self.phase {
            Phase::Up(up) if up.id == id => self.down(failure, now, out),
            _ => self.opening_failed(id, failure, now, out),
        }
    }

    fn wrote(&mut self, id: ConnectionId, waiting: Waiting, now: BootTime) {
        if let Phase::Up(up) = &mut self.phase
            && up.id == id
        {
            up.wrote(waiting, now);
        }
    }

    /// The next attempt to dial, after a wait that grows with each failure.
    fn dial_later(&mut self, now: BootTime) {
        if self.settings.passive {
            self.dial = Dial::Never;
            return;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << self.failures.min(20)).min(self.settings.connect_retry);
        self.failures = self.failures.saturating_add(1);
        self.dial = Dial::At(now + self.jitter.spread(wait));
    }

    /// Says goodbye, or nothing, and closes.
    fn part(&mut self, id: ConnectionId, notification: Option<Notification>, out: &mut Vec<Output>) {
        if let Some(bytes) =
            notification.and_then(|notification| Message::Notification(notification).encode(MAX_MESSAGE))
        {
            self.counters.count_sent(Kind::Notification, 1);
            out.push(Output::Send(id, bytes));
        }
        out.push(Output::Close(id));
    }

    fn keepalive(&mut self, id: ConnectionId, out: &mut Vec<Output>) {
        self.counters.count_sent(Kind::Keepalive, 1);
        out.extend(Message::Keepalive.encode(MAX_MESSAGE).map(|bytes| Output::Send(id, bytes)));
    }

    /// Does what is due.
    fn poll(&mut self, now: BootTime, out: &mut Vec<Output>) {
        self.poll_up(now, out);
        self.poll_openings(now, out);
        match self.dial {
            Dial::At(due) if now >= due && matches!(self.phase, Phase::Down) => {
                let id = self.new_id();
                self.dial = Dial::Dialing { id, give_up: now + DIAL_LIMIT };
                out.push(Output::Connect(id));
            }
            Dial::Dialing { id, give_up } if now >= give_up => {
                out.push(Output::Close(id));
                self.connect_failed(id, Failure::ConnectTimeout, now, out);
            }
            _ => {}
        }
    }

    fn poll_up(&mut self, now: BootTime, out: &mut Vec<Output>) {
        let Phase::Up(up) = &mut self.phase else { return };
        let id = up.id;
        match up.poll(&mut self.jitter, now) {
            Ok(true) => self.keepalive(id, out),
            Ok(false) => {}
            Err(failure) => self.down(failure, now, out),
        }
    }

    fn poll_openings(&mut self, now: BootTime, out: &mut Vec<Output>) {
        let Self { dialed, accepted, jitter, .. } = self;
        let polled: Vec<_> =
            [dialed, accepted].into_iter().flatten().map(|opening| (opening.id, opening.poll(jitter, now))).collect();
        for (id, result) in polled {
            match result {
                Ok(true) => self.keepalive(id, out),
                Ok(false) => {}
                Err(failure) => self.opening_failed(id, failure, now, out),
            }
        }
    }

    /// When [`Input::Tick`] is due next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<BootTime> {
        let up = match &self.phase {
            Phase::Stopped => return None,
            Phase::Down => None,
            Phase::Up(up) => up.deadline(),
        };
        let dial = match self.dial {
            Dial::At(due) if matches!(self.phase, Phase::Down) => Some(due),
            Dial::Dialing { give_up, .. } => Some(give_up),
            _ => None,
        };
        let openings = [&self.dialed, &self.accepted].map(|opening| opening.as_ref().and_then(Opening::deadline));
        openings.into_iter().chain([up, dial]).flatten().min()
    }

    fn opening(&mut self, id: ConnectionId) -> Option<&mut Opening> {
        [&mut self.dialed, &mut self.accepted].into_iter().flatten().find(|opening| opening.id == id)
    }

    pub(super) fn new_id(&mut self) -> ConnectionId {
        self.next_id += 1;
        ConnectionId(self.next_id)
    }

    /// What the peer is configured to be.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The state, by its name in RFC 4271.
    #[must_use]
    pub fn state(&self) -> State {
        let opening = [&self.dialed, &self.accepted].into_iter().flatten().map(Opening::state).max();
        match (&self.phase, opening, &self.dial) {
            (Phase::Stopped, ..) => State::Idle,
            (Phase::Up(_), ..) => State::Established,
            (Phase::Down, Some(state), _) => state,
            (Phase::Down, None, Dial::Dialing { .. }) => State::Connect,
            (Phase::Down, None, Dial::At(_) | Dial::Never | Dial::Opening) => State::Active,
        }
    }

    /// What was agreed on, and since when, while the session is up.
    #[must_use]
    pub fn established(&self) -> Option<(&Arc<Negotiated>, BootTime)> {
        match &self.phase {
            Phase::Up(up) => Some((&up.negotiated, up.since)),
            Phase::Stopped | Phase::Down => None,
        }
    }

    /// The ends of the connection, while the session is up.
    #[must_use]
    pub fn endpoints(&self) -> Option<Endpoints> {
        match &self.phase {
            Phase::Up(up) => Some(up.endpoints),
            Phase::Stopped | Phase::Down => None,
        }
    }

    /// What was last wrong, and when.
    #[must_use]
    pub const fn last_failure(&self) -> Option<&(BootTime, Failure)> {
        self.last_failure.as_ref()
    }

    /// What went over the session.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes were given to be written while none waited: the time begins that the peer has to take some (RFC 9687).
    pub fn handle_waiting(&mut self, id: ConnectionId, now: BootTime) {
        self.wrote(id, Waiting::Some, now);
    }

    /// Counts UPDATEs that the edge has sent on its own, from the adj-rib-out.
    pub const fn count_updates(&mut self, count: u64) {
        self.counters.count_sent(Kind::Update, count);
    }
}
