//! Two sessions over a link that delays and loses, each with its own clock, against what must hold whatever happens.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::*;

const SIDES: [usize; 2] = [0, 1];

#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    /// From this side, no packet arrives any more.
    Cut(usize),
    Heal,
    /// Percent of packets that are lost in both directions.
    Lose(u8),
    /// One way, in microseconds.
    Delay(u64),
    AdminDown(usize),
    AdminUp(usize),
    Restart(usize),
    Retime(usize, u64, u64, u8),
    /// This side's clock jumps ahead by so many milliseconds.
    Step(usize, u64),
    /// This side is handed to another process.
    HandOver(usize),
}

fn ops() -> impl Strategy<Value = Op> {
    let side = 0usize..2;
    prop_oneof![
        8 => (1u64..4000).prop_map(Op::Wait),
        2 => side.clone().prop_map(Op::Cut),
        3 => Just(Op::Heal),
        1 => (0u8..70).prop_map(Op::Lose),
        1 => (0u64..8000).prop_map(Op::Delay),
        1 => side.clone().prop_map(Op::AdminDown),
        2 => side.clone().prop_map(Op::AdminUp),
        1 => side.clone().prop_map(Op::Restart),
        2 => (side.clone(), 10u64..600, 10u64..600, 1u8..6).prop_map(|(s, t, r, m)| Op::Retime(s, t, r, m)),
        1 => (side.clone(), 1u64..5000).prop_map(|(side, by)| Op::Step(side, by)),
        1 => side.prop_map(Op::HandOver),
    ]
}

struct Side {
    session: Session,
    /// How far its clock is ahead of true time.
    ahead: Duration,
    randomness: SmallRng,
    up: bool,
    downs: Vec<DownReason>,
    /// When and how the last packet that was not just an answer left.
    last_sent: Option<(BootTime, Packet)>,
    last_heard: Option<BootTime>,
    /// The slowest that it was ever promised since it came up: multiplier and intervals.
    patience: Duration,
}

