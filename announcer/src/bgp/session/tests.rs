use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::message::{Code, HEADER, Message, Notification, UpdateContext, decode, end_of_rib};
use super::super::message::{Frame, Framer, Kind, MAX_MESSAGE};
use super::*;
use crate::BootTime;

fn at(millis: u64) -> BootTime {
    BootTime::from_boot(Duration::from_millis(millis))
}

fn settings(number: u8, local_as: u32, peer_as: PeerAs) -> Settings {
    Settings::new(local_as, Ipv4Addr::new(192, 0, 2, number), peer_as)
}

fn endpoints(ours: u8, theirs: u8) -> Endpoints {
    let address = |number: u8| SocketAddr::from(([192, 0, 2, number], 179));
    Endpoints { local: address(ours), remote: address(theirs) }
}

/// A session and what came of it last.
struct Side {
    session: Session,
    number: u8,
}

impl Side {
    fn new(settings: Settings) -> Self {
        let number = settings.identifier.octets()[3];
        Self { session: Session::new(settings, u64::from(number)), number }
    }

    fn give(&mut self, input: Input<'_>, now: u64) -> Vec<Output> {
        self.session.handle(input, at(now))
    }

    /// Dials and connects at once; gives the connection and our OPEN.
    fn connect(&mut self, now: u64) -> (ConnectionId, Vec<u8>) {
        let id = dialed(&self.give(Input::Start, now));
        let out = self.give(Input::Connected(id, endpoints(self.number, 3 - self.number)), now);
        (id, sent(&out))
    }

    fn accept(&mut self, now: u64) -> (ConnectionId, Vec<u8>) {
        let out = self.give(Input::Accepted(endpoints(self.number, 3 - self.number)), now);
        let Some(Output::Accept(id)) = out.first() else { panic!("{out:?}") };
        (*id, sent(&out))
    }
}

fn dialed(out: &[Output]) -> ConnectionId {
    let find = |output: &Output| if let Output::Connect(id) = output { Some(*id) } else { None };
    out.iter().find_map(find).unwrap_or_else(|| panic!("nothing is dialed: {out:?}"))
}

/// All bytes to be sent, on whichever connection.
fn sent(out: &[Output]) -> Vec<u8> {
    let bytes =
        out.iter().filter_map(|output| if let Output::Send(_, bytes) = output { Some(&bytes[..]) } else { None });
    bytes.collect::<Vec<_>>().concat()
}

fn notification(out: &[Output]) -> Option<Notification> {
    let bytes = sent(out);
    let mut framer = Framer::default();
    framer.feed(&bytes);
    while let Some(frame) = framer.next_frame().unwrap() {
        if let Message::Notification(notification) = decode(frame, &UpdateContext::default()).unwrap() {
            return Some(notification);
        }
    }
    None
}

fn failure(out: &[Output]) -> Option<&Failure> {
    out.iter().find_map(|output| match output {
        Output::Down(failure) | Output::AttemptFailed(failure) => Some(failure),
        _ => None,
    })
}

fn keepalive() -> Vec<u8> {
    Message::Keepalive.encode(MAX_MESSAGE).unwrap()
}

/// Two sessions with each other, up.
fn pair(dialer: Settings, listener: Settings) -> (Side, ConnectionId, Side, ConnectionId) {
    let (mut one, mut two) = (Side::new(dialer), Side::new(Settings { passive: true, ..listener }));
    two.give(Input::Start, 0);
    let (first, open) = one.connect(0);
    let (second, reply) = two.accept(0);
    let confirm = sent(&two.give(Input::Received(second, &open), 0));
    let out = one.give(Input::Received(first, &[reply, confirm].concat()), 0);
    let confirm = sent(&out);
    assert_eq!(one.session.state(), State::Established, "{out:?}");
    two.give(Input::Received(second, &confirm), 0);
    assert_eq!(two.session.state(), State::Established);
    (one, first, two, second)
}

fn ebgp() -> (Side, ConnectionId, Side, ConnectionId) {
    pair(settings(1, 65001, PeerAs::Given(65002)), settings(2, 65002, PeerAs::External))
}

