use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use std::net::Ipv6Addr;
use std::time::Duration;

use pnet_base::MacAddr;

use super::advertiser::{LEAST, MOST};
use super::discovery::{FIRST_INTERVAL, LAST_INTERVAL, MAX_ROUTERS, TRIES};
use super::packet::{advertisement, solicitation};
use super::*;
use crate::BootTime;

const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
const SECOND: Duration = Duration::from_secs(1);

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn end(addresses: &[&str]) -> Option<LocalEnd> {
    Some(LocalEnd { mac: Some(MAC), link_local: addresses.iter().map(|text| ip(text)).collect() })
}

struct Node {
    discovery: Discovery,
    now: BootTime,
    randomness: SmallRng,
}

impl Node {
    /// On an interface that is up, a second after boot.
    fn new(settings: Settings) -> Self {
        Self::seeded(settings, 7)
    }

    fn seeded(settings: Settings, seed: u64) -> Self {
        let now = BootTime::ZERO + SECOND;
        let mut node = Self { discovery: Discovery::new(settings), now, randomness: SmallRng::seed_from_u64(seed) };
        assert_eq!((node.discovery.outcome(), node.discovery.next_deadline()), (Outcome::Down, None));
        node.set(end(&["fe80::1"]));
        node
    }

    /// That only listens and asks.
    fn quiet() -> Self {
        Self::new(Settings { advertise: false, ..Settings::default() })
    }

    fn set(&mut self, local: Option<LocalEnd>) {
        self.discovery.set_local(local, self.now, &mut self.randomness);
    }

    fn hear(&mut self, source: &str, bytes: &[u8]) {
        let arrival = Arrival { source: ip(source), hop_limit: Some(255) };
        self.discovery.receive(&arrival, bytes, self.now, &mut self.randomness).unwrap();
    }

    fn router(&mut self, source: &str, lifetime: u16) {
        let mut bytes = advertisement(None);
        bytes[6..8].copy_from_slice(&lifetime.to_be_bytes());
        self.hear(source, &bytes);
    }

    fn tick(&mut self) -> Vec<Transmit> {
        self.discovery.tick(self.now, &mut self.randomness)
    }

    /// Goes to the next deadline.
    fn next(&mut self) -> Vec<Transmit> {
        self.now = self.discovery.next_deadline().unwrap().max(self.now);
        self.tick()
    }

    /// Lets time pass; gives what was sent, and when.
    fn pass(&mut self, time: Duration) -> Vec<(BootTime, Transmit)> {
        let end = self.now + time;
        let mut sent = Vec::new();
        while self.discovery.next_deadline().is_some_and(|deadline| deadline <= end) {
            let transmits = self.next();
            sent.extend(transmits.into_iter().map(|transmit| (self.now, transmit)));
        }
        self.now = end;
        sent
    }

    fn found(&self) -> Option<Ipv6Addr> {
        self.discovery.outcome().router()
    }
}

fn advertisements(sent: &[(BootTime, Transmit)]) -> Vec<BootTime> {
    sent.iter().filter(|(_, what)| matches!(what, Transmit::Advertisement(_))).map(|(at, _)| *at).collect()
}

#[test]
fn routers_are_asked_for_at_growing_intervals_without_end() {
    let mut node = Node::quiet();
    let start = node.now;
    let sent = node.pass(Duration::from_secs(1000));
    assert!(sent[0].0.since(start) <= SECOND, "{sent:?}");
    let gaps: Vec<Duration> = sent.windows(2).map(|pair| pair[1].0.since(pair[0].0)).collect();
    for (tries, gap) in gaps.iter().enumerate() {
        let middle = (FIRST_INTERVAL * 2u32.pow(tries.min(4).try_into().unwrap())).min(LAST_INTERVAL);
        assert!(*gap >= middle * 90 / 100 && *gap <= middle * 110 / 100, "{gaps:?}");
    }
    assert!(gaps.len() >= 14, "{gaps:?}");
    assert_eq!(sent[0].1, Transmit::Solicitation(solicitation(Some(MAC))));
    assert_eq!(sent[0].1.destination(), ip("ff02::2"));
}

#[test]
fn after_three_tries_nobody_is_there_until_someone_is() {
    let mut node = Node::quiet();
    for _ in 0..TRIES {
        assert_eq!(node.discovery.outcome(), Outcome::Searching);
        assert_eq!(node.next().len(), 1);
    }
    assert_eq!(node.discovery.outcome(), Outcome::Silent);
    assert!(node.discovery.outcome().is_warning());
    node.router("fe80::20", 1800);
    let found = Outcome::Found { router: ip("fe80::20"), own: ip("fe80::1"), others: vec![] };
    assert_eq!(node.discovery.outcome(), found);
    assert!(!found.is_warning());
}