struct World {
    now: BootTime,
    sides: [Side; 2],
    /// By time of arrival and order of sending: to whom.
    flying: BTreeMap<(BootTime, u64), (usize, Packet)>,
    sent: u64,
    cut: [bool; 2],
    loss: u8,
    delay: Duration,
    randomness: SmallRng,
    discriminators: u32,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut randomness = SmallRng::seed_from_u64(seed);
        // Two machines, booted at different times.
        let sides = SIDES.map(|side| {
            let ahead = Duration::from_millis(randomness.random_range(0..1_000_000));
            let discriminator = Discriminator::new(u32::try_from(side).unwrap() + 1).unwrap();
            let now = BootTime::ZERO + ahead;
            Side {
                session: Session::new(discriminator, timing(50, 50, 3), side == 1 && seed.is_multiple_of(2), now),
                ahead,
                randomness: SmallRng::seed_from_u64(randomness.random()),
                up: false,
                downs: Vec::new(),
                last_sent: None,
                last_heard: None,
                patience: Duration::ZERO,
            }
        });
        Self {
            now: BootTime::ZERO,
            sides,
            flying: BTreeMap::new(),
            sent: 0,
            cut: [false; 2],
            loss: 0,
            delay: Duration::from_micros(100),
            randomness,
            discriminators: 2,
        }
    }

    fn input(&mut self, at: usize, input: Input) {
        let side = &mut self.sides[at];
        let now = self.now + side.ahead;
        let outputs = side.session.handle(input, now, &mut side.randomness);
        if let Input::Received(_) = input {
            side.last_heard = Some(now);
        }
        side.patience = side.patience.max(side.session.detection_time());
        for output in outputs {
            match output {
                Output::Send(packet) => self.send(at, packet, matches!(input, Input::Tick)),
                Output::Changed(change) => self.sides[at].change(change),
                Output::Discarded(reason) => assert_eq!(reason, Discard::AdminDown),
            }
        }
        self.check(at);
    }

    fn send(&mut self, from: usize, packet: Packet, periodic: bool) {
        assert_eq!(Packet::decode(&packet.encode()), Ok(packet), "what is sent can be taken");
        assert!(!(packet.poll && packet.finish));
        assert!(packet.state == State::Up || packet.desired_min_tx >= SLOW, "{packet:?}");
        let side = &mut self.sides[from];
        let now = self.now + side.ahead;
        assert_eq!(packet.state, side.session.state);
        if !packet.finish {
            // A periodic packet that says nothing new follows no faster than the peer said it can receive.
            if let Some((last, previous)) = side.last_sent
                && periodic
                && previous.state == packet.state
            {
                let least = side.session.remote.required_min_rx.max(Micros(10_000));
                assert!(now.since(last) >= Duration::from(least).mul_f64(0.75) - Duration::from_micros(1));
            }
            side.last_sent = Some((now, packet));
        }
        let lost = self.cut[from] || self.randomness.random_range(0..100u8) < self.loss;
        if !lost {
            let arrival = self.now + self.delay;
            self.flying.insert((arrival, self.sent), (1 - from, packet));
            self.sent += 1;
        }
    }

    /// What holds at every moment.
    fn check(&self, at: usize) {
        let side = &self.sides[at];
        let status = side.session.status();
        assert_eq!(side.up, status.state == State::Up, "each change is told");
        if side.up {
            let heard = side.last_heard.expect("not Up without having heard the peer");
            assert!((self.now + side.ahead).since(heard) < side.patience, "Up, but nothing heard for too long");
            assert!(status.remote_discriminator.is_some());
        }
        if !matches!(status.state, State::AdminDown) && !side.session.passive {
            assert!(side.session.next_deadline().is_some(), "it would never send again");
        }
    }

    /// A side that is not busy ticks at its deadlines; a deadline in the past means that it wants one now.
    fn deadline(&self, at: usize) -> Option<BootTime> {
        let side = &self.sides[at];
        let due = side.session.next_deadline()?;
        Some(BootTime::from_boot(due.since_boot().saturating_sub(side.ahead)).max(self.now))
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < 1_000_000, "it does not settle");
            let arrival = self.flying.first_key_value().map(|(&(arrival, _), _)| arrival);
            let ticks = SIDES.map(|at| self.deadline(at));
            let next = arrival.into_iter().chain(ticks.into_iter().flatten()).min();
            let Some(next) = next.filter(|&next| next <= until) else { break };
            self.now = next;
            if arrival == Some(next) {
                let (_, (to, packet)) = self.flying.pop_first().unwrap();
                self.deliver(to, packet);
            } else if let Some(at) = SIDES.into_iter().find(|&at| ticks[at] == Some(next)) {
                self.input(at, Input::Tick);
            }
        }
        self.now = until;
    }

    /// As the endpoint finds the session for a packet.
    fn deliver(&mut self, to: usize, packet: Packet) {
        if packet.yours.is_none_or(|yours| yours == self.sides[to].session.discriminator()) {
            self.input(to, Input::Received(packet));
        }
    }

    fn run(&mut self, op: &Op) {
        match *op {
            Op::Wait(millis) => self.wait(Duration::from_millis(millis)),
            Op::Cut(from) => self.cut[from] = true,
            Op::Heal => self.heal(),
            Op::Lose(percent) => self.loss = percent,
            Op::Delay(micros) => self.delay = Duration::from_micros(micros),
            Op::AdminDown(at) => self.input(at, Input::AdminDown(Diagnostic::ADMINISTRATIVELY_DOWN)),
            Op::AdminUp(at) => self.input(at, Input::AdminUp),
            Op::Restart(at) => self.restart(at),
            Op::Retime(at, transmit, receive, multiplier) => {
                self.input(at, Input::Retime(timing(transmit, receive, multiplier)));
            }
            Op::Step(at, millis) => {
                self.sides[at].ahead += Duration::from_millis(millis);
                self.input(at, Input::Tick);
            }
            Op::HandOver(at) => {
                let side = &mut self.sides[at];
                let now = self.now + side.ahead;
                side.session = Session::restore(&side.session.save(), now);
                side.last_heard = Some(now);
            }
        }
    }

    fn heal(&mut self) {
        self.cut = [false; 2];
        self.loss = 0;
        self.delay = Duration::from_micros(100);
    }

    fn restart(&mut self, at: usize) {
        self.discriminators += 1;
        let side = &mut self.sides[at];
        let discriminator = Discriminator::new(self.discriminators).unwrap();
        let now = self.now + side.ahead;
        side.session = Session::new(discriminator, side.session.timing, side.session.passive, now);
        side.up = false;
        (side.last_sent, side.last_heard) = (None, None);
    }
}

