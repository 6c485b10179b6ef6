//! The state machine stepped by hand.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pnet_base::MacAddr;
use proptest::prelude::*;

use super::{Failure, Output, Rate, Responder, Settings, Standing};
use crate::arp::packet::{ArpMessage, Operation};
use crate::ndp::packet::{NdpMessage, NdpPacket, multicast_mac, solicited_node};
use crate::{BootTime, Fence, Fencing, arp, ndp};

const OURS: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
const THEIRS: MacAddr = MacAddr(2, 0, 0, 0, 0, 2);
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 100);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 20);
const SERVICE6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);
const V4: IpAddr = IpAddr::V4(SERVICE);
const V6: IpAddr = IpAddr::V6(SERVICE6);
const ETHERNET: usize = 14;

fn at(millis: u64) -> BootTime {
    BootTime::from_boot(Duration::from_millis(millis))
}

/// With an open socket and a fence that is valid until 100 s.
fn responder(settings: Settings) -> Responder {
    let mut responder = Responder::new(OURS, settings);
    assert!(responder.socket_opened().is_empty());
    responder.fence(Fence::ValidUntil(at(100_000)));
    responder
}

fn soft() -> Settings {
    Settings { fencing: Fencing::Soft, ..Settings::default() }
}

fn request_from(mac: MacAddr, target: Ipv4Addr) -> Vec<u8> {
    let target_mac = MacAddr::zero();
    ArpMessage { operation: Operation::Request, sender_mac: mac, sender: CLIENT, target_mac, target }
        .build(mac, MacAddr::broadcast())
}

fn request(target: Ipv4Addr) -> Vec<u8> {
    request_from(THEIRS, target)
}

fn solicitation(target: Ipv6Addr) -> Vec<u8> {
    let message = NdpMessage::Solicitation { target, source_mac: Some(THEIRS) };
    let group = solicited_node(target);
    NdpPacket { source: "fd00::20".parse().unwrap(), destination: group, message }.build(THEIRS, multicast_mac(group))
}

/// The frames that leave when each output is carried out at once.
fn sent(outputs: &[Output], now: BootTime) -> Vec<Vec<u8>> {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Send(frame) => frame.release(now).map(<[u8]>::to_vec),
        _ => None,
    });
    frames.collect()
}

/// Everything announced up to `end`, with the time of each frame in milliseconds.
fn announcements(responder: &mut Responder, end: BootTime) -> Vec<(u128, Vec<u8>)> {
    let mut all = Vec::new();
    let mut now = BootTime::ZERO;
    while let Some(due) = responder.next_deadline().filter(|&due| due <= end) {
        now = now.max(due);
        let outputs = responder.poll(now);
        all.extend(sent(&outputs, now).into_iter().map(|frame| (now.since_boot().as_millis(), frame)));
    }
    all
}

#[test]
fn an_owned_address_is_answered_for_and_no_other() {
    let mut responder = responder(Settings::default());
    assert!(matches!(responder.own(V4, 3)[..], [Output::Programmed { address: V4, epoch: 3 }]));
    let outputs = responder.handle(&request(SERVICE), at(10));
    assert_eq!(sent(&outputs, at(10)), [arp::responder::answer(OURS, SERVICE, THEIRS, CLIENT)]);
    assert!(responder.handle(&request(Ipv4Addr::new(10, 0, 5, 101)), at(10)).is_empty());
    responder.disown(V4);
    assert!(responder.handle(&request(SERVICE), at(10)).is_empty());
    let counters = responder.counters();
    assert_eq!((counters.requests, counters.answered, counters.malformed), (3, 1, 0));
}

#[test]
fn neighbour_solicitations_are_answered_once_the_group_is_joined() {
    let mut responder = responder(Settings::default());
    let group = solicited_node(SERVICE6);
    assert!(matches!(responder.own(V6, 1)[..], [Output::Join(joined)] if joined == group));
    assert_eq!(responder.standing(V6, at(0)), Some(Standing::AwaitingGroup));
    assert!(responder.handle(&solicitation(SERVICE6), at(1)).is_empty());
    assert!(matches!(responder.group_joined(group)[..], [Output::Programmed { address: V6, epoch: 1 }]));
    let outputs = responder.handle(&solicitation(SERVICE6), at(1));
    let want = ndp::responder::answer(OURS, SERVICE6, THEIRS, "fd00::20".parse().unwrap());
    assert_eq!(sent(&outputs, at(1)), [want]);
    assert!(matches!(responder.disown(V6)[..], [Output::Leave(left)] if left == group));
}