#[test]
fn a_router_that_is_no_default_router_is_one() {
    let mut node = Node::quiet();
    node.router("fe80::20", 0);
    node.tick();
    assert_eq!(node.found(), Some(ip("fe80::20")));
}

#[test]
fn a_router_counts_for_its_lifetime_and_30_seconds_at_least() {
    for (lifetime, holds) in [(0, 30), (9, 30), (30, 30), (600, 600)] {
        let mut node = Node::quiet();
        node.router("fe80::20", lifetime);
        node.tick();
        node.pass(Duration::from_secs(holds) - Duration::from_millis(1));
        assert_eq!(node.found(), Some(ip("fe80::20")), "{lifetime}");
        node.pass(Duration::from_millis(1));
        assert_eq!(node.found(), None, "{lifetime}");
        assert_eq!(node.discovery.routers().len(), 0);
    }
}

#[test]
fn one_that_was_not_heard_for_half_its_time_is_asked_before_it_is_lost() {
    let mut node = Node::quiet();
    node.router("fe80::20", 60);
    assert_eq!(node.pass(Duration::from_millis(29_999)), []);
    let sent = node.pass(Duration::from_secs(30));
    assert!(sent.len() >= 3, "{sent:?}");
    // Its answer ends that.
    node.router("fe80::20", 60);
    assert_eq!(node.pass(Duration::from_millis(29_999)), []);
    // One that speaks often enough is never asked.
    for _ in 0..20 {
        node.router("fe80::20", 30);
        assert_eq!(node.pass(Duration::from_secs(10)), []);
    }
}

#[test]
fn one_that_came_late_is_asked_as_soon_as_any_other() {
    let mut node = Node::quiet();
    node.pass(Duration::from_secs(600));
    // The next time to ask in vain would be a minute away.
    node.next();
    node.router("fe80::20", 0);
    let sent = node.pass(Duration::from_secs(29));
    assert!(sent.len() >= 2, "{sent:?}");
}

#[test]
fn of_several_routers_the_lowest_is_taken_with_a_warning() {
    let mut node = Node::quiet();
    for address in ["fe80::21", "fe80::20", "fe80::22"] {
        node.router(address, 0);
    }
    let outcome = node.discovery.outcome();
    let others = vec![ip("fe80::21"), ip("fe80::22")];
    assert_eq!(outcome, Outcome::Found { router: ip("fe80::20"), own: ip("fe80::1"), others });
    assert!(outcome.is_warning() && outcome.to_string().contains("fe80::21, fe80::22"), "{outcome}");
    // Those that go leave the one that stays.
    node.pass(Duration::from_secs(20));
    node.router("fe80::22", 0);
    node.pass(Duration::from_secs(10));
    assert_eq!(node.discovery.outcome().router(), Some(ip("fe80::22")));
    assert!(!node.discovery.outcome().is_warning());
}

#[test]
fn no_more_than_some_routers_are_remembered() {
    let mut node = Node::quiet();
    for number in (1..=200).rev() {
        node.router(&format!("fe80::1:{number:x}"), 0);
    }
    assert_eq!(node.discovery.routers().len(), MAX_ROUTERS);
    assert_eq!(node.found(), Some(ip("fe80::1:1")));
    assert_eq!(node.discovery.counters().surplus, 200 - u64::try_from(MAX_ROUTERS).unwrap());
}

#[test]
fn what_this_node_says_itself_is_no_router() {
    let mut node = Node::quiet();
    node.set(end(&["fe80::1", "fe80::2"]));
    node.router("fe80::2", 1800);
    assert_eq!(node.discovery.outcome(), Outcome::Searching);
}

#[test]
fn what_is_not_valid_is_counted() {
    let mut node = Node::quiet();
    let arrival = Arrival { source: ip("fe80::20"), hop_limit: Some(64) };
    let result = node.discovery.receive(&arrival, &advertisement(None), node.now, &mut node.randomness);
    assert_eq!(result, Err(Discard::HopLimit(64)));
    assert_eq!(node.discovery.counters().discarded, [("hop_limit", 1)].into());
    assert_eq!(node.found(), None);
}

#[test]
fn an_interface_that_goes_down_forgets_its_router() {
    let mut node = Node::new(Settings::default());
    node.router("fe80::20", 9000);
    // Another MAC or a further address is no reason to.
    let more = LocalEnd { mac: None, ..end(&["fe80::1", "fe80::9"]).unwrap() };
    node.set(Some(more));
    assert!(node.found().is_some());
    node.set(None);
    assert_eq!((node.discovery.outcome(), node.discovery.next_deadline()), (Outcome::Down, None));
    node.router("fe80::20", 9000);
    assert_eq!(node.tick(), []);
    node.set(end(&[]));
    assert_eq!((node.discovery.outcome(), node.discovery.next_deadline()), (Outcome::NoLinkLocal, None));
    node.set(end(&["fe80::1"]));
    assert_eq!(node.discovery.outcome(), Outcome::Searching);
    assert!(!node.pass(SECOND).is_empty());
}

