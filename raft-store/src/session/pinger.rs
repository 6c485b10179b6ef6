//! The node's side of a session.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Answer, BootTime, Ping, Pong, Witness};
use crate::machine::{Incarnation, SessionId};

/// How many pings may be under way; older ones are forgotten, their answers ignored.
const PINGS_REMEMBERED: usize = 128;

/// Until when the node may answer ARP and NDP. Check it against the clock at the moment of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fence {
    /// Nothing may be answered.
    Closed,
    /// What is owned under this session may be answered until then.
    OpenUntil {
        /// The session; an ownership of another session may not be answered.
        session: SessionId,
        /// The last moment.
        until: BootTime,
    },
}

/// What the pinger wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PingerOutput {
    /// Send this to whoever is the leader.
    Send(Ping),
    /// The fence changed.
    Fence(Fence),
    /// The group knows no session of this run: propose to open one.
    OpenSession,
    /// The node itself stood still for so long: it asks again before it answers.
    Stalled(Duration),
}

/// The node's side of a session: pings, and keeps the fence.
#[derive(Debug)]
pub struct Pinger {
    incarnation: Incarnation,
    interval: Duration,
    longest_gap: Duration,
    session: Option<SessionId>,
    sequence: u64,
    under_way: BTreeMap<u64, BootTime>,
    fence: Fence,
    last_tick: BootTime,
    next_tick: BootTime,
}

impl Pinger {
    /// A pinger that starts `now`, perhaps not the first one of this run. `interval` and `hold` as in
    /// [`crate::model::Liveness`].
    pub fn new(incarnation: Incarnation, interval: Duration, hold: Duration, now: BootTime) -> Self {
        Self {
            incarnation,
            interval,
            longest_gap: hold / 2,
            session: None,
            // An answer to an earlier pinger of the same run must not be taken for one to a later ping of this one. No
            // pinger sends more than one ping in a nanosecond.
            sequence: u64::try_from(now.0.as_nanos()).unwrap_or(u64::MAX / 2),
            under_way: BTreeMap::new(),
            fence: Fence::Closed,
            last_tick: now,
            next_tick: now,
        }
    }

    /// Other timing from now on. Promises that were made stand as they are.
    pub fn retime(&mut self, interval: Duration, hold: Duration) {
        self.interval = interval;
        self.longest_gap = hold / 2;
        self.next_tick = self.next_tick.min(self.last_tick + interval);
    }

    /// There is nobody to ask: no ping goes out at this deadline. A process that stood still is noticed all the same.
    pub fn rest(&mut self, now: BootTime) -> Vec<PingerOutput> {
        let outputs = self.notice_gap(now);
        self.last_tick = now;
        self.next_tick = now + self.interval;
        outputs
    }

    /// When [`Pinger::tick`] wants to be called next.
    pub fn next_deadline(&self) -> BootTime {
        self.next_tick
    }

    /// The fence as it stands.
    pub fn fence(&self) -> Fence {
        self.fence
    }

    /// The group says that this is the session of this run.
    pub fn opened(&mut self, session: SessionId) -> Vec<PingerOutput> {
        if self.session == Some(session) {
            return Vec::new();
        }
        self.session = Some(session);
        self.under_way.clear();
        self.close()
    }

    /// Sends the next ping, whether or not it is time: called at the deadline, and when the leader changed.
    pub fn tick(&mut self, term: u64, witness: &Witness, now: BootTime) -> Vec<PingerOutput> {
        let mut outputs = self.notice_gap(now);
        self.last_tick = now;
        self.next_tick = now + self.interval;
        self.sequence += 1;
        self.under_way.insert(self.sequence, now);
        while self.under_way.len() > PINGS_REMEMBERED {
            self.under_way.pop_first();
        }
        outputs.push(PingerOutput::Send(Ping {
            sequence: self.sequence,
            incarnation: self.incarnation,
            session: self.session,
            older_leader_heard: witness.older_than(term, now),
            term,
        }));
        outputs
    }

    /// Takes the leader's answer.
    pub fn pong(&mut self, pong: &Pong, now: BootTime) -> Vec<PingerOutput> {
        let mut outputs = self.notice_gap(now);
        let Some(sent) = self.under_way.remove(&pong.sequence) else { return outputs };
        match pong.answer {
            Answer::Valid { session, hold } if Some(session) == self.session => {
                outputs.extend(self.extend(session, sent + hold));
            }
            Answer::NoSession => {
                outputs.extend(self.close());
                outputs.push(PingerOutput::OpenSession);
            }
            // Soon it may be: a leader that has just been elected waits for those whom it knows from before.
            Answer::NotLeader | Answer::NotFresh => self.next_tick = self.next_tick.min(now + self.interval / 5),
            Answer::Valid { .. } => {}
        }
        outputs
    }

    /// A process that stood still cannot know what was decided meanwhile: whatever was promised before is void, and so
    /// are answers to pings from before.
    fn notice_gap(&mut self, now: BootTime) -> Vec<PingerOutput> {
        let gap = now.since(self.last_tick.max(self.next_tick - self.interval));
        if gap <= self.interval + self.longest_gap {
            return Vec::new();
        }
        self.last_tick = now;
        self.next_tick = now;
        self.under_way.clear();
        let mut outputs = vec![PingerOutput::Stalled(gap)];
        outputs.extend(self.close());
        outputs
    }

