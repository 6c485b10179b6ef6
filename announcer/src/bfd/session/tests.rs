//! One session stepped by hand: what the RFC says of each case.

use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;

const OURS: Discriminator = Discriminator::new(0x1111).unwrap();
const THEIRS: Discriminator = Discriminator::new(0x2222).unwrap();
const THREE: NonZeroU8 = NonZeroU8::new(3).unwrap();

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn at(millis: u64) -> BootTime {
    BootTime::from_boot(ms(millis))
}

fn timing(transmit: u64, receive: u64) -> Timing {
    Timing::new(ms(transmit), ms(receive), THREE).unwrap()
}

/// A session at 50 ms x 3 with its own randomness.
struct One {
    session: Session,
    randomness: SmallRng,
}

impl One {
    fn new(passive: bool) -> Self {
        let session = Session::new(OURS, timing(50, 50), passive, at(0));
        Self { session, randomness: SmallRng::seed_from_u64(7) }
    }

    /// Up since 10 ms, its first poll answered, the peer at 50 ms x 3, too.
    fn up() -> Self {
        let mut one = Self::new(false);
        one.hear(packet(State::Down), 10);
        one.hear(packet(State::Up), 10);
        one.hear(Packet { finish: true, ..packet(State::Up) }, 10);
        assert_eq!((one.session.state, one.session.poll), (State::Up, Poll::Idle));
        one
    }

    fn input(&mut self, input: Input, now: u64) -> Vec<Output> {
        self.session.handle(input, at(now), &mut self.randomness)
    }

    fn hear(&mut self, packet: Packet, now: u64) -> Vec<Output> {
        self.input(Input::Received(packet), now)
    }

    fn tick(&mut self, now: u64) -> Vec<Output> {
        self.input(Input::Tick, now)
    }

    fn state(&self) -> State {
        self.session.state
    }
}

/// As the peer sends it in a state: 50 ms x 3, 1 s as long as it is not Up.
fn packet(state: State) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        finish: false,
        control_plane_independent: false,
        demand: false,
        multiplier: THREE,
        mine: THEIRS,
        yours: Some(OURS),
        desired_min_tx: if state == State::Up { Micros(50_000) } else { SLOW },
        required_min_rx: Micros(50_000),
        required_min_echo_rx: Micros(0),
    }
}

fn sent(outputs: &[Output]) -> Vec<Packet> {
    outputs.iter().filter_map(|output| if let Output::Send(packet) = output { Some(*packet) } else { None }).collect()
}

fn change(outputs: &[Output]) -> Option<Change> {
    outputs.iter().find_map(|output| if let Output::Changed(change) = output { Some(*change) } else { None })
}

fn down(reason: DownReason, diagnostic: Diagnostic, peer_diagnostic: Diagnostic) -> Option<Change> {
    Some(Change::Down { reason, diagnostic, peer_diagnostic })
}

#[test]
fn it_begins_at_once_and_slowly() {
    let mut one = One::new(false);
    assert_eq!(one.session.next_deadline(), Some(at(0)));
    let first = sent(&one.tick(0));
    assert_eq!((first.len(), first[0].state, first[0].yours), (1, State::Down, None));
    assert_eq!(first[0].desired_min_tx, SLOW);
    let next = one.session.next_deadline().unwrap();
    assert!(next >= at(750) && next <= at(1000), "{next:?}");
    assert!(one.tick(740).is_empty());
}

