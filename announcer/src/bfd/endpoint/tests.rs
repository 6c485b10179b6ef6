//! Which packet is for which session, and the bookkeeping, against a model of it.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::*;
use crate::bfd::packet::{Micros, State};
use crate::bfd::session::DownReason;

fn at(millis: u64) -> BootTime {
    BootTime::from_boot(Duration::from_millis(millis))
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn path(peer: &str, hops: Hops, local: Option<&str>, interface: Option<u32>) -> Path {
    let interface = interface.map(|index| NonZeroU32::new(index).unwrap());
    Path::new(address(peer), hops, local.map(address), interface).unwrap()
}

fn single(peer: &str) -> Path {
    path(peer, Hops::Single, None, None)
}

fn arrival(from: &str) -> Arrival {
    let interface = NonZeroU32::new(2);
    Arrival { hops: Hops::Single, from: address(from), to: Some(address("10.0.0.1")), interface, ttl: Some(255) }
}

fn packet(state: State, yours: Option<Discriminator>) -> Packet {
    Packet {
        diagnostic: Diagnostic::NONE,
        state,
        poll: false,
        finish: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: Discriminator::new(0x9999).unwrap(),
        yours,
        desired_min_tx: Micros(50_000),
        required_min_rx: Micros(50_000),
        required_min_echo_rx: Micros(0),
    }
}

/// An endpoint with its randomness.
struct Node {
    endpoint: Endpoint,
    randomness: SmallRng,
}

impl Node {
    fn new() -> Self {
        Self { endpoint: Endpoint::default(), randomness: SmallRng::seed_from_u64(3) }
    }

    fn add(&mut self, path: Path) -> Discriminator {
        let id = self.endpoint.draw_discriminator(&mut self.randomness);
        let port = self.endpoint.draw_source_port(&mut self.randomness);
        self.endpoint.add(path, Settings::default(), id, port, at(0)).unwrap();
        id
    }

    fn receive(&mut self, arrival: Arrival, packet: Packet, now: u64) -> Vec<Action> {
        self.endpoint.receive(&arrival, &packet.encode(), at(now), &mut self.randomness)
    }

    fn tick(&mut self, now: u64) -> Vec<Action> {
        self.endpoint.tick(at(now), &mut self.randomness)
    }

    fn state(&self, path: Path) -> State {
        self.endpoint.rows().into_iter().find(|row| row.path == path).unwrap().status.state
    }

    fn bring_up(&mut self, from: &str, id: Discriminator, now: u64) {
        self.receive(arrival(from), packet(State::Down, None), now);
        self.receive(arrival(from), packet(State::Up, Some(id)), now);
    }
}

/// To whom something is sent, and whether it is a first word.
fn sent_for(actions: &[Action]) -> Vec<Discriminator> {
    actions.iter().filter_map(|action| if let Action::Send(id, _) = action { Some(*id) } else { None }).collect()
}

#[test]
fn a_first_packet_is_for_the_path_that_it_came_by() {
    let mut node = Node::new();
    let one = node.add(single("10.0.0.2"));
    let other = node.add(single("10.0.0.3"));
    let multi = node.add(path("10.0.0.2", Hops::Multi, None, None));
    let first = packet(State::Down, None);
    assert_eq!(sent_for(&node.receive(arrival("10.0.0.2"), first, 1)), [one]);
    assert_eq!(sent_for(&node.receive(arrival("10.0.0.3"), first, 1)), [other]);
    let by_multi = Arrival { hops: Hops::Multi, ..arrival("10.0.0.2") };
    assert_eq!(sent_for(&node.receive(by_multi, first, 1)), [multi]);
    assert!(node.receive(arrival("10.0.0.4"), first, 1).is_empty());
    assert_eq!(node.endpoint.discards().of("unknown_peer"), 1);
}

#[test]
fn the_same_link_local_peer_on_two_interfaces_is_two_peers() {
    let mut node = Node::new();
    let second = node.add(path("fe80::1", Hops::Single, None, Some(2)));
    let third = node.add(path("fe80::1", Hops::Single, None, Some(3)));
    let first = packet(State::Down, None);
    let by = |index| Arrival { interface: NonZeroU32::new(index), ..arrival("fe80::1") };
    assert_eq!(sent_for(&node.receive(by(3), first, 1)), [third]);
    assert_eq!(sent_for(&node.receive(by(2), first, 1)), [second]);
    assert!(node.receive(by(4), first, 1).is_empty());
}

#[test]
fn the_most_exact_path_gets_the_packet() {
    let mut node = Node::new();
    node.add(single("10.0.0.2"));
    let exact = node.add(path("10.0.0.2", Hops::Single, Some("10.0.0.1"), None));
    node.add(path("10.0.0.2", Hops::Single, Some("10.0.0.9"), None));
    assert_eq!(sent_for(&node.receive(arrival("10.0.0.2"), packet(State::Down, None), 1)), [exact]);
}

/// RFC 5880 section 6.3.
#[test]
fn once_the_peer_names_the_session_its_address_does_not_count() {
    let mut node = Node::new();
    let id = node.add(single("10.0.0.2"));
    node.receive(arrival("10.0.0.2"), packet(State::Down, None), 1);
    node.receive(arrival("10.9.9.9"), packet(State::Init, Some(id)), 2);
    assert_eq!(node.state(single("10.0.0.2")), State::Up);
    let stranger = Discriminator::new(id.get() ^ 1).unwrap();
    assert!(node.receive(arrival("10.0.0.2"), packet(State::Down, Some(stranger)), 3).is_empty());
    assert_eq!(node.endpoint.discards().of("unknown_discriminator"), 1);
    assert_eq!(node.state(single("10.0.0.2")), State::Up);
}

#[test]
fn what_was_forwarded_is_not_taken_for_a_single_hop() {
    let mut node = Node::new();
    let id = node.add(single("10.0.0.2"));
    for ttl in [Some(254), Some(1), None] {
        for yours in [None, Some(id)] {
            assert!(node.receive(Arrival { ttl, ..arrival("10.0.0.2") }, packet(State::Down, yours), 1).is_empty());
        }
    }
    // Nor is a way around the check by the other port.
    let multi = Arrival { hops: Hops::Multi, ..arrival("10.0.0.2") };
    assert!(node.receive(multi, packet(State::Down, Some(id)), 1).is_empty());
    let counts: Vec<_> = node.endpoint.rows()[0].discards.iter().collect();
    assert_eq!(counts, [("no_ttl", 2), ("ttl", 4), ("wrong_port", 1)]);
    assert_eq!(node.state(single("10.0.0.2")), State::Down);
}

#[test]
fn a_multihop_session_takes_as_many_hops_as_it_is_told() {
    let mut node = Node::new();
    let far = path("10.9.0.2", Hops::Multi, None, None);
    node.add(far);
    let by = |ttl| Arrival { hops: Hops::Multi, ttl: Some(ttl), ..arrival("10.9.0.2") };
    assert!(node.receive(by(253), packet(State::Down, None), 1).is_empty());
    let settings = Settings { least_ttl: 250, ..Settings::default() };
    node.endpoint.change(&far, settings, at(2), &mut node.randomness).unwrap();
    assert_eq!(node.receive(by(250), packet(State::Down, None), 3).len(), 1);
}

#[test]
fn garbage_is_counted_and_nothing_else() {
    let mut node = Node::new();
    node.add(single("10.0.0.2"));
    let short = node.endpoint.receive(&arrival("10.0.0.2"), &[0; 5], at(1), &mut node.randomness);
    assert!(short.is_empty());
    assert_eq!(node.endpoint.discards().of("truncated"), 1);
}

#[test]
fn a_removed_session_says_farewell_until_the_peer_knows() {
    let mut node = Node::new();
    let id = node.add(single("10.0.0.2"));
    node.bring_up("10.0.0.2", id, 1);
    let actions = node.endpoint.remove(&single("10.0.0.2"), at(10), &mut node.randomness).unwrap();
    let Action::Send(_, bytes) = actions[1] else { panic!("{actions:?}") };
    assert_eq!(Packet::decode(&bytes).unwrap().state, State::AdminDown);
    assert!(!node.endpoint.is_empty());
    assert_eq!(
        node.endpoint.remove(&single("10.0.0.2"), at(11), &mut node.randomness),
        Err(NoSession(single("10.0.0.2")))
    );
    assert_eq!(node.receive(arrival("10.0.0.2"), packet(State::Down, Some(id)), 12), [Action::Closed(id)]);
    assert!(node.endpoint.is_empty() && node.endpoint.next_deadline().is_none());
}

#[test]
fn a_farewell_ends_when_the_peer_must_have_noticed() {
    let mut node = Node::new();
    let id = node.add(single("10.0.0.2"));
    node.bring_up("10.0.0.2", id, 1);
    node.endpoint.remove(&single("10.0.0.2"), at(10), &mut node.randomness).unwrap();
    let mut last = Vec::new();
    while let Some(due) = node.endpoint.next_deadline() {
        assert!(due <= at(3010), "1 s x 3");
        last = node.endpoint.tick(due, &mut node.randomness);
    }
    assert_eq!(last.last(), Some(&Action::Closed(id)));
}

#[test]
fn a_path_can_be_used_again_while_the_old_session_says_farewell() {
    let mut node = Node::new();
    let old = node.add(single("10.0.0.2"));
    node.bring_up("10.0.0.2", old, 1);
    assert_eq!(node.endpoint.has_room(&single("10.0.0.2")), Err(AddError::Exists));
    node.endpoint.remove(&single("10.0.0.2"), at(10), &mut node.randomness).unwrap();
    let new = node.endpoint.draw_discriminator(&mut node.randomness);
    let actions = node.endpoint.add(single("10.0.0.2"), Settings::default(), new, 50_000, at(11)).unwrap();
    assert_eq!(actions, [Action::Closed(old)]);
    assert_eq!(sent_for(&node.receive(arrival("10.0.0.2"), packet(State::Down, None), 12)), [new]);
}

#[test]
fn rows_tell_what_happened() {
    let mut node = Node::new();
    let id = node.add(single("10.0.0.2"));
    node.bring_up("10.0.0.2", id, 1);
    node.tick(1000);
    let row = &node.endpoint.rows()[0];
    assert_eq!((row.counters.received, row.counters.ups, row.counters.downs), (2, 1, 1));
    let last = row.last_down.unwrap();
    assert_eq!((last.at, last.reason), (at(1000), DownReason::DetectionTimeExpired));
    assert!(row.counters.sent >= 3);
}

#[test]
fn saved_sessions_go_on_in_another_process() {
    let mut node = Node::new();
    let id = node.add(single("10.0.0.2"));
    node.bring_up("10.0.0.2", id, 1);
    let leaving = node.add(single("10.0.0.3"));
    node.bring_up("10.0.0.3", leaving, 1);
    node.endpoint.remove(&single("10.0.0.3"), at(2), &mut node.randomness).unwrap();
    let saved = node.endpoint.save();
    assert_eq!(saved.len(), 1, "one that says farewell is not worth keeping");
    let mut other = Node::new();
    other.endpoint.restore(&saved[0], at(3)).unwrap();
    assert_eq!(other.endpoint.restore(&saved[0], at(3)), Err(AddError::Exists));
    assert_eq!(other.endpoint.rows()[0].source_port, node.endpoint.rows()[0].source_port);
    other.receive(arrival("10.0.0.2"), packet(State::Up, Some(id)), 4);
    assert_eq!(other.state(single("10.0.0.2")), State::Up);
}

#[derive(Debug, Clone)]
enum Op {
    Add(u8),
    Remove(u8),
    Hear(u8),
    AdminDown(u8, bool),
    Pass(u16),
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0u8..6).prop_map(Op::Add),
        (0u8..6).prop_map(Op::Remove),
        (0u8..6).prop_map(Op::Hear),
        (0u8..6, any::<bool>()).prop_map(|(peer, down)| Op::AdminDown(peer, down)),
        (0u16..2000).prop_map(Op::Pass),
    ]
}