    fn extend(&mut self, session: SessionId, until: BootTime) -> Vec<PingerOutput> {
        if matches!(self.fence, Fence::OpenUntil { session: s, until: u } if s == session && u >= until) {
            return Vec::new();
        }
        self.fence = Fence::OpenUntil { session, until };
        vec![PingerOutput::Fence(self.fence)]
    }

    fn close(&mut self) -> Vec<PingerOutput> {
        if self.fence == Fence::Closed {
            return Vec::new();
        }
        self.fence = Fence::Closed;
        vec![PingerOutput::Fence(Fence::Closed)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionId = SessionId(7);

    fn at(ms: u64) -> BootTime {
        BootTime(Duration::from_millis(ms))
    }

    fn pinger() -> (Pinger, Witness) {
        let mut pinger = Pinger::new(Incarnation(1), Duration::from_millis(100), Duration::from_millis(500), at(0));
        assert_eq!(pinger.opened(SESSION), []);
        (pinger, Witness::new(at(0)))
    }

    fn ping(pinger: &mut Pinger, witness: &Witness, now: BootTime) -> u64 {
        match pinger.tick(1, witness, now).pop() {
            Some(PingerOutput::Send(ping)) => ping.sequence,
            other => panic!("no ping but {other:?}"),
        }
    }

    fn valid(sequence: u64) -> Pong {
        Pong { sequence, answer: Answer::Valid { session: SESSION, hold: Duration::from_millis(450) } }
    }

    #[test]
    fn validity_counts_from_the_sending() {
        let (mut pinger, witness) = pinger();
        let first = ping(&mut pinger, &witness, at(0));
        let second = ping(&mut pinger, &witness, at(100));
        let open = |ms| vec![PingerOutput::Fence(Fence::OpenUntil { session: SESSION, until: at(ms) })];
        assert_eq!(pinger.pong(&valid(second), at(140)), open(550));
        assert_eq!(pinger.pong(&valid(first), at(150)), [], "a late answer to an older ping takes nothing back");
        assert_eq!(pinger.pong(&valid(second), at(150)), [], "an answer counts once");
    }

    #[test]
    fn a_stall_voids_what_was_promised_and_what_was_asked() {
        let (mut pinger, witness) = pinger();
        let first = ping(&mut pinger, &witness, at(0));
        pinger.pong(&valid(first), at(1));
        let second = ping(&mut pinger, &witness, at(100));
        let outputs = pinger.pong(&valid(second), at(5100));
        assert_eq!(outputs, [PingerOutput::Stalled(Duration::from_secs(5)), PingerOutput::Fence(Fence::Closed)]);
        assert_eq!(pinger.fence(), Fence::Closed);
        let third = ping(&mut pinger, &witness, at(5100));
        pinger.pong(&valid(third), at(5101));
        assert_eq!(pinger.fence(), Fence::OpenUntil { session: SESSION, until: at(5550) });
    }

    #[test]
    fn an_unknown_session_closes_the_fence_and_asks_for_a_new_one() {
        let (mut pinger, witness) = pinger();
        let first = ping(&mut pinger, &witness, at(0));
        pinger.pong(&valid(first), at(1));
        let second = ping(&mut pinger, &witness, at(100));
        let outputs = pinger.pong(&Pong { sequence: second, answer: Answer::NoSession }, at(101));
        assert_eq!(outputs, [PingerOutput::Fence(Fence::Closed), PingerOutput::OpenSession]);
        let third = ping(&mut pinger, &witness, at(200));
        pinger.opened(SessionId(9));
        assert_eq!(
            pinger.pong(&valid(third), at(201)),
            [],
            "the old session's answer does not open the new one's fence"
        );
    }

    #[test]
    fn an_answer_to_an_earlier_pinger_of_the_run_does_not_count() {
        let (mut first, witness) = pinger();
        let asked = ping(&mut first, &witness, at(0));
        let mut second = Pinger::new(Incarnation(1), Duration::from_millis(100), Duration::from_millis(500), at(60));
        second.opened(SESSION);
        ping(&mut second, &witness, at(60));
        assert_eq!(second.pong(&valid(asked), at(61)), [], "the promise began at 0, not at 60");
    }

    #[test]
    fn resting_is_no_stall() {
        let (mut pinger, witness) = pinger();
        for ms in 1..100 {
            assert_eq!(pinger.rest(at(ms * 100)), []);
        }
        let asked = ping(&mut pinger, &witness, at(10_000));
        assert_eq!(pinger.pong(&valid(asked), at(10_001)).len(), 1);
        assert_eq!(pinger.rest(at(20_000)).first(), Some(&PingerOutput::Stalled(Duration::from_millis(10_000))));
    }

    #[test]
    fn forgotten_pings_are_bounded() {
        let (mut pinger, witness) = pinger();
        for ms in 0..1000 {
            ping(&mut pinger, &witness, at(ms * 100));
        }
        assert_eq!(pinger.under_way.len(), PINGS_REMEMBERED);
        assert_eq!(pinger.pong(&valid(1), at(100_000)), []);
    }
}
