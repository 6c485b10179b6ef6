use std::net::Ipv4Addr;

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

use super::super::{Family, NextHop, Prefix};
use super::*;

/// A message of a file in `golden/`.
fn golden(text: &str) -> Vec<u8> {
    let digits: String = text.lines().filter_map(|line| line.split('#').next()).collect();
    let digits: Vec<u8> = digits.bytes().filter(|digit| !digit.is_ascii_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const WIDE: UpdateContext = UpdateContext { wide_as: true, external: true };
const INTERNAL: UpdateContext = UpdateContext { wide_as: true, external: false };

fn frame(bytes: &[u8]) -> Frame<'_> {
    Frame { kind: Kind::from_octet(bytes[18]).unwrap(), body: &bytes[HEADER..] }
}

fn read<'a>(bytes: &'a [u8], context: &UpdateContext) -> Result<Message<'a>, Malformed> {
    decode(frame(bytes), context)
}

/// Reads a good message and writes it again.
fn there_and_back<'a>(bytes: &'a [u8], context: &UpdateContext) -> Message<'a> {
    let mut framer = Framer::default();
    framer.feed(bytes);
    assert_eq!(framer.next_frame().unwrap(), Some(frame(bytes)));
    let message = read(bytes, context).unwrap();
    assert_eq!(message.encode(MAX_MESSAGE).as_deref(), Some(bytes));
    message
}