#[test]
fn two_sessions_agree_and_stay_up() {
    let dialer = Settings {
        hold_time: 30,
        extended_next_hop: true,
        families: [Family::Ipv4Unicast].into(),
        ..settings(1, 4_200_000_001, PeerAs::Any)
    };
    let listener = Settings {
        extended_messages: false,
        extended_next_hop: true,
        ..settings(2, 65002, PeerAs::Given(4_200_000_001))
    };
    let (mut one, first, mut two, second) = pair(dialer, listener);
    let ours = Negotiated::clone(one.session.established().unwrap().0);
    assert_eq!((ours.peer_as, ours.hold_time, ours.keepalive), (65002, 30, 10));
    assert_eq!(ours.families, [Family::Ipv4Unicast].into());
    assert!(ours.wide_as && ours.external() && ours.extended_next_hop && ours.route_refresh);
    assert!(!ours.extended_messages && !ours.graceful_restart);
    let theirs = Negotiated::clone(two.session.established().unwrap().0);
    assert_eq!((theirs.peer_as, theirs.hold_time), (4_200_000_001, 30));
    // Each one's KEEPALIVEs come at a third of the hold time, a little earlier, and keep the other up for an hour.
    let (mut now, mut count) = (0, 0);
    while now < 3_600_000 {
        let next = one.session.next_deadline().min(two.session.next_deadline()).unwrap().since_boot();
        now = u64::try_from(next.as_millis()).unwrap() + 1;
        let (to_two, to_one) = (sent(&one.give(Input::Tick, now)), sent(&two.give(Input::Tick, now)));
        count += u64::from(!to_two.is_empty());
        two.give(Input::Received(second, &to_two), now);
        one.give(Input::Received(first, &to_one), now);
    }
    assert_eq!((one.session.state(), two.session.state()), (State::Established, State::Established));
    assert!((360..=480).contains(&count), "{count}");
    // Left alone, it goes down at the hold time.
    let out = one.give(Input::Tick, now + 30_001);
    assert_eq!(failure(&out), Some(&Failure::HoldTimer(30)));
    assert_eq!(notification(&out), Some(Code::HOLD_TIMER.into()));
}

#[test]
fn no_hold_time_means_no_timers() {
    let (one, ..) =
        pair(Settings { hold_time: 0, ..settings(1, 65001, PeerAs::Internal) }, settings(2, 65001, PeerAs::Internal));
    assert_eq!(one.session.next_deadline(), None);
    assert!(!one.session.established().unwrap().0.external());
}

#[test]
fn an_open_that_does_not_fit_is_refused_with_its_code() {
    let ours = || settings(1, 65001, PeerAs::Given(65002));
    let cases: Vec<(Settings, Settings, Code)> = vec![
        (ours(), settings(2, 65003, PeerAs::Any), Code::BAD_PEER_AS),
        (settings(1, 65001, PeerAs::Internal), settings(2, 65003, PeerAs::Any), Code::BAD_PEER_AS),
        (settings(1, 65001, PeerAs::External), settings(2, 65001, PeerAs::Any), Code::BAD_PEER_AS),
        (settings(1, 65001, PeerAs::Internal), settings(1, 65001, PeerAs::Any), Code::BAD_IDENTIFIER),
        (ours(), Settings { hold_time: 2, ..settings(2, 65002, PeerAs::Any) }, Code::UNACCEPTABLE_HOLD_TIME),
        (
            Settings { families: [Family::Ipv4Unicast].into(), ..ours() },
            Settings { families: [Family::Ipv6Unicast].into(), ..settings(2, 65002, PeerAs::Any) },
            Code::UNSUPPORTED_CAPABILITY,
        ),
    ];
    for (ours, theirs, code) in cases {
        let (mut one, mut two) = (Side::new(ours), Side::new(theirs));
        let (_, open) = two.connect(0);
        let (first, _) = one.connect(0);
        let out = one.give(Input::Received(first, &open), 0);
        assert_eq!(notification(&out).unwrap().code, code);
        assert!(matches!(failure(&out), Some(Failure::Open(_))), "{out:?}");
        assert!(out.contains(&Output::Close(first)));
        assert_eq!(one.session.state(), State::Active);
    }
}