#[test]
fn a_refused_group_is_a_failure_with_its_reason() {
    let mut responder = responder(Settings::default());
    responder.own(V6, 1);
    let group = solicited_node(SERVICE6);
    let reason = Failure::Group { group, error: "no buffer space".to_owned() };
    let outputs = responder.group_failed(group, "no buffer space");
    assert!(matches!(&outputs[..], [Output::Failed { address: V6, epoch: 1, reason: r }] if *r == reason));
    assert!(responder.handle(&solicitation(SERVICE6), at(1)).is_empty());
    assert!(responder.poll(at(1)).is_empty());
}

#[test]
fn a_closed_or_expired_fence_keeps_silence() {
    let mut responder = responder(Settings::default());
    responder.own(V4, 1);
    responder.fence(Fence::ValidUntil(at(500)));
    assert_eq!(responder.handle(&request(SERVICE), at(499)).len(), 1);
    assert!(responder.handle(&request(SERVICE), at(500)).is_empty());
    assert_eq!(responder.standing(V4, at(500)), Some(Standing::Fenced));
    responder.fence(Fence::Closed);
    assert!(responder.handle(&request(SERVICE), at(10)).is_empty());
    assert_eq!(responder.counters().fenced, 2);
    assert_eq!(responder.next_deadline(), None, "nobody waits for a closed fence");
}

#[test]
fn what_the_fence_held_back_is_announced_when_it_opens() {
    let mut responder = Responder::new(OURS, Settings::default());
    responder.socket_opened();
    responder.own(V4, 1);
    assert_eq!(responder.next_deadline(), None);
    assert!(responder.poll(at(0)).is_empty());
    responder.fence(Fence::ValidUntil(at(1000)));
    assert!(responder.poll(at(1000)).is_empty(), "expired already");
    assert_eq!(responder.next_deadline(), None);
    responder.fence(Fence::ValidUntil(at(2000)));
    assert_eq!(sent(&responder.poll(at(1500)), at(1500)), arp::responder::announce(OURS, SERVICE));
}

#[test]
fn frames_under_way_are_held_back_by_the_end_of_the_ownership() {
    let mut responder = responder(Settings::default());
    responder.own(V4, 1);
    let announced = responder.poll(at(0));
    let answered = responder.handle(&request(SERVICE), at(0));
    assert_eq!((sent(&announced, at(1)).len(), sent(&answered, at(1)).len()), (2, 1));
    responder.disown(V4);
    assert_eq!((sent(&announced, at(1)).len(), sent(&answered, at(1)).len()), (0, 0));
}

#[test]
fn a_takeover_is_announced_at_once_and_then_by_schedule() {
    let mut responder = responder(Settings::default());
    responder.own(V4, 1);
    let frames = announcements(&mut responder, at(6000));
    let times: Vec<u128> = frames.iter().map(|(time, _)| *time).collect();
    assert_eq!(times, [0, 0, 50, 50, 150, 150, 500, 500, 1000, 1000, 2000, 2000, 5000, 5000]);
    assert_eq!(frames[0].1, arp::responder::announce(OURS, SERVICE)[0]);
    assert_eq!(frames[1].1, arp::responder::announce(OURS, SERVICE)[1]);
    let later = announcements(&mut responder, at(99_000));
    assert_eq!(later.len(), 2, "one refresh in this time: {:?}", later[0].0);
}

#[test]
fn a_later_epoch_begins_again_and_an_earlier_one_is_refused() {
    let mut responder = responder(Settings::default());
    responder.own(V4, 2);
    announcements(&mut responder, at(6000));
    assert!(matches!(responder.own(V4, 2)[..], [Output::Programmed { epoch: 2, .. }]));
    assert!(responder.poll(at(6000)).is_empty(), "the same ownership does not begin again");
    assert!(matches!(responder.own(V4, 1)[..], [Output::Failed { reason: Failure::StaleEpoch { held: 2 }, .. }]));
    assert!(matches!(responder.own(V4, 3)[..], [Output::Programmed { epoch: 3, .. }]));
    assert_eq!(responder.poll(at(6000)).len(), 2);
}

#[test]
fn many_addresses_are_announced_in_order_within_the_bound() {
    let mut responder = responder(Settings::default());
    for n in 0..1000u32 {
        responder.own(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + 1000 - n)), 1);
    }
    let frames = announcements(&mut responder, at(99));
    assert_eq!(frames.len(), 2000);
    for (n, (time, frame)) in frames.iter().enumerate() {
        assert_eq!(*time, (n / 200 * 10) as u128, "frame {n}");
        let message = ArpMessage::parse(&frame[ETHERNET..]).unwrap().unwrap();
        assert_eq!(message.sender.to_bits(), 0x0a00_0000 + 1000 - u32::try_from(n / 2).unwrap());
    }
}