#[test]
fn this_node_advertises_itself_three_times_quickly_and_then_every_10_seconds() {
    let mut node = Node::new(Settings::default());
    let start = node.now;
    let sent = node.pass(Duration::from_secs(300));
    let times = advertisements(&sent);
    assert_eq!(&times[..3], [start, start + LEAST, start + LEAST * 2]);
    for pair in times[2..].windows(2) {
        let gap = pair[1].since(pair[0]);
        assert!(gap >= MOST * 3 / 4 && gap <= MOST, "{gap:?}");
    }
    assert!(times.len() >= 30);
    assert!(sent.contains(&(start, Transmit::Advertisement(advertisement(Some(MAC))))));
}

#[test]
fn who_asks_and_who_is_new_hears_of_this_node_soon() {
    let mut node = Node::new(Settings::default());
    node.pass(Duration::from_secs(6));
    let last = node.now;
    node.hear("fe80::20", &solicitation(None));
    node.router("fe80::21", 0);
    let answered = advertisements(&node.pass(LEAST));
    // No sooner than three seconds after the last one, however many ask.
    assert_eq!(answered, [last + LEAST]);
    node.now = node.now + Duration::from_secs(4);
    let asked = node.now;
    node.hear("fe80::20", &solicitation(None));
    assert!(advertisements(&node.pass(SECOND))[0].since(asked) <= SECOND / 2);
    // One that was known already is no reason.
    node.now = node.now + Duration::from_secs(4);
    node.router("fe80::21", 0);
    assert_eq!(advertisements(&node.pass(SECOND)), []);
}

#[test]
fn what_could_not_be_sent_is_tried_again() {
    let mut node = Node::new(Settings::default());
    for _ in 0..20 {
        for transmit in node.next() {
            node.discovery.not_sent(&transmit, node.now);
        }
    }
    assert_eq!(node.discovery.outcome(), Outcome::Searching, "nobody was asked yet");
    let counters = node.discovery.counters();
    assert_eq!((counters.solicitations, counters.advertisements), (0, 0));
    assert!(counters.failures >= 20);
    let sent = node.pass(SECOND);
    assert_eq!(sent.len(), 2, "{sent:?}");
}

/// Something that happens to a node.
#[derive(Debug, Clone)]
enum Happens {
    Time(u16),
    Router(u8, u16),
    Asked,
    Link(bool),
    Deadline,
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        (0..5000u16).prop_map(Happens::Time),
        (2..30u8, prop_oneof![Just(0), 0..100u16]).prop_map(|(router, lifetime)| Happens::Router(router, lifetime)),
        Just(Happens::Asked),
        any::<bool>().prop_map(Happens::Link),
        Just(Happens::Deadline),
    ]
}

proptest! {
    #[test]
    fn it_never_speaks_too_often_and_always_goes_on(seed: u64, all in proptest::collection::vec(happens(), 0..200)) {
        let mut node = Node::seeded(Settings::default(), seed);
        let (mut asked, mut told) = (None::<BootTime>, None::<BootTime>);
        for happened in all {
            match happened {
                Happens::Time(millis) => node.now = node.now + Duration::from_millis(millis.into()),
                Happens::Router(number, lifetime) => node.router(&format!("fe80::{number:x}"), lifetime),
                Happens::Asked => node.hear("fe80::20", &solicitation(None)),
                Happens::Link(up) => {
                    let was = node.discovery.own().is_some();
                    node.set(end(&["fe80::1"]).filter(|_| up));
                    if up != was {
                        (asked, told) = (None, None);
                    }
                }
                Happens::Deadline => node.now = node.discovery.next_deadline().unwrap_or(node.now).max(node.now),
            }
            for transmit in node.tick() {
                let (last, least) = match transmit {
                    Transmit::Solicitation(_) => (&mut asked, FIRST_INTERVAL * 9 / 10),
                    Transmit::Advertisement(_) => (&mut told, LEAST),
                };
                prop_assert!(last.is_none_or(|last| node.now.since(last) >= least));
                *last = Some(node.now);
            }
            prop_assert!(node.discovery.next_deadline().is_none_or(|deadline| deadline > node.now));
            prop_assert_eq!(node.discovery.next_deadline().is_none(), node.discovery.own().is_none());
            prop_assert!(node.discovery.routers().values().all(|router| router.until > node.now));
            prop_assert!(node.discovery.routers().len() <= MAX_ROUTERS);
        }
    }
}