/// RFC 5880 section 6.8.6, each received state in each state of ours.
#[test]
fn the_state_table() {
    use State::{AdminDown, Down, Init, Up};
    let table = [
        (Down, [(AdminDown, Down), (Down, Init), (Init, Up), (Up, Down)]),
        (Init, [(AdminDown, Down), (Down, Init), (Init, Up), (Up, Up)]),
        (Up, [(AdminDown, Down), (Down, Down), (Init, Up), (Up, Up)]),
        (AdminDown, [(AdminDown, AdminDown), (Down, AdminDown), (Init, AdminDown), (Up, AdminDown)]),
    ];
    for (from, rows) in table {
        for (heard, to) in rows {
            let mut one = if from == Up { One::up() } else { One::new(false) };
            match from {
                Init => drop(one.hear(packet(Down), 10)),
                AdminDown => drop(one.input(Input::AdminDown(Diagnostic::ADMINISTRATIVELY_DOWN), 10)),
                Down | Up => {}
            }
            assert_eq!(one.state(), from);
            let outputs = one.hear(packet(heard), 20);
            assert_eq!(one.state(), to, "{heard} in {from}");
            // A change of state is told at once.
            assert_eq!(sent(&outputs).iter().any(|packet| packet.state == to), from != to, "{heard} in {from}");
        }
    }
}

#[test]
fn coming_up_it_asks_the_peer_to_take_note_of_its_interval() {
    let mut one = One::new(false);
    one.hear(Packet { yours: None, ..packet(State::Down) }, 10);
    let outputs = one.hear(packet(State::Init), 20);
    assert_eq!(change(&outputs), Some(Change::Up));
    let [told] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    assert!(told.poll && !told.finish);
    assert_eq!((told.state, told.yours, told.desired_min_tx), (State::Up, Some(THEIRS), Micros(50_000)));
    // Not answered yet: the next one asks again.
    let due = one.session.transmit_due().unwrap();
    assert!(due <= at(70));
    let again = one.session.handle(Input::Tick, due, &mut one.randomness);
    assert!(sent(&again)[0].poll);
    one.hear(Packet { finish: true, ..packet(State::Up) }, 70);
    assert!(!sent(&one.tick(125))[0].poll);
}

#[test]
fn a_poll_is_answered_at_once_in_every_state_but_admin_down() {
    let poll = |state| Packet { poll: true, ..packet(state) };
    for (mut one, heard) in [(One::up(), State::Up), (One::new(false), State::Up), (One::new(false), State::Down)] {
        let packets = sent(&one.hear(poll(heard), 20));
        let answer = packets.last().unwrap();
        assert!(answer.finish && !answer.poll, "{answer:?}");
        assert_eq!(answer.state, one.state());
    }
    let mut one = One::up();
    one.input(Input::AdminDown(Diagnostic::ADMINISTRATIVELY_DOWN), 20);
    assert_eq!(one.hear(poll(State::Up), 30), [Output::Discarded(Discard::AdminDown)]);
}

#[test]
fn an_answer_is_never_a_question() {
    let mut one = One::new(false);
    one.hear(packet(State::Down), 10);
    let packets = sent(&one.hear(Packet { poll: true, ..packet(State::Init) }, 20));
    let flags: Vec<_> = packets.iter().map(|packet| (packet.poll, packet.finish)).collect();
    assert_eq!(flags, [(true, false), (false, true)]);
}

#[test]
fn it_fails_when_nothing_came_for_the_detection_time() {
    let mut one = One::up();
    assert_eq!(one.session.detection_due(), Some(at(160)));
    assert_eq!(change(&one.tick(159)), None);
    let outputs = one.tick(160);
    let expired = Diagnostic::DETECTION_TIME_EXPIRED;
    assert_eq!(change(&outputs), down(DownReason::DetectionTimeExpired, expired, Diagnostic::NONE));
    let [told] = sent(&outputs)[..] else { panic!("{outputs:?}") };
    assert_eq!((told.state, told.diagnostic, told.yours), (State::Down, expired, None));
    assert_eq!(told.desired_min_tx, SLOW);
}

/// 50 ms of ours against 200 ms x 2 of the peer.
#[test]
fn the_slower_side_decides() {
    let mut one = One::up();
    let slow = Micros(200_000);
    let two = NonZeroU8::new(2).unwrap();
    one.hear(Packet { desired_min_tx: slow, required_min_rx: slow, multiplier: two, ..packet(State::Up) }, 100);
    let status = one.session.status();
    assert_eq!((status.transmit_interval, status.receive_interval), (ms(200), Some(ms(200))));
    assert_eq!(status.detection_time, Some(ms(400)));
}