#[test]
fn a_claim_by_another_station_is_reported_and_defended_once_in_a_while() {
    let mut responder = responder(Settings::default());
    responder.own(V4, 1);
    announcements(&mut responder, at(6000));
    let [foreign, _] = arp::responder::announce(THEIRS, SERVICE);
    let outputs = responder.handle(&foreign, at(7000));
    assert!(matches!(outputs[..], [Output::Conflict { address: V4, mac: THEIRS }]));
    assert_eq!(responder.next_deadline(), Some(at(7000)));
    assert_eq!(responder.poll(at(7000)).len(), 2);
    assert!(responder.handle(&foreign, at(16_999)).is_empty());
    assert_eq!(responder.handle(&foreign, at(17_000)).len(), 1);
    assert_eq!(responder.counters().conflicts, 3);
    assert!(responder.handle(&request(SERVICE), at(17_000)).len() == 1, "still answered");
}

#[test]
fn soft_answers_on_without_the_quorum_and_yields_to_another_claim() {
    let mut responder = responder(soft());
    responder.own(V4, 4);
    responder.fence(Fence::ValidUntil(at(1000)));
    let [foreign, _] = arp::responder::announce(THEIRS, SERVICE);
    assert!(matches!(responder.handle(&foreign, at(999))[..], [Output::Conflict { .. }]), "the quorum's word holds");
    let outputs = responder.handle(&request(SERVICE), at(5000));
    assert_eq!(sent(&outputs, at(5000)).len(), 1);
    let yielded = responder.handle(&foreign, at(5000));
    assert!(matches!(yielded[..], [Output::Yielded { address: V4, epoch: 4, to: THEIRS }]));
    assert_eq!(sent(&outputs, at(5000)).len(), 0, "not even what was under way");
    assert!(responder.handle(&request(SERVICE), at(5000)).is_empty());
    assert_eq!(responder.next_deadline(), None);
}

#[test]
fn soft_yields_to_a_neighbour_advertisement_and_leaves_the_group() {
    let mut responder = responder(soft());
    responder.own(V6, 4);
    responder.group_joined(solicited_node(SERVICE6));
    responder.fence(Fence::ValidUntil(at(1000)));
    let [foreign] = ndp::responder::announce(THEIRS, SERVICE6);
    let outputs = responder.handle(&foreign, at(5000));
    assert!(matches!(outputs[..], [Output::Leave(_), Output::Yielded { address: V6, .. }]));
}

#[test]
fn the_node_s_own_frames_are_neither_questions_nor_claims() {
    let mut responder = responder(Settings::default());
    let other_port = MacAddr(2, 0, 0, 0, 0, 9);
    responder.set_own_macs([other_port]);
    responder.own(V4, 1);
    for mac in [OURS, other_port] {
        let [announcement, _] = arp::responder::announce(mac, SERVICE);
        assert!(responder.handle(&announcement, at(1)).is_empty());
        assert!(responder.handle(&request_from(mac, SERVICE), at(1)).is_empty());
    }
    assert_eq!((responder.counters().requests, responder.counters().conflicts), (0, 0));
}

#[test]
fn a_storm_of_one_asker_is_bounded_and_leaves_room_for_others() {
    let settings = Settings { answering: Rate { limit: 40, period_ms: 10 }, ..Settings::default() };
    let mut responder = responder(settings);
    responder.own(V4, 1);
    for _ in 0..1000 {
        responder.handle(&request(SERVICE), at(20));
    }
    assert_eq!((responder.counters().answered, responder.counters().rate_dropped), (10, 990));
    assert_eq!(responder.handle(&request_from(MacAddr(2, 0, 0, 0, 0, 3), SERVICE), at(20)).len(), 1);
    assert_eq!(responder.handle(&request(SERVICE), at(30)).len(), 1);
}

#[test]
fn a_lost_socket_fails_every_address_and_a_new_one_programs_them_again() {
    let mut responder = responder(Settings::default());
    responder.own(V4, 1);
    responder.own(V6, 1);
    let group = solicited_node(SERVICE6);
    responder.group_joined(group);
    let failed = responder.socket_failed("the interface is down");
    let reason = Failure::Socket("the interface is down".to_owned());
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|output| matches!(output, Output::Failed { reason: r, .. } if *r == reason)));
    assert!(responder.handle(&request(SERVICE), at(1)).is_empty());
    assert_eq!(responder.next_deadline(), None);
    let outputs = responder.socket_opened();
    assert!(matches!(outputs[..], [Output::Join(_), Output::Programmed { address: V4, .. }]));
    assert!(matches!(responder.group_joined(group)[..], [Output::Programmed { address: V6, .. }]));
    assert_eq!(responder.poll(at(1)).len(), 3, "announced from the beginning");
}

