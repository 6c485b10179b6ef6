//! The codec alone.

use proptest::prelude::*;

use super::*;

fn packets() -> impl Strategy<Value = Packet> {
    let flags = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let head = (0u8..32, 0u8..4, flags, any::<NonZeroU8>());
    (head, any::<NonZeroU32>(), any::<Option<NonZeroU32>>(), any::<[u32; 3]>()).prop_map(
        |((diagnostic, state, (poll, finish, independent, demand), multiplier), mine, yours, [tx, rx, echo])| {
            let state = State::from_bits(state);
            // Only these two states may do without.
            let yours = yours.or((!matches!(state, State::Down | State::AdminDown)).then_some(mine));
            Packet {
                diagnostic: Diagnostic::from_code(diagnostic),
                state,
                poll,
                finish,
                control_plane_independent: independent,
                demand,
                multiplier,
                mine,
                yours,
                desired_min_tx: Micros(tx),
                required_min_rx: Micros(rx),
                required_min_echo_rx: Micros(echo),
            }
        },
    )
}

fn some() -> Packet {
    Packet {
        diagnostic: Diagnostic::NEIGHBOR_SIGNALED_DOWN,
        state: State::Up,
        poll: true,
        finish: false,
        control_plane_independent: false,
        demand: false,
        multiplier: NonZeroU8::new(3).unwrap(),
        mine: NonZeroU32::new(0x0102_0304).unwrap(),
        yours: NonZeroU32::new(0x0a0b_0c0d),
        desired_min_tx: Micros(50_000),
        required_min_rx: Micros(10_000),
        required_min_echo_rx: Micros(0),
    }
}

/// [`some`] with bytes changed.
fn with(changes: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = some().encode().to_vec();
    for &(at, value) in changes {
        bytes[at] = value;
    }
    bytes
}

#[test]
fn fields_stand_where_the_rfc_has_them() {
    let expected = [0x23, 0xe0, 3, 24, 1, 2, 3, 4, 10, 11, 12, 13, 0, 0, 0xc3, 0x50, 0, 0, 0x27, 0x10, 0, 0, 0, 0];
    assert_eq!(some().encode(), expected);
}

#[test]
fn each_check_has_its_reason() {
    let reasons = [
        (with(&[])[..23].to_vec(), Discard::Truncated(23)),
        (Vec::new(), Discard::Truncated(0)),
        (with(&[(0, 0x43)]), Discard::Version(2)),
        (with(&[(0, 0x03)]), Discard::Version(0)),
        (with(&[(3, 23)]), Discard::LengthTooSmall { length: 23, least: 24 }),
        (with(&[(1, 0xc4), (3, 25)]), Discard::LengthTooSmall { length: 25, least: 26 }),
        (with(&[(3, 25)]), Discard::LengthTooLarge { length: 25, got: 24 }),
        (with(&[(2, 0)]), Discard::ZeroMultiplier),
        (with(&[(1, 0xc1)]), Discard::Multipoint),
        (with(&[(4, 0), (5, 0), (6, 0), (7, 0)]), Discard::ZeroMyDiscriminator),
        (with(&[(8, 0), (9, 0), (10, 0), (11, 0)]), Discard::ZeroYourDiscriminator(State::Up)),
        (with(&[(1, 0x80), (8, 0), (9, 0), (10, 0), (11, 0)]), Discard::ZeroYourDiscriminator(State::Init)),
        ([with(&[(1, 0xc4), (3, 26)]), vec![1, 2]].concat(), Discard::Authenticated),
    ];
    for (bytes, reason) in reasons {
        assert_eq!(Packet::decode(&bytes), Err(reason), "{bytes:02x?}");
    }
}

#[test]
fn a_session_that_is_not_established_need_not_know_us() {
    for state in [0x40, 0x00] {
        let packet = Packet::decode(&with(&[(1, state), (8, 0), (9, 0), (10, 0), (11, 0)])).unwrap();
        assert_eq!(packet.yours, None);
    }
}

#[test]
fn what_follows_the_packet_is_passed_over() {
    let bytes = [with(&[]), vec![0xff; 40]].concat();
    assert_eq!(Packet::decode(&bytes), Ok(some()));
}

#[test]
fn intervals_round_up_and_saturate() {
    assert_eq!(Micros::from_duration(Duration::from_nanos(1)), Micros(1));
    assert_eq!(Micros::from_duration(Duration::from_millis(10)), Micros(10_000));
    assert_eq!(Micros::from_duration(Duration::MAX), Micros(u32::MAX));
    assert_eq!(Duration::from(Micros(1_000_000)), Duration::from_secs(1));
}

/// A packet in the words of the golden file.
fn words(packet: &Packet) -> String {
    let flag = |set, word| if set { word } else { "" };
    let flags = flag(packet.poll, " poll").to_owned() + flag(packet.finish, " final");
    let intervals = [packet.desired_min_tx, packet.required_min_rx, packet.required_min_echo_rx].map(|micros| micros.0);
    let [transmit, receive, echo] = intervals;
    let yours = packet.yours.map_or("none".to_owned(), |yours| format!("{yours:08x}"));
    format!(
        "{}{flags}, {}, {} x {transmit}/{receive}/{echo} us, {:08x} to {yours}",
        packet.state, packet.diagnostic, packet.multiplier, packet.mine
    )
}

#[test]
fn packets_of_others_say_what_they_mean() {
    let lines = include_str!("golden.txt").lines().filter_map(|line| line.split_once(" = "));
    let mut count = 0;
    for (hex, meaning) in lines {
        let digits: Vec<_> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
        let bytes: Vec<_> = digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap()).collect();
        let packet = Packet::decode(&bytes).unwrap();
        assert_eq!(words(&packet), meaning);
        assert_eq!(packet.encode()[..], bytes);
        count += 1;
    }
    assert_eq!(count, 13);
}

proptest! {
    #[test]
    fn what_is_written_is_read(packet in packets()) {
        prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
    }

    /// What is taken says the same when written again, whatever it came in.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        if let Ok(packet) = Packet::decode(&bytes) {
            prop_assert_eq!(Packet::decode(&packet.encode()), Ok(packet));
        }
    }

    /// One wrong bit never makes a panic, and nothing but the version makes another version.
    #[test]
    fn a_changed_byte_is_read_or_refused(packet in packets(), at in 0..LENGTH, value: u8) {
        let mut bytes = packet.encode();
        bytes[at] = value;
        match Packet::decode(&bytes) {
            Ok(other) => prop_assert_eq!(other.encode()[at] & mask(at), value & mask(at)),
            Err(discard) => prop_assert!(at < 12, "{:?}", discard),
        }
    }
}

/// The length is not kept: it is that of the datagram.
fn mask(at: usize) -> u8 {
    if at == 3 { 0 } else { 0xff }
}