proptest! {
    /// After every step the indexes say the same as the sessions, and each opened session is closed once.
    #[test]
    fn the_books_are_right(ops in proptest::collection::vec(ops(), 0..60)) {
        let mut node = Node::new();
        let mut now = 0;
        let mut open = BTreeSet::new();
        let mut wanted = BTreeSet::new();
        for op in ops {
            let peer_path = |peer: u8| single(&format!("10.0.0.{}", peer + 2));
            let mut actions = Vec::new();
            match op {
                Op::Add(peer) => {
                    let id = node.endpoint.draw_discriminator(&mut node.randomness);
                    let port = node.endpoint.draw_source_port(&mut node.randomness);
                    match node.endpoint.add(peer_path(peer), Settings::default(), id, port, at(now)) {
                        Ok(closed) => {
                            prop_assert!(wanted.insert(peer));
                            open.insert(id);
                            actions = closed;
                        }
                        Err(error) => prop_assert!(error == AddError::Exists && wanted.contains(&peer)),
                    }
                }
                Op::Remove(peer) => match node.endpoint.remove(&peer_path(peer), at(now), &mut node.randomness) {
                    Ok(closing) => {
                        prop_assert!(wanted.remove(&peer));
                        actions = closing;
                    }
                    Err(_) => prop_assert!(!wanted.contains(&peer)),
                },
                Op::Hear(peer) => {
                    let from = format!("10.0.0.{}", peer + 2);
                    actions = node.receive(arrival(&from), packet(State::Down, None), now);
                }
                Op::AdminDown(peer, down) => {
                    let result = node.endpoint.set_admin_down(&peer_path(peer), down, at(now), &mut node.randomness);
                    prop_assert_eq!(result.is_ok(), wanted.contains(&peer));
                }
                Op::Pass(millis) => {
                    now += u64::from(millis);
                    actions = node.tick(now);
                }
            }
            for action in actions {
                if let Action::Closed(id) = action {
                    prop_assert!(open.remove(&id), "closed twice");
                }
            }
            check(&node.endpoint, &open);
        }
    }
}

fn check(endpoint: &Endpoint, open: &BTreeSet<Discriminator>) {
    assert_eq!(&endpoint.sessions.keys().copied().collect::<BTreeSet<_>>(), open);
    let paths: BTreeMap<_, _> = endpoint.sessions.iter().map(|(&id, entry)| (entry.path, id)).collect();
    assert_eq!(endpoint.paths, paths);
    let ports: BTreeSet<_> = endpoint.sessions.values().map(|entry| entry.source_port).collect();
    assert_eq!(endpoint.ports, ports);
    let deadlines = endpoint.sessions.iter().filter_map(|(&id, entry)| entry.wants_time_at().map(|at| (at, id)));
    assert_eq!(endpoint.deadlines, deadlines.collect());
}