fn update<'a>(bytes: &'a [u8], context: &UpdateContext) -> (Update<'a>, Option<Flaw>) {
    match read(bytes, context).unwrap() {
        Message::Update(update, flaw) => (update, flaw),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_open() {
    let bytes = golden(include_str!("golden/open.hex"));
    let Message::Open(open) = there_and_back(&bytes, &WIDE) else { panic!() };
    assert_eq!((open.my_as, open.autonomous_system(), open.hold_time), (AS_TRANS, 4_200_000_001, 90));
    let mut list = CapabilityList::default();
    list.multiprotocol(Family::Ipv4Unicast.wire());
    list.multiprotocol(Family::Ipv6Unicast.wire());
    list.push(2, &[]);
    list.extended_next_hop(Family::Ipv4Unicast.wire());
    list.push(6, &[]);
    list.graceful_restart(true, true, 120, [(Family::Ipv4Unicast.wire(), true)]);
    list.push(65, &4_200_000_001u32.to_be_bytes());
    assert_eq!(open.capabilities, list.view());
}

#[test]
fn an_update_of_ipv4() {
    let bytes = golden(include_str!("golden/update_ipv4.hex"));
    let Message::Update(update, None) = there_and_back(&bytes, &INTERNAL) else { panic!() };
    let prefixes = |nlri: &Nlri<'_>| nlri.iter().map(|prefix| prefix.to_string()).collect::<Vec<_>>();
    assert_eq!(prefixes(&update.withdrawn), ["10.1.0.0/16", "10.2.3.4/32"]);
    assert_eq!(prefixes(&update.nlri), ["192.0.2.0/24"]);
    let attributes = &update.attributes;
    assert_eq!((attributes.origin, attributes.med, attributes.local_pref), (Some(Origin::Igp), Some(100), Some(200)));
    assert_eq!(attributes.next_hop, Some(Ipv4Addr::new(192, 0, 2, 1)));
    let path: Vec<_> = attributes.as_path.unwrap().segments().collect();
    assert_eq!(path[0].kind, SegmentKind::Sequence);
    assert_eq!(path[0].numbers().collect::<Vec<_>>(), [65000, 4_200_000_001]);
    let communities: Vec<_> = attributes.communities.unwrap().iter().map(u32::from_be_bytes).collect();
    assert_eq!(communities, [65000 << 16 | 100, 0xffff_0000]);
    assert_eq!(attributes.large_communities.unwrap().iter().count(), 1);
}

#[test]
fn an_update_of_ipv6_and_one_with_an_extended_next_hop() {
    let bytes = golden(include_str!("golden/update_ipv6.hex"));
    let Message::Update(update, None) = there_and_back(&bytes, &WIDE) else { panic!() };
    let reach = update.attributes.mp_reach.unwrap();
    let link_local = Some("fe80::1".parse().unwrap());
    assert_eq!(reach.next_hop, Some(NextHop::V6 { address: "2001:db8::1".parse().unwrap(), link_local }));
    assert_eq!(reach.prefixes.unwrap().iter().next(), Some("2001:db8:1::/48".parse().unwrap()));

    let bytes = golden(include_str!("golden/update_extended_next_hop.hex"));
    let Message::Update(update, None) = there_and_back(&bytes, &WIDE) else { panic!() };
    let reach = update.attributes.mp_reach.unwrap();
    assert_eq!(reach.next_hop, Some(NextHop::V6 { address: "fe80::1".parse().unwrap(), link_local: None }));
    assert_eq!(reach.prefixes.unwrap().iter().next(), Some("10.0.0.1/32".parse().unwrap()));
}

#[test]
fn the_other_messages() {
    let bytes = golden(include_str!("golden/notification_shutdown.hex"));
    let Message::Notification(notification) = there_and_back(&bytes, &WIDE) else { panic!() };
    assert_eq!(notification, Notification::with_text(Code::ADMINISTRATIVE_SHUTDOWN, "maintenance"));
    assert_eq!(notification.to_string(), "Cease: Administrative Shutdown (6/2), \"maintenance\"");
    let bytes = golden(include_str!("golden/notification_hard_reset.hex"));
    let Message::Notification(notification) = there_and_back(&bytes, &WIDE) else { panic!() };
    assert_eq!(notification, Notification::from(Code::DECONFIGURED).into_hard_reset());
    assert_eq!(notification.to_string(), "Cease: Hard Reset (6/9) for Cease: Peer De-configured (6/3)");
    let bytes = golden(include_str!("golden/route_refresh.hex"));
    let family = Family::Ipv6Unicast.wire();
    assert_eq!(there_and_back(&bytes, &WIDE), Message::RouteRefresh { family, subtype: 0 });
    assert_eq!(there_and_back(&golden(include_str!("golden/keepalive.hex")), &WIDE), Message::Keepalive);
    assert_eq!(end_of_rib(Family::Ipv6Unicast), golden(include_str!("golden/end_of_rib_ipv6.hex")));
    for family in Family::ALL {
        assert_eq!(update(&end_of_rib(family), &WIDE).0.end_of_rib(), Some(family));
    }
}

#[test]
fn a_long_text_is_cut_at_a_character() {
    let notification = Notification::with_text(Code::ADMINISTRATIVE_SHUTDOWN, &"ä".repeat(200));
    assert_eq!(notification.data.len(), 255);
    assert_eq!(notification.text(), Some("ä".repeat(127)));
}

#[test]
fn a_header_is_refused_as_soon_as_it_is_there() {
    let header = |length: u16, kind: u8| {
        let mut bytes = vec![0xff; 16];
        bytes.extend(length.to_be_bytes());
        bytes.push(kind);
        bytes
    };
    let refused = |bytes: &[u8], max: usize| {
        let mut framer = Framer::default();
        if max > MAX_MESSAGE {
            framer.extend_messages();
        }
        framer.feed(&bytes[..HEADER - 1]);
        assert_eq!(framer.next_frame(), Ok(None));
        framer.feed(&bytes[HEADER - 1..]);
        framer.next_frame().err()
    };
    for (length, kind) in [(18, 4), (20, 4), (4097, 2), (28, 1), (22, 2), (20, 3), (22, 5), (0, 2), (65535, 2)] {
        let length_error = Some(Malformed::Length { length: usize::from(length) });
        assert_eq!(refused(&header(length, kind), MAX_MESSAGE), length_error, "{length} {kind}");
    }
    assert_eq!(refused(&header(65535, 2), MAX_EXTENDED_MESSAGE), None);
    assert_eq!(refused(&header(4097, 1), MAX_EXTENDED_MESSAGE), Some(Malformed::Length { length: 4097 }));
    for kind in [0, 6, 255] {
        assert_eq!(refused(&header(19, kind), MAX_MESSAGE), Some(Malformed::Kind { kind }));
    }
    let mut wrong = header(19, 4);
    wrong[15] = 0xfe;
    assert_eq!(refused(&wrong, MAX_MESSAGE), Some(Malformed::Marker));
    assert_eq!(
        Malformed::Length { length: 4097 }.notification(),
        Notification::new(Code::BAD_MESSAGE_LENGTH, [0x10, 1])
    );
}

/// An UPDATE of 192.0.2.0/24 with these attributes.
fn announcing(attributes: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    write::message(&mut out, Kind::Update, |out| {
        out.extend([0, 0]);
        write::counted_u16(out, |out| out.extend(attributes.concat()));
        out.extend([24, 192, 0, 2]);
    });
    out
}

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe8];
const HOP: &[u8] = &[0x40, 3, 4, 192, 0, 2, 1];

/// RFC 7606: what is wrong, and what follows.
#[test]
fn flaws_of_an_update() {
    use Problem::{Flags, Length, Missing, NotExternal, Overrun, Repeated, Value};
    use Treatment::{DisableFamily as Disable, DiscardAttribute as Discard, Withdraw};
    let v6 = Disable(Family::Ipv6Unicast);
    let flaws: &[(&[&[u8]], Treatment, u8, Problem)] = &[
        (&[PATH, HOP], Withdraw, 1, Missing),
        (&[ORIGIN, HOP], Withdraw, 2, Missing),
        (&[ORIGIN, PATH], Withdraw, 3, Missing),
        (&[&[0x40, 1, 1, 3], PATH, HOP], Withdraw, 1, Value),
        (&[&[0x40, 1, 2, 0, 0], PATH, HOP], Withdraw, 1, Length),
        (&[&[0xc0, 1, 1, 0], PATH, HOP], Withdraw, 1, Flags),
        (&[ORIGIN, &[0x40, 2, 6, 9, 1, 0, 0, 0xfd, 0xe8], HOP], Withdraw, 2, Value),
        (&[ORIGIN, &[0x40, 2, 2, 2, 0], HOP], Withdraw, 2, Value),
        (&[ORIGIN, PATH, &[0x40, 3, 3, 192, 0, 2]], Withdraw, 3, Length),
        (&[ORIGIN, PATH, HOP, &[0x80, 4, 3, 0, 0, 0]], Withdraw, 4, Length),
        (&[ORIGIN, PATH, HOP, &[0x40, 5, 4, 0, 0, 0, 0]], Discard, 5, NotExternal),
        (&[ORIGIN, PATH, HOP, &[0x40, 6, 1, 0]], Discard, 6, Length),
        (&[ORIGIN, PATH, HOP, &[0xc0, 7, 6, 0, 0, 0, 0, 0, 0]], Discard, 7, Length),
        (&[ORIGIN, PATH, HOP, &[0xc0, 8, 0]], Withdraw, 8, Length),
        (&[ORIGIN, PATH, HOP, &[0xc0, 16, 4, 0, 0, 0, 0]], Withdraw, 16, Length),
        (&[ORIGIN, PATH, HOP, &[0xc0, 17, 2, 9, 9]], Discard, 17, Value),
        (&[ORIGIN, PATH, HOP, &[0xc0, 32, 8, 0, 0, 0, 0, 0, 0, 0, 0]], Withdraw, 32, Length),
        (&[ORIGIN, PATH, HOP, ORIGIN], Discard, 1, Repeated),
        (&[ORIGIN, PATH, HOP, &[0x80, 4, 9, 0]], Withdraw, 4, Overrun),
        (&[ORIGIN, PATH, HOP, &[0x80]], Withdraw, 0, Overrun),
        (&[ORIGIN, PATH, HOP, &[0x80, 14, 5, 0, 2, 1, 0, 0]], v6, 14, Value),
        (&[ORIGIN, PATH, HOP, &[0x80, 15, 5, 0, 2, 1, 129, 0]], v6, 15, Value),
        // The worst counts.
        (&[ORIGIN, PATH, &[0x40, 6, 1, 0], &[0x80, 15, 5, 0, 2, 1, 129, 0]], v6, 15, Value),
    ];
    for (attributes, treatment, attribute, problem) in flaws {
        let bytes = announcing(attributes);
        assert_eq!(update(&bytes, &WIDE).1, Some(Flaw::new(*treatment, *attribute, *problem)), "{attributes:x?}");
    }
    assert_eq!(update(&announcing(&[ORIGIN, PATH, HOP]), &WIDE).1, None);
    let missing = Flaw::new(Withdraw, 5, Missing);
    assert_eq!(update(&announcing(&[ORIGIN, PATH, HOP]), &INTERNAL).1, Some(missing));
    assert_eq!(missing.to_string(), "attribute 5 is missing, so the routes count as withdrawn");
}

#[test]
fn what_ends_a_session() {
    let refused = |attributes: &[&[u8]]| read(&announcing(attributes), &WIDE).unwrap_err().notification();
    let twice: &[u8] = &[0x80, 15, 3, 0, 2, 1];
    assert_eq!(refused(&[ORIGIN, PATH, HOP, twice, twice]).code, Code::MALFORMED_ATTRIBUTE_LIST);
    assert_eq!(refused(&[ORIGIN, PATH, HOP, &[0x80, 14, 2, 0, 2]]).code, Code::MALFORMED_ATTRIBUTE_LIST);
    let unknown: &[u8] = &[0x40, 99, 1, 7];
    assert_eq!(refused(&[unknown]), Notification::new(Code::UNRECOGNIZED_WELL_KNOWN, unknown));
    let mut bytes = announcing(&[ORIGIN, PATH, HOP]);
    *bytes.iter_mut().rev().nth(3).unwrap() = 33;
    assert_eq!(read(&bytes, &WIDE).unwrap_err().notification(), Code::INVALID_NETWORK.into());
    bytes[19] = 0xff;
    assert_eq!(read(&bytes, &WIDE).unwrap_err().notification(), Code::MALFORMED_ATTRIBUTE_LIST.into());

    let open = golden(include_str!("golden/open.hex"));
    let changed = |at: usize, octet: u8| {
        let mut open = open.clone();
        open[at] = octet;
        read(&open, &WIDE).unwrap_err().notification()
    };
    assert_eq!(changed(19, 3), Notification::new(Code::UNSUPPORTED_VERSION, [0, 4]));
    assert_eq!(changed(28, 43).code, Code::OPEN_UNSPECIFIC);
    assert_eq!(changed(29, 1).code, Code::UNSUPPORTED_PARAMETER);
    assert_eq!(changed(32, 3).code, Code::OPEN_UNSPECIFIC);
}

#[test]
fn capabilities_in_parameters_of_their_own_and_in_wide_ones() {
    let body = |parameters: &[u8]| [&[4, 0xfd, 0xe8, 0, 90, 192, 0, 2, 1][..], parameters].concat();
    let refresh = [Capability::RouteRefresh, Capability::ExtendedMessage];
    let bodies = [body(&[8, 2, 2, 2, 0, 2, 2, 6, 0]), body(&[255, 255, 0, 7, 2, 0, 4, 2, 0, 6, 0])];
    for body in bodies {
        let mut bytes = Vec::new();
        write::message(&mut bytes, Kind::Open, |out| out.extend(&body));
        let Message::Open(open) = there_and_back(&bytes, &WIDE) else { panic!() };
        assert_eq!(open.capabilities.iter().collect::<Vec<_>>(), refresh);
        assert_eq!(open.autonomous_system(), 65000);
    }
}

fn prefixes(family: Family) -> impl Strategy<Value = Vec<Prefix>> {
    let address = match family {
        Family::Ipv4Unicast => any::<Ipv4Addr>().prop_map(std::net::IpAddr::V4).boxed(),
        Family::Ipv6Unicast => any::<std::net::Ipv6Addr>().prop_map(std::net::IpAddr::V6).boxed(),
    };
    vec((address, 0..=family.max_length()), 0..20).prop_map(|networks| {
        networks.into_iter().map(|(address, length)| Prefix::new(address, length).unwrap()).collect()
    })
}

/// Attributes in the order that they are written in, with any values.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let kinds = btree_set(prop_oneof![1u8..=8, Just(16), Just(32), 100u8..=255], 0..12);
    let v6 = proptest::option::of((prefixes(Family::Ipv6Unicast), any::<std::net::Ipv6Addr>()));
    (kinds, vec(any::<u8>(), 24), v6).prop_map(|(kinds, value, v6)| {
        let mut out = Vec::new();
        if let Some((prefixes, address)) = v6 {
            let at = write::begin_mp_reach(&mut out, Family::Ipv6Unicast, NextHop::V6 { address, link_local: None });
            prefixes.iter().for_each(|prefix| write::prefix(&mut out, *prefix));
            let length = out.len() - at - 2;
            write::put_u16(&mut out, at, length);
        }
        for kind in kinds {
            let value: Vec<u8> = match kind {
                1 => vec![value[0] % 3],
                2 => [&[2, 3][..], &value[..12]].concat(),
                3..=5 => value[..4].to_vec(),
                6 => Vec::new(),
                7 => value[..8].to_vec(),
                _ => value.clone(),
            };
            let flags = kinds::flags(kind).unwrap_or(0xc0);
            write::attribute(&mut out, flags, kind, |out| out.extend(value));
        }
        out
    })
}