#[test]
fn before_the_socket_is_open_nothing_is_confirmed() {
    let mut responder = Responder::new(OURS, Settings::default());
    assert!(responder.own(V4, 1).is_empty());
    assert!(responder.own(V6, 1).is_empty());
    assert_eq!(responder.standing(V4, at(0)), Some(Standing::AwaitingSocket));
    assert!(responder.own(V4, 1).is_empty());
    responder.fence(Fence::ValidUntil(at(100)));
    assert!(responder.handle(&request(SERVICE), at(0)).is_empty());
    assert!(responder.poll(at(0)).is_empty());
    assert_eq!(responder.socket_opened().len(), 2);
}

#[test]
fn what_cannot_be_owned_is_refused() {
    let mut responder = responder(Settings { max_addresses: 1, ..Settings::default() });
    for address in ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1", "::ffff:10.0.0.1"] {
        let outputs = responder.own(address.parse().unwrap(), 1);
        let refused = matches!(outputs[..], [Output::Failed { reason: Failure::NotAnnounceable, .. }]);
        assert!(refused, "{address}");
    }
    responder.own(V4, 1);
    let outputs = responder.own(V6, 1);
    assert!(matches!(outputs[..], [Output::Failed { reason: Failure::TooManyAddresses { max: 1 }, .. }]));
    assert_eq!(responder.owned().collect::<Vec<_>>(), [(V4, 1)]);
}

/// A step of a random run.
#[derive(Debug, Clone)]
enum Step {
    Own(u8),
    Disown(u8),
    Fence(Option<u16>),
    Ask(u8),
    Claim(u8),
    Garbage(Vec<u8>),
    Pass(u16),
    Socket(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..4).prop_map(Step::Own),
        (0u8..4).prop_map(Step::Disown),
        any::<Option<u16>>().prop_map(Step::Fence),
        (0u8..4).prop_map(Step::Ask),
        (0u8..4).prop_map(Step::Claim),
        proptest::collection::vec(any::<u8>(), 0..90).prop_map(Step::Garbage),
        any::<u16>().prop_map(Step::Pass),
        any::<bool>().prop_map(Step::Socket),
    ]
}

proptest! {
    /// Whatever happens, a frame leaves only before the end of the last word, and only for what is owned then; and the
    /// deadline never makes the edge spin.
    #[test]
    fn nothing_leaves_outside_the_fence(steps in proptest::collection::vec(step(), 1..60)) {
        let mut responder = Responder::new(OURS, Settings::default());
        let (mut now, mut until) = (at(0), BootTime::ZERO);
        let mut epoch = 0;
        let mut under_way: Vec<Output> = Vec::new();
        for step in steps {
            let address = |n: u8| Ipv4Addr::new(10, 0, 5, n + 1);
            let outputs = match step {
                Step::Own(n) => { epoch += 1; responder.own(IpAddr::V4(address(n)), epoch) }
                Step::Disown(n) => responder.disown(IpAddr::V4(address(n))),
                Step::Fence(None) => { until = BootTime::ZERO; responder.fence(Fence::Closed); Vec::new() }
                Step::Fence(Some(ahead)) => {
                    until = now + Duration::from_millis(u64::from(ahead));
                    responder.fence(Fence::ValidUntil(until));
                    Vec::new()
                }
                Step::Ask(n) => responder.handle(&request(address(n)), now),
                Step::Claim(n) => responder.handle(&arp::responder::announce(THEIRS, address(n))[0], now),
                Step::Garbage(bytes) => responder.handle(&bytes, now),
                Step::Pass(millis) => { now = now + Duration::from_millis(u64::from(millis)); responder.poll(now) }
                Step::Socket(true) => responder.socket_opened(),
                Step::Socket(false) => responder.socket_failed("gone"),
            };
            under_way.extend(outputs);
            let owned: Vec<IpAddr> = responder.owned().map(|(address, _)| address).collect();
            for frame in sent(&under_way, now) {
                prop_assert!(now < until);
                let message = ArpMessage::parse(&frame[ETHERNET..]).unwrap().unwrap();
                prop_assert!(owned.contains(&IpAddr::V4(message.sender)));
                prop_assert_eq!(message.sender_mac, OURS);
            }
            while responder.next_deadline().is_some_and(|due| due <= now) {
                let before = responder.counters().announced;
                responder.poll(now);
                prop_assert!(responder.counters().announced > before || responder.next_deadline().is_none());
            }
        }
    }
}