#[test]
fn a_peer_that_can_suddenly_receive_faster_is_not_kept_waiting() {
    let mut one = One::up();
    one.hear(Packet { required_min_rx: Micros(1_000_000), ..packet(State::Up) }, 10);
    one.hear(packet(State::Up), 100);
    one.tick(100);
    let sent_at = one.session.sent;
    assert_eq!(sent_at, at(100), "the interval had passed already");
    assert!(one.session.transmit_due().unwrap() <= sent_at + ms(50));
}

/// RFC 5880 section 6.8.3: slower sending only after the answer, less patience only after the answer.
#[test]
fn new_intervals_wait_for_the_answer_where_the_peer_must_know() {
    let mut one = One::up();
    let told = sent(&one.input(Input::Retime(timing(400, 10)), 20));
    assert!(told[0].poll);
    assert_eq!((told[0].desired_min_tx, told[0].required_min_rx), (Micros(400_000), Micros(10_000)));
    assert_eq!(one.session.transmit_interval(), Micros(50_000));
    let faster = Packet { desired_min_tx: Micros(10_000), ..packet(State::Up) };
    one.hear(faster, 20);
    assert_eq!(one.session.detection_time(), ms(150));
    one.hear(Packet { finish: true, ..faster }, 25);
    assert_eq!(one.session.transmit_interval(), Micros(400_000));
    assert_eq!(one.session.detection_time(), ms(30));
}

#[test]
fn new_intervals_hold_at_once_where_the_peer_need_not_know() {
    let mut one = One::up();
    one.input(Input::Retime(timing(50, 400)), 20);
    assert_eq!(one.session.detection_time(), ms(1200));
    let mut one = One::up();
    one.hear(Packet { required_min_rx: Micros(10_000), ..packet(State::Up) }, 20);
    one.input(Input::Retime(timing(10, 50)), 20);
    assert_eq!(one.session.transmit_interval(), Micros(10_000));
}

#[test]
fn intervals_that_change_during_a_poll_are_asked_about_once_more() {
    let mut one = One::up();
    one.input(Input::Retime(timing(100, 50)), 20);
    one.input(Input::Retime(timing(400, 50)), 21);
    let outputs = one.hear(Packet { finish: true, ..packet(State::Up) }, 22);
    assert!(sent(&outputs)[0].poll);
    one.hear(Packet { finish: true, ..packet(State::Up) }, 23);
    assert_eq!((one.session.poll, one.session.transmit_interval()), (Poll::Idle, Micros(400_000)));
}

#[test]
fn a_passive_session_waits_for_the_peer() {
    let mut one = One::new(true);
    assert_eq!(one.session.next_deadline(), None);
    assert!(one.tick(5000).is_empty());
    let told = sent(&one.hear(Packet { yours: None, ..packet(State::Down) }, 5000));
    assert_eq!(told[0].state, State::Init);
    // Forgotten, it waits again. The peer said 1 s x 3.
    let outputs = one.tick(8000);
    assert!(outputs.is_empty() && one.state() == State::Down, "{outputs:?}");
    assert_eq!(one.session.next_deadline(), None);
}

#[test]
fn a_peer_in_demand_mode_gets_what_it_asks_for_and_polls() {
    let mut one = One::up();
    let demand = Packet { demand: true, ..packet(State::Up) };
    one.hear(demand, 20);
    assert!(one.tick(100).is_empty(), "nothing periodic");
    let answer = sent(&one.hear(Packet { poll: true, ..demand }, 100));
    assert!(answer[0].finish);
    assert!(sent(&one.input(Input::Retime(timing(100, 100)), 110))[0].poll);
    assert!(sent(&one.tick(170))[0].poll, "a poll is repeated");
    one.hear(Packet { finish: true, ..demand }, 171);
    assert!(one.tick(300).is_empty());
    // It is not heard any more: that is still noticed, and told.
    assert_eq!(sent(&one.tick(500))[0].state, State::Down);
}

