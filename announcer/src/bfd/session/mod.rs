//! One BFD session in asynchronous mode (RFC 5880), without sockets and without a clock.
//!
//! What happens goes in by [`Session::handle`], with the time at which it happened; what is to be done comes out. By
//! [`Session::next_deadline`] at the latest it wants a [`Input::Tick`].
//!
//! ```text
//!            heard Down              heard Init, Up
//!   Down ----------------> Init -----------------------> Up
//!    | ^  <---------------- |                             |
//!    | |    not heard,      |                             |
//!    | |    AdminDown       |     heard Down, AdminDown,  |
//!    | +--------------------+----------- not heard -------+
//!    | heard Init: Up
//! ```
//!
//! A packet counts when it is handled, however late that is: whoever was held up reads what came before it lets time pass,
//! and a session does not fail because its own process was slow.

mod poll;
mod saved;
mod status;
mod timing;

use std::num::NonZeroU8;
use std::time::Duration;

use rand::Rng;

use self::poll::Poll;
pub use self::saved::{Saved, SavedRemote};
pub use self::status::{Change, DownReason, Status};
use self::timing::Jitter;
pub use self::timing::{MAX_INTERVAL, MIN_INTERVAL, SLOW, Timing, TimingError};
use super::discard::Discard;
use super::packet::{Diagnostic, Discriminator, Micros, Packet, State};
use crate::BootTime;

/// What a session can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A packet for this session came.
    Received(Packet),
    /// Time has passed.
    Tick,
    /// Other intervals or another multiplier.
    Retime(Timing),
    /// The operator takes the session down. The peer is told, and told why.
    AdminDown(Diagnostic),
    /// The operator lets the session come up again.
    AdminUp,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Send this, now.
    Send(Packet),
    /// The session came up, or went down.
    Changed(Change),
    /// The packet that was handled does not count.
    Discarded(Discard),
}

/// The peer, as its last packet told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Remote {
    discriminator: Option<Discriminator>,
    state: State,
    diagnostic: Diagnostic,
    desired_min_tx: Micros,
    required_min_rx: Micros,
    multiplier: NonZeroU8,
    demand: bool,
    control_plane_independent: bool,
    /// When it was last heard.
    heard: BootTime,
}

impl Remote {
    /// RFC 5880 section 6.8.1: what is assumed of a peer that was not heard.
    const UNKNOWN: Self = Self {
        discriminator: None,
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        desired_min_tx: Micros(0),
        required_min_rx: Micros(1),
        multiplier: NonZeroU8::MIN,
        demand: false,
        control_plane_independent: false,
        heard: BootTime::ZERO,
    };

    fn from_packet(packet: &Packet, heard: BootTime) -> Self {
        Self {
            discriminator: Some(packet.mine),
            state: packet.state,
            diagnostic: packet.diagnostic,
            desired_min_tx: packet.desired_min_tx,
            required_min_rx: packet.required_min_rx,
            multiplier: packet.multiplier,
            demand: packet.demand,
            control_plane_independent: packet.control_plane_independent,
            heard,
        }
    }
}

/// One session.
#[derive(Debug, Clone)]
pub struct Session {
    discriminator: Discriminator,
    passive: bool,
    timing: Timing,
    state: State,
    diagnostic: Diagnostic,
    since: BootTime,
    remote: Remote,
    poll: Poll,
    /// Our interval of sending as the peer knows it for certain.
    transmit_in_use: Micros,
    /// Our interval of receiving as the peer keeps to it for certain.
    receive_in_use: Micros,
    /// When the last packet that was not just an answer was sent; before the first, when the session was made.
    sent: BootTime,
    /// How soon after it the next one follows; `None` before the first.
    jitter: Option<Jitter>,
}

impl Session {
    /// A session that is Down. Its discriminator is its own within the system, and hard to guess. A passive session sends
    /// nothing before it hears the peer (RFC 5880 section 6.1).
    #[must_use]
    pub fn new(discriminator: Discriminator, timing: Timing, passive: bool, now: BootTime) -> Self {
        Self {
            discriminator,
            passive,
            timing,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            since: now,
            remote: Remote::UNKNOWN,
            poll: Poll::Idle,
            transmit_in_use: timing.desired_min_tx(false),
            receive_in_use: timing.required_min_rx(),
            sent: now,
            jitter: None,
        }
    }

    /// What this end calls the session.
    #[must_use]
    pub fn discriminator(&self) -> Discriminator {
        self.discriminator
    }