#[test]
fn the_wait_between_attempts_grows_up_to_its_bound() {
    let mut one = Side::new(Settings { connect_retry: Duration::from_secs(20), ..settings(1, 65001, PeerAs::Any) });
    let mut id = dialed(&one.give(Input::Start, 0));
    let (mut now, mut waits) = (0, Vec::new());
    for _ in 0..8 {
        let out = one.give(Input::ConnectFailed(id, "refused".into()), now);
        assert_eq!(failure(&out), Some(&Failure::Connect("refused".into())));
        let due = u64::try_from(one.session.next_deadline().unwrap().since_boot().as_millis()).unwrap();
        waits.push(due - now);
        now = due + 1;
        id = dialed(&one.give(Input::Tick, now));
    }
    for (wait, full) in waits.iter().zip([1, 2, 4, 8, 16, 20, 20, 20]) {
        assert!((full * 750..=full * 1000).contains(wait), "{waits:?}");
    }
    // An attempt without an answer is given up.
    let out = one.give(Input::Tick, now + 10_001);
    assert_eq!(failure(&out), Some(&Failure::ConnectTimeout));
    assert!(out.contains(&Output::Close(id)));
}

#[test]
fn messages_that_do_not_belong_there_end_the_attempt() {
    let open = |number| Side::new(settings(number, 65002, PeerAs::Any)).connect(0).1;
    for (before, bytes, code) in [
        (vec![], keepalive(), Code::UNEXPECTED_IN_OPEN_SENT),
        (vec![], end_of_rib(Family::Ipv4Unicast), Code::UNEXPECTED_IN_OPEN_SENT),
        (open(2), open(2), Code::UNEXPECTED_IN_OPEN_CONFIRM),
        (open(2), end_of_rib(Family::Ipv4Unicast), Code::UNEXPECTED_IN_OPEN_CONFIRM),
        ([open(2), keepalive()].concat(), open(2), Code::UNEXPECTED_IN_ESTABLISHED),
        (vec![], vec![0; 19], Code::CONNECTION_NOT_SYNCHRONIZED),
        ([open(2), keepalive()].concat(), vec![0xff; 19], Code::BAD_MESSAGE_TYPE),
    ] {
        let mut one = Side::new(settings(1, 65001, PeerAs::Any));
        let (id, _) = one.connect(0);
        one.give(Input::Received(id, &before), 0);
        let out = one.give(Input::Received(id, &bytes), 0);
        assert_eq!(notification(&out).map(|notification| notification.code), Some(code), "{out:?}");
    }
    let mut one = Side::new(settings(1, 65001, PeerAs::Any));
    one.connect(0);
    let out = one.give(Input::Tick, 240_000);
    assert_eq!((failure(&out), notification(&out)), (Some(&Failure::NoOpen(240)), Some(Code::HOLD_TIMER.into())));
}

/// RFC 4271 section 6.8: of two connections the one stays that the side with the higher identifier opened.
#[test]
fn a_collision_leaves_one_connection_and_both_sides_agree_which() {
    let (mut one, mut two) = (Side::new(settings(1, 65001, PeerAs::Any)), Side::new(settings(2, 65002, PeerAs::Any)));
    let (one_dialed, one_open) = one.connect(0);
    let (two_dialed, two_open) = two.connect(0);
    let (one_accepted, one_reply) = one.accept(0);
    let (two_accepted, two_reply) = two.accept(0);
    // Everything crosses: each side gets the other's OPEN on both connections.
    assert_eq!(failure(&one.give(Input::Received(one_dialed, &two_reply), 0)), None);
    assert_eq!(failure(&two.give(Input::Received(two_dialed, &one_reply), 0)), None);
    let out = one.give(Input::Received(one_accepted, &two_open), 0);
    assert_eq!(notification(&out), Some(Code::COLLISION.into()));
    assert!(out.contains(&Output::Close(one_dialed)), "{out:?}");
    let out = two.give(Input::Received(two_accepted, &one_open), 0);
    assert!(out.contains(&Output::Close(two_accepted)), "{out:?}");
    for (side, id) in [(&mut one, one_accepted), (&mut two, two_dialed)] {
        let out = side.give(Input::Received(id, &keepalive()), 0);
        assert!(matches!(&out[0], Output::Established(up, _) if *up == id), "{out:?}");
    }
    // While the session is up, a further connection is refused: no graceful restart was agreed on.
    assert_eq!(one.give(Input::Accepted(endpoints(1, 2)), 0), [Output::Refuse]);
}