#[test]
fn a_peer_that_wants_nothing_gets_nothing_periodic() {
    let mut one = One::up();
    one.hear(Packet { required_min_rx: Micros(0), ..packet(State::Up) }, 20);
    assert!(one.tick(150).is_empty());
    // A peer that is not heard any more may have been replaced by one that waits for us.
    one.tick(200);
    assert!(one.session.transmit_due().is_some());
}

#[test]
fn a_restarted_peer_is_not_a_failure() {
    let mut one = One::up();
    let restarted = Packet { mine: Discriminator::new(0x3333).unwrap(), yours: None, ..packet(State::Down) };
    let outputs = one.hear(restarted, 20);
    let told = Diagnostic::NEIGHBOR_SIGNALED_DOWN;
    assert_eq!(change(&outputs), down(DownReason::PeerRestarted, told, Diagnostic::NONE));
    assert!(!DownReason::PeerRestarted.is_failure());
    assert_eq!(sent(&outputs)[0].yours, Some(restarted.mine));
    assert_eq!(change(&one.hear(Packet { yours: Some(OURS), state: State::Init, ..restarted }, 30)), Some(Change::Up));
}

#[test]
fn a_peer_that_does_not_hear_us_is_a_failure() {
    let mut one = One::up();
    let expired = Diagnostic::DETECTION_TIME_EXPIRED;
    let outputs = one.hear(Packet { diagnostic: expired, yours: None, ..packet(State::Down) }, 20);
    assert_eq!(change(&outputs), down(DownReason::PeerSignaledDown, Diagnostic::NEIGHBOR_SIGNALED_DOWN, expired));
    assert!(DownReason::PeerSignaledDown.is_failure());
}

#[test]
fn a_peer_taken_down_by_its_operator_is_not_a_failure() {
    let mut one = One::up();
    let diagnostic = Diagnostic::ADMINISTRATIVELY_DOWN;
    let outputs = one.hear(Packet { diagnostic, ..packet(State::AdminDown) }, 20);
    let told = Diagnostic::NEIGHBOR_SIGNALED_DOWN;
    assert_eq!(change(&outputs), down(DownReason::PeerAdminDown, told, diagnostic));
    assert!(!DownReason::PeerAdminDown.is_failure());
    assert_eq!(one.session.status().remote_state, State::AdminDown);
}

#[test]
fn taken_down_by_its_operator_it_tells_the_peer_and_waits_for_it() {
    let mut one = One::up();
    let outputs = one.input(Input::AdminDown(Diagnostic::ADMINISTRATIVELY_DOWN), 20);
    let told = sent(&outputs)[0];
    assert_eq!((told.state, told.diagnostic), (State::AdminDown, Diagnostic::ADMINISTRATIVELY_DOWN));
    assert!(matches!(change(&outputs), Some(Change::Down { reason: DownReason::AdminDown, .. })));
    assert_eq!(one.session.farewell_end(), Some(at(3020)), "1 s x 3");
    one.hear(packet(State::Up), 21);
    assert_eq!(one.session.farewell_end(), Some(at(3020)));
    one.hear(packet(State::Down), 22);
    assert_eq!(one.session.farewell_end(), Some(at(20)));
    assert!(one.input(Input::AdminDown(Diagnostic::NONE), 23).is_empty(), "once is enough");
    assert_eq!(sent(&one.input(Input::AdminUp, 24))[0].state, State::Down);
    assert_eq!(one.session.farewell_end(), None);
}

#[test]
fn a_saved_session_goes_on_as_if_nothing_had_been() {
    let mut one = One::up();
    one.input(Input::Retime(timing(400, 10)), 20);
    let saved = one.session.save();
    let json = serde_json::to_string(&saved).unwrap();
    let mut other = Session::restore(&serde_json::from_str(&json).unwrap(), at(50));
    assert_eq!(other.detection_due(), Some(at(200)), "the detection time begins anew");
    other.remote.heard = one.session.remote.heard;
    assert_eq!(format!("{other:?}"), format!("{:?}", one.session));
    // Saved before a reboot: nothing lies in the future.
    let early = Session::restore(&saved, at(5));
    assert!(early.since <= at(5) && early.next_deadline().unwrap() <= at(5) + ms(150));
}
