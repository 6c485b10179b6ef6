//! Mutated messages and sessions, from a seed. Each target runs for `QUORUMLB_FUZZ_SECONDS` (half a second by default)
//! from `QUORUMLB_FUZZ_SEED` (1 by default). A panic prints the seed of its round, which repeats it alone.

use std::net::Ipv4Addr;
use std::time::Duration;

use quorumlb_announcer::bgp::message::{Framer, MAX_EXTENDED_MESSAGE, Message, UpdateContext, decode};
use quorumlb_announcer::bgp::session::{Endpoints, Input, Output, PeerAs, Session, Settings, State};
use quorumlb_announcer::{BootTime, boot_now};

/// Good messages to begin with: those of the golden files.
const SEEDS: [&str; 9] = [
    include_str!("../src/bgp/message/golden/open.hex"),
    include_str!("../src/bgp/message/golden/update_ipv4.hex"),
    include_str!("../src/bgp/message/golden/update_ipv6.hex"),
    include_str!("../src/bgp/message/golden/update_extended_next_hop.hex"),
    include_str!("../src/bgp/message/golden/end_of_rib_ipv6.hex"),
    include_str!("../src/bgp/message/golden/notification_shutdown.hex"),
    include_str!("../src/bgp/message/golden/notification_hard_reset.hex"),
    include_str!("../src/bgp/message/golden/route_refresh.hex"),
    include_str!("../src/bgp/message/golden/keepalive.hex"),
];

fn seeds() -> Vec<Vec<u8>> {
    let bytes = |text: &str| {
        let digits: String = text.lines().filter_map(|line| line.split('#').next()).collect();
        let digits: Vec<char> = digits.chars().filter(|digit| !digit.is_whitespace()).collect();
        let octet = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
        digits.chunks(2).map(octet).collect()
    };
    SEEDS.into_iter().map(bytes).collect()
}

/// Xorshift64*: the same seed, the same round.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound.max(1)
    }

    /// A good message, or one that was changed in a few places, with a length that mostly fits.
    fn message(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = seeds[self.below(seeds.len())].clone();
        for _ in 0..self.below(6) {
            let at = 16 + self.below(bytes.len() - 16);
            match self.below(6) {
                0 => bytes[at] = self.next() as u8,
                1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes.truncate(at.max(19)),
                3 => drop(bytes.splice(at..at, (0..self.below(9)).map(|_| 0xff).collect::<Vec<_>>())),
                4 => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = 16 + self.below(other.len() - 16);
                    bytes.truncate(at.max(19));
                    bytes.extend_from_slice(&other[from..]);
                }
                _ => {
                    let part = bytes[at..].to_vec();
                    bytes.extend(part);
                }
            }
            bytes.truncate(MAX_EXTENDED_MESSAGE);
        }
        if self.below(8) > 0 {
            let length = u16::try_from(bytes.len()).unwrap().to_be_bytes();
            bytes[16..18].copy_from_slice(&length);
        }
        bytes
    }
}

/// Runs rounds, each from a seed of its own, until the time is over.
fn rounds(round: impl Fn(&mut Random)) {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let time = number("QUORUMLB_FUZZ_SECONDS").map_or(Duration::from_millis(500), Duration::from_secs);
    let first = number("QUORUMLB_FUZZ_SEED").unwrap_or(1).max(1);
    let (start, mut seed) = (boot_now(), first);
    while seed == first || boot_now().since(start) < time {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| round(&mut Random(seed))));
        assert!(result.is_ok(), "repeat it with QUORUMLB_FUZZ_SEED={seed} QUORUMLB_FUZZ_SECONDS=0");
        seed += 1;
    }
    println!("{} rounds", seed - first);
}

#[test]
fn messages() {
    let seeds = seeds();
    rounds(|random| {
        let mut framer = Framer::default();
        if random.below(2) == 0 {
            framer.extend_messages();
        }
        let context = UpdateContext { wide_as: random.below(2) == 0, external: random.below(2) == 0 };
        for _ in 0..20 {
            framer.feed(&random.message(&seeds));
            while let Ok(Some(frame)) = framer.next_frame() {
                if let Ok(message) = decode(frame, &context) {
                    look(&message);
                    // What was read can be written, and what was written can be read.
                    let bytes = message.encode(usize::MAX).unwrap();
                    let mut again = Framer::default();
                    again.extend_messages();
                    again.feed(&bytes);
                    let frame = again.next_frame().unwrap().unwrap();
                    assert_eq!(decode(frame, &context).unwrap().encode(usize::MAX).unwrap(), bytes);
                }
            }
            if framer.next_frame().is_err() {
                return;
            }
        }
    });
}

/// Walks everything that a message has.
fn look(message: &Message<'_>) {
    match message {
        Message::Open(open) => {
            assert!(open.capabilities.iter().count() <= 65535 / 2);
        }
        Message::Update(update, flaw) => {
            assert_eq!(update.nlri.iter().count(), update.nlri.len());
            assert_eq!(update.withdrawn.iter().count(), update.withdrawn.len());
            let paths = [update.attributes.as_path, update.attributes.as4_path];
            let numbers =
                paths.iter().flatten().flat_map(|path| path.segments()).map(|segment| segment.numbers().count());
            assert!(numbers.sum::<usize>() <= 65535);
            let reach = update.attributes.mp_reach.and_then(|reach| reach.prefixes);
            reach.iter().for_each(|nlri| assert_eq!(nlri.iter().count(), nlri.len()));
            assert!(update.attributes.unknown().count() <= 256);
            drop((update.end_of_rib(), flaw.map(|flaw| flaw.to_string())));
        }
        Message::Notification(notification) => assert!(!notification.to_string().is_empty()),
        Message::Keepalive | Message::RouteRefresh { .. } => {}
    }
}

#[test]
fn sessions() {
    let seeds = seeds();
    let endpoints = Endpoints { local: "192.0.2.1:179".parse().unwrap(), remote: "192.0.2.2:179".parse().unwrap() };
    rounds(|random| {
        let settings = Settings::new(65001, Ipv4Addr::new(192, 0, 2, 9), PeerAs::Any);
        let mut session = Session::new(settings, random.next());
        let mut now = BootTime::ZERO;
        let mut open = Vec::new();
        let mut outputs = session.handle(Input::Start, now);
        for _ in 0..60 {
            for output in outputs.drain(..) {
                match output {
                    Output::Connect(id) | Output::Accept(id) => open.push(id),
                    Output::Close(id) => open.retain(|other| *other != id),
                    Output::Send(id, bytes) => assert!(open.contains(&id) && bytes.len() >= 19),
                    _ => {}
                }
            }
            assert!(open.len() <= 3, "{open:?}");
            assert!(session.next_deadline().is_some() || session.state() == State::Established);
            now = now + Duration::from_millis(random.next() % if random.below(20) == 0 { 100_000 } else { 300 });
            let id = open.get(random.below(open.len())).copied();
            let message =
                if random.below(3) == 0 { random.message(&seeds) } else { seeds[[0, 8][random.below(2)]].clone() };
            outputs = match (random.below(10), id) {
                (0, Some(id)) => session.handle(Input::Connected(id, endpoints), now),
                (1, _) => session.handle(Input::Accepted(endpoints), now),
                (2, Some(id)) if random.below(4) == 0 => {
                    open.retain(|other| *other != id);
                    session.handle(Input::Closed(id, None), now)
                }
                (3, _) => session.handle(Input::Tick, now),
                (_, Some(id)) => session.handle(Input::Received(id, &message), now),
                _ => session.handle(Input::Tick, now),
            };
        }
    });
}