fn restarting(number: u8, notification: bool) -> Settings {
    let restart = GracefulRestart { restart_time: 30, notification, forwarding_preserved: true };
    Settings { graceful_restart: Some(restart), ..settings(number, 65000 + u32::from(number), PeerAs::Any) }
}

#[test]
fn a_peer_that_restarted_replaces_its_old_session() {
    let (mut one, first, mut two, _) = pair(restarting(1, false), restarting(2, false));
    let (second, reply) = one.accept(1000);
    // Nothing happens to the session before the new connection's OPEN is good.
    assert_eq!(one.session.state(), State::Established);
    two.give(Input::Stop(Stop::Abandon), 1000);
    two.session.restarted(at(30_000));
    let open = two.accepted_open_at(1000);
    let frame = Frame { kind: Kind::Open, body: &open[HEADER..] };
    let Ok(Message::Open(read)) = decode(frame, &UpdateContext::default()) else { panic!() };
    assert!(read.capabilities.iter().any(|capability| matches!(
        capability,
        super::super::message::Capability::GracefulRestart { restarting: true, restart_time: 30, .. }
    )));
    let out = one.give(Input::Received(second, &open), 1000);
    assert_eq!(out[1..3], [Output::Close(first), Output::Down(Failure::PeerRestarted)]);
    assert_eq!(notification(&out), None);
    assert!(!reply.is_empty());
    one.give(Input::Received(second, &keepalive()), 1000);
    assert_eq!(one.session.state(), State::Established);
}

#[test]
fn each_way_of_stopping_says_what_it_means() {
    let text = || "bye".to_owned();
    let cases = [
        (false, Stop::Shutdown { text: text() }, Some(Notification::with_text(Code::ADMINISTRATIVE_SHUTDOWN, "bye"))),
        (
            true,
            Stop::Shutdown { text: text() },
            Some(Notification::with_text(Code::ADMINISTRATIVE_SHUTDOWN, "bye").into_hard_reset()),
        ),
        (true, Stop::Deconfigured, Some(Notification::from(Code::DECONFIGURED).into_hard_reset())),
        (true, Stop::BfdDown, Some(Notification::from(Code::BFD_DOWN).into_hard_reset())),
        (true, Stop::Reset { text: text() }, Some(Notification::with_text(Code::ADMINISTRATIVE_RESET, "bye"))),
        (
            true,
            Stop::HardReset { text: text() },
            Some(Notification::with_text(Code::ADMINISTRATIVE_RESET, "bye").into_hard_reset()),
        ),
        (true, Stop::Abandon, None),
    ];
    for (graceful, stop, said) in cases {
        let (mut one, id, ..) = pair(restarting(1, graceful), restarting(2, true));
        let out = one.give(Input::Stop(stop.clone()), 0);
        assert_eq!(notification(&out), said, "{stop:?}");
        assert!(out.contains(&Output::Close(id)));
        assert_eq!((one.session.state(), one.session.next_deadline()), (State::Idle, None));
        assert_eq!(one.give(Input::Accepted(endpoints(1, 2)), 0), [Output::Refuse]);
        dialed(&one.give(Input::Start, 0));
    }
}