    /// Whether it waits for the peer to begin.
    pub fn set_passive(&mut self, passive: bool) {
        self.passive = passive;
    }

    /// Takes an input and gives what is to be done, in order. Randomness is for the jitter of sending alone.
    pub fn handle(&mut self, input: Input, now: BootTime, randomness: &mut dyn Rng) -> Vec<Output> {
        let mut step = Step { session: self, now, randomness, outputs: Vec::new() };
        match input {
            Input::Received(packet) => step.receive(packet),
            Input::Tick => step.tick(),
            Input::Retime(timing) => step.retime(timing),
            Input::AdminDown(diagnostic) => step.admin_down(diagnostic),
            Input::AdminUp => step.admin_up(),
        }
        step.outputs
    }

    /// When it wants a [`Input::Tick`]; `None` when it waits for the peer, or for its operator, alone.
    #[must_use]
    pub fn next_deadline(&self) -> Option<BootTime> {
        self.transmit_due().into_iter().chain(self.detection_due()).min()
    }

    /// Between the packets that this end sends, before jitter (RFC 5880 section 6.8.7).
    fn transmit_interval(&self) -> Micros {
        self.transmit_in_use.max(self.remote.required_min_rx)
    }

    /// Without a packet for so long the session fails (RFC 5880 section 6.8.4).
    fn detection_time(&self) -> Duration {
        let interval = self.receive_in_use.max(self.remote.desired_min_tx);
        Duration::from(interval) * u32::from(self.remote.multiplier.get())
    }

    /// Computed anew from the last packet sent, so that a shorter interval holds at once (RFC 5880 section 6.8.3).
    fn transmit_due(&self) -> Option<BootTime> {
        let wait = self.jitter.map_or(Duration::ZERO, |jitter| jitter.of(self.transmit_interval()));
        self.sends_periodically().then_some(self.sent + wait)
    }

    /// In any state: a peer that is not heard any more is forgotten (RFC 5880 section 6.8.1).
    fn detection_due(&self) -> Option<BootTime> {
        self.remote.discriminator.map(|_| self.remote.heard + self.detection_time())
    }

    fn sends_periodically(&self) -> bool {
        self.may_speak() && self.remote.required_min_rx != Micros(0) && !self.held_by_demand()
    }

    fn may_speak(&self) -> bool {
        !self.passive || self.remote.discriminator.is_some()
    }

    /// The peer wants nothing periodic while all is well, except that a poll of ours must reach it.
    fn held_by_demand(&self) -> bool {
        let both_up = self.state == State::Up && self.remote.state == State::Up;
        self.remote.demand && both_up && !self.poll.is_running()
    }

    /// Until when the peer should be told that the session is administratively down: until it said that its own session is
    /// down, or was told nothing else for so long that it must have noticed by itself (RFC 5880 section 6.8.16). `None` while
    /// the session is not taken down.
    #[must_use]
    pub fn farewell_end(&self) -> Option<BootTime> {
        let heard_us = matches!(self.remote.state, State::Down | State::AdminDown);
        let done = self.remote.discriminator.is_none() || heard_us;
        let noticed = Duration::from(self.transmit_interval()) * u32::from(self.timing.multiplier().get());
        (self.state == State::AdminDown).then_some(if done { self.since } else { self.since + noticed })
    }

    fn packet(&self) -> Packet {
        Packet {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.poll.is_running(),
            finish: false,
            control_plane_independent: false,
            demand: false,
            multiplier: self.timing.multiplier(),
            mine: self.discriminator,
            yours: self.remote.discriminator,
            desired_min_tx: self.timing.desired_min_tx(self.state == State::Up),
            required_min_rx: self.timing.required_min_rx(),
            required_min_echo_rx: Micros(0),
        }
    }
}

/// One input being handled.
struct Step<'a> {
    session: &'a mut Session,
    now: BootTime,
    randomness: &'a mut dyn Rng,
    outputs: Vec<Output>,
}