impl Side {
    fn change(&mut self, change: Change) {
        let up = change == Change::Up;
        assert_ne!(self.up, up, "a change must be one");
        self.up = up;
        if up {
            self.patience = self.session.detection_time();
        }
        if let Change::Down { reason, .. } = change {
            self.downs.push(reason);
        }
    }
}

fn timing(transmit: u64, receive: u64, multiplier: u8) -> Timing {
    let [transmit, receive] = [transmit, receive].map(Duration::from_millis);
    Timing::new(transmit, receive, NonZeroU8::new(multiplier).unwrap()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever happened, on a link that works again both come up, at the intervals that both can bear, and stay up.
    #[test]
    fn they_always_find_each_other_again(seed: u64, ops in proptest::collection::vec(ops(), 0..40)) {
        let mut world = World::new(seed);
        for op in &ops {
            world.run(op);
        }
        world.heal();
        for at in SIDES {
            world.input(at, Input::AdminUp);
        }
        // A peer is forgotten after 5 x 1 s at most, then a packet a second each way.
        world.wait(Duration::from_secs(20));
        let downs = world.sides.each_ref().map(|side| side.downs.len());
        world.wait(Duration::from_secs(20));
        for at in SIDES {
            let (one, other) = (&world.sides[at], &world.sides[1 - at]);
            let status = one.session.status();
            prop_assert_eq!((status.state, status.remote_state), (State::Up, State::Up));
            prop_assert_eq!(status.transmit_interval, one.session.timing.transmit().max(other.session.timing.receive()));
            prop_assert_eq!(status.receive_interval, Some(other.session.status().transmit_interval));
            prop_assert!(!status.polling);
            prop_assert_eq!(one.downs.len(), downs[at], "it went down on a link that works");
        }
    }

    /// New intervals, hand-overs and operators' orders never look like a failure.
    #[test]
    fn only_faults_look_like_faults(seed: u64, ops in proptest::collection::vec(ops(), 0..40)) {
        // An odd seed: nobody is passive. A passive side that was restarted says nothing until it is forgotten.
        let mut world = World::new(seed | 1);
        world.wait(Duration::from_secs(5));
        for op in &ops {
            if let Op::Wait(_) | Op::AdminDown(_) | Op::AdminUp(_) | Op::Restart(_) | Op::Retime(..) | Op::HandOver(_) = op {
                world.run(op);
            }
        }
        world.wait(Duration::from_secs(5));
        for side in &world.sides {
            // A side that was held down and is let go says Down; that is its operator's doing, too.
            let failures = side.downs.iter().filter(|reason| **reason == DownReason::DetectionTimeExpired).count();
            prop_assert_eq!(failures, 0, "{:?}", side.downs);
        }
    }

    /// Cut in one direction, the side that hears nothing fails by itself within the detection time of its clock, and the
    /// other one is told.
    #[test]
    fn a_cut_is_noticed_in_time(seed: u64, from in 0usize..2, transmit in 10u64..500, multiplier in 2u8..6) {
        let mut world = World::new(seed);
        for at in SIDES {
            world.run(&Op::Retime(at, transmit, transmit, multiplier));
        }
        world.wait(Duration::from_secs(10));
        prop_assert!(world.sides.iter().all(|side| side.up));
        world.run(&Op::Cut(from));
        world.wait(Duration::from_millis(transmit * u64::from(multiplier)) + world.delay * 2);
        prop_assert_eq!(&world.sides[1 - from].downs, &[DownReason::DetectionTimeExpired]);
        // A passive side falls silent when it hears nothing any more.
        let reason = if world.sides[1 - from].session.passive { None } else { Some(&DownReason::PeerSignaledDown) };
        prop_assert_eq!(world.sides[from].downs.first(), reason);
    }

    /// The same inputs give the same outputs: a recorded run can be replayed.
    #[test]
    fn a_run_can_be_replayed(seed: u64, ops in proptest::collection::vec(ops(), 0..20)) {
        let run = || {
            let mut world = World::new(seed);
            ops.iter().for_each(|op| world.run(op));
            (world.sent, world.sides.map(|side| side.session.save()))
        };
        prop_assert_eq!(run(), run());
    }
}