proptest! {
    #[test]
    fn an_update_comes_back(v4 in prefixes(Family::Ipv4Unicast), gone in prefixes(Family::Ipv4Unicast), attributes in attributes()) {
        let mut bytes = Vec::new();
        write::message(&mut bytes, Kind::Update, |out| {
            write::counted_u16(out, |out| gone.iter().for_each(|prefix| write::prefix(out, *prefix)));
            write::counted_u16(out, |out| out.extend(&attributes));
            v4.iter().for_each(|prefix| write::prefix(out, *prefix));
        });
        let message = read(&bytes, &INTERNAL).unwrap();
        let Message::Update(read_update, flaw) = &message else { panic!() };
        prop_assert!(flaw.is_none_or(|flaw| flaw.problem == Problem::Missing), "{flaw:?}");
        prop_assert_eq!(read_update.nlri.iter().collect::<Vec<_>>(), v4);
        prop_assert_eq!(read_update.withdrawn.iter().collect::<Vec<_>>(), gone);
        let again = message.encode(MAX_MESSAGE).unwrap();
        // A family's prefixes are written with a length of two octets, read values with one where that is enough.
        prop_assert_eq!(read(&again, &INTERNAL).unwrap().encode(MAX_MESSAGE).unwrap(), again.clone());
        let (first, second) = (update(&bytes, &INTERNAL).0, update(&again, &INTERNAL).0);
        prop_assert_eq!(first.attributes.unknown().collect::<Vec<_>>(), second.attributes.unknown().collect::<Vec<_>>());
        prop_assert_eq!(first.attributes.mp_reach, second.attributes.mp_reach);
        prop_assert_eq!(first.attributes.communities, second.attributes.communities);
    }

    #[test]
    fn any_bytes_are_read_or_refused(kind in 1u8..=5, body in vec(any::<u8>(), 0..200), wide_as: bool, external: bool) {
        let frame = Frame { kind: Kind::from_octet(kind).unwrap(), body: &body };
        let context = UpdateContext { wide_as, external };
        if let Ok(message) = decode(frame, &context) {
            let bytes = message.encode(MAX_MESSAGE).unwrap();
            prop_assert!(read(&bytes, &context).is_ok());
        }
    }

    #[test]
    fn a_stream_is_cut_alike_in_any_pieces(cuts in vec(1usize..40, 1..30)) {
        let stream = [golden(include_str!("golden/open.hex")), golden(include_str!("golden/keepalive.hex")),
            golden(include_str!("golden/update_ipv4.hex")), golden(include_str!("golden/route_refresh.hex"))].concat();
        let (mut framer, mut rest, mut kinds) = (Framer::default(), &stream[..], Vec::new());
        for cut in cuts.iter().cycle() {
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            framer.feed(piece);
            while let Some(frame) = framer.next_frame().unwrap() {
                kinds.push(frame.kind);
            }
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(kinds, [Kind::Open, Kind::Keepalive, Kind::Update, Kind::RouteRefresh]);
        prop_assert!(framer.partial().is_empty());
    }
}