impl Step<'_> {
    /// RFC 5880 section 6.8.6, from where the session is known.
    fn receive(&mut self, packet: Packet) {
        let session = &mut *self.session;
        let known = session.remote.discriminator.is_some_and(|known| known != packet.mine);
        let restarted = known && packet.yours.is_none();
        session.remote = Remote::from_packet(&packet, self.now);
        let ask_again = packet.finish && self.end_poll();
        if self.session.state == State::AdminDown {
            self.outputs.push(Output::Discarded(Discard::AdminDown));
            return;
        }
        match (self.session.state, packet.state) {
            (State::Init | State::Up, State::AdminDown) => self.fall(DownReason::PeerAdminDown),
            (State::Up, State::Down) if restarted => self.fall(DownReason::PeerRestarted),
            (State::Up, State::Down) => self.fall(DownReason::PeerSignaledDown),
            (State::Down, State::Down) => self.enter(State::Init, Diagnostic::NONE),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                self.enter(State::Up, Diagnostic::NONE);
            }
            _ if ask_again => self.send(),
            _ => {}
        }
        if packet.poll {
            let answer = Packet { poll: false, finish: true, ..self.session.packet() };
            self.outputs.push(Output::Send(answer));
        }
    }

    fn tick(&mut self) {
        if self.session.detection_due().is_some_and(|due| due <= self.now) {
            self.session.remote = Remote::UNKNOWN;
            match self.session.state {
                State::Init | State::Up => self.fall(DownReason::DetectionTimeExpired),
                State::Down | State::AdminDown => {}
            }
        }
        if self.session.transmit_due().is_some_and(|due| due <= self.now) {
            self.send();
        }
    }

    /// RFC 5880 section 6.8.3: an established session tells changes of its intervals by a poll, and does not rely on them
    /// before the answer where the peer might not know them yet.
    fn retime(&mut self, timing: Timing) {
        let session = &mut *self.session;
        let old = std::mem::replace(&mut session.timing, timing);
        let (transmit, receive) = (timing.desired_min_tx(session.state == State::Up), timing.required_min_rx());
        if session.state != State::Up {
            (session.transmit_in_use, session.receive_in_use) = (transmit, receive);
        } else if (old.transmit(), old.receive()) != (timing.transmit(), timing.receive()) {
            session.transmit_in_use = session.transmit_in_use.min(transmit);
            session.receive_in_use = session.receive_in_use.max(receive);
            session.poll = session.poll.begin();
            self.send();
        }
    }

    fn admin_down(&mut self, diagnostic: Diagnostic) {
        if self.session.state != State::AdminDown {
            self.leave(State::AdminDown, diagnostic, DownReason::AdminDown);
        }
    }

    fn admin_up(&mut self) {
        if self.session.state == State::AdminDown {
            self.enter(State::Down, Diagnostic::NONE);
        }
    }

    /// The peer knows our intervals now, or those that we had before the last change: then it has to be asked again.
    fn end_poll(&mut self) -> bool {
        let session = &mut *self.session;
        if !session.poll.is_running() {
            return false;
        }
        session.transmit_in_use = session.timing.desired_min_tx(session.state == State::Up);
        session.receive_in_use = session.timing.required_min_rx();
        session.poll = session.poll.answered();
        session.poll.is_running()
    }

    fn fall(&mut self, reason: DownReason) {
        let diagnostic = match reason {
            DownReason::DetectionTimeExpired => Diagnostic::DETECTION_TIME_EXPIRED,
            _ => Diagnostic::NEIGHBOR_SIGNALED_DOWN,
        };
        self.leave(State::Down, diagnostic, reason);
    }

    fn leave(&mut self, state: State, diagnostic: Diagnostic, reason: DownReason) {
        let was_up = self.session.state == State::Up;
        if was_up {
            let peer_diagnostic = self.session.remote.diagnostic;
            self.outputs.push(Output::Changed(Change::Down { reason, diagnostic, peer_diagnostic }));
        }
        self.enter(state, diagnostic);
    }

    /// Enters a state and tells the peer, without waiting for the next periodic packet (RFC 5880 section 6.8.7).
    fn enter(&mut self, state: State, diagnostic: Diagnostic) {
        let session = &mut *self.session;
        let slow = session.timing.desired_min_tx(false);
        session.state = state;
        session.diagnostic = diagnostic;
        session.since = self.now;
        session.transmit_in_use = session.timing.desired_min_tx(state == State::Up);
        session.receive_in_use = session.timing.required_min_rx();
        // Coming up, it begins to send faster than it has said so far.
        let faster = state == State::Up && session.transmit_in_use != slow;
        session.poll = if faster { Poll::Idle.begin() } else { Poll::Idle };
        if state == State::Up {
            self.outputs.push(Output::Changed(Change::Up));
        }
        if self.session.may_speak() {
            self.send();
        }
    }

    fn send(&mut self) {
        let session = &mut *self.session;
        session.sent = self.now;
        session.jitter = Some(Jitter::draw(session.timing.multiplier(), self.randomness));
        self.outputs.push(Output::Send(session.packet()));
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