#[test]
fn a_peer_that_takes_nothing_is_left() {
    let (mut one, first, ..) = ebgp();
    one.give(Input::Wrote(first, Waiting::Some), 1000);
    for minute in 1..8 {
        one.give(Input::Received(first, &keepalive()), minute * 60_000);
    }
    let out = one.give(Input::Received(first, &keepalive()), 480_999);
    assert_eq!(failure(&out), None);
    let out = one.give(Input::Tick, 481_000);
    assert_eq!(failure(&out), Some(&Failure::SendHoldTimer(480)));
    assert_eq!(notification(&out), Some(Code::SEND_HOLD_TIMER.into()));
}

#[test]
fn refreshes_reach_the_edge_and_routes_are_only_counted() {
    let (mut one, first, ..) = ebgp();
    let refresh = |afi, subtype| {
        let family = super::super::AfiSafi { afi, safi: 1 };
        Message::RouteRefresh { family, subtype }.encode(MAX_MESSAGE).unwrap()
    };
    let bytes = [refresh(2, 0), refresh(9, 0), refresh(1, 1), refresh(2, 0)].concat();
    assert_eq!(one.give(Input::Received(first, &bytes), 0), [Output::Refresh(Family::Ipv6Unicast)]);
    // 500 announced without the attributes that must be there: they count as withdrawn (RFC 7606).
    let mut update = vec![0xff; 16];
    update.extend([0x08, 0x3b, 2, 0, 0, 0, 0]);
    update.extend([24, 10, 0, 0].repeat(521));
    assert_eq!(update.len(), 23 + 4 * 521);
    assert_eq!(one.give(Input::Received(first, &update), 0), []);
    let counters = one.session.counters();
    assert_eq!((counters.flawed, counters.announced, counters.withdrawn), (1, 0, 521));
    assert_eq!(counters.received, [1, 1, 0, 1, 4]);
}

#[test]
fn a_session_goes_on_in_another_process() {
    let (mut one, first, mut two, second) = ebgp();
    let update = end_of_rib(Family::Ipv4Unicast);
    one.give(Input::Received(first, &update[..20]), 5000);
    let saved = one.session.save().unwrap();
    let changed = Settings { local_as: 65009, ..one.session.settings().clone() };
    assert_eq!(Session::resume(changed, 7, saved.clone(), at(5000)).err(), Some(ImportError::Changed("our AS")));
    let settings = one.session.settings().clone();
    let (session, id) = Session::resume(settings, 7, saved, at(6000)).unwrap();
    let mut next = Side { session, number: 1 };
    let out = next.give(Input::Received(id, &update[20..]), 6000);
    assert_eq!(sent(&out), keepalive(), "somebody is there");
    assert_eq!(two.give(Input::Received(second, &sent(&out)), 6000), []);
    assert_eq!(next.session.counters().received[1], 1);
    assert_eq!(next.session.established().unwrap().1, at(0));
    assert_eq!(next.session.save().unwrap().partial, Vec::<u8>::new());
}

proptest! {
    /// Whatever a peer sends, in whatever pieces: no panic, bounded memory, and nothing goes on after an end.
    #[test]
    fn any_bytes(up: bool, pieces in vec((vec(any::<u8>(), 0..80), 0u64..20_000), 1..20), garble in vec((0usize..200, any::<u8>()), 0..4)) {
        let (mut one, mut id, two, _) = ebgp();
        if !up {
            one = Side::new(settings(1, 65001, PeerAs::Any));
            id = one.connect(0).0;
        }
        let mut now = 0;
        let mut opening = Side::new(two.session.settings().clone()).accepted_open();
        for (at, octet) in garble {
            if let Some(octet_there) = opening.get_mut(at) {
                *octet_there = octet;
            }
        }
        let mut ended = false;
        for (bytes, wait) in std::iter::once((opening, 0)).chain(pieces) {
            now += wait;
            let out = one.give(Input::Received(id, &bytes), now);
            prop_assert!(!ended || !out.iter().any(|output| matches!(output, Output::Send(to, _) if *to == id)));
            ended |= out.contains(&Output::Close(id));
        }
    }
}

impl Side {
    fn accepted_open(mut self) -> Vec<u8> {
        self.accepted_open_at(0)
    }

    fn accepted_open_at(&mut self, now: u64) -> Vec<u8> {
        self.give(Input::Start, now);
        self.accept(now).1
    }
}
