//! Neighbour solicitations and advertisements in and out, with their IPv6 and ICMPv6 headers.
//!
//! A packet with extension headers is not read: neighbour discovery has no use for them, and fragments are forbidden
//! (RFC 6980).

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::ethernet::EtherTypes;
use pnet_packet::icmpv6::ndp::{
    MutableNeighborAdvertPacket, MutableNeighborSolicitPacket, NdpOptionTypes, NeighborAdvertFlags,
    NeighborAdvertPacket, NeighborSolicitPacket,
};
use pnet_packet::icmpv6::{Icmpv6Packet, Icmpv6Type, Icmpv6Types, checksum};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::{Ipv6Packet, MutableIpv6Packet};

use crate::{Malformed, ethernet};

/// All nodes of the link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Hop limit of every neighbour discovery packet.
const HOP_LIMIT: u8 = 255;
/// Bytes of the IPv6 header.
const IPV6_HEADER: usize = 40;
/// Bytes of a solicitation or advertisement without options.
const MESSAGE: usize = 24;
/// Bytes of an option with an Ethernet address.
const MAC_OPTION: usize = 8;
/// Options are measured in units of this many bytes.
const OPTION_UNIT: usize = 8;

/// A neighbour discovery packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NdpPacket {
    /// IPv6 source; unspecified in a probe for duplicates.
    pub source: Ipv6Addr,
    /// IPv6 destination.
    pub destination: Ipv6Addr,
    /// What it says.
    pub message: NdpMessage,
}

/// The two messages that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NdpMessage {
    /// Who has the target address? (RFC 4861 section 4.3)
    Solicitation {
        /// The address asked for.
        target: Ipv6Addr,
        /// Source link-layer address option.
        source_mac: Option<MacAddr>,
    },
    /// The target address is at the target MAC (RFC 4861 section 4.4).
    Advertisement {
        /// The address told of.
        target: Ipv6Addr,
        /// The sender is a router.
        router: bool,
        /// It answers a solicitation.
        solicited: bool,
        /// It replaces what a neighbour has cached.
        replace: bool,
        /// Target link-layer address option.
        target_mac: Option<MacAddr>,
    },
}

/// The group that hears solicitations for an address (RFC 4291 section 2.7.1): `ff02::1:ff` and its last 24 bits.
#[must_use]
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c]))
}

/// The Ethernet address of an IPv6 multicast group (RFC 2464 section 7): `33:33` and its last 32 bits.
#[must_use]
pub fn multicast_mac(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr(0x33, 0x33, a, b, c, d)
}

impl NdpPacket {
    /// Reads the payload of an IPv6 frame and does all the checks of RFC 4861 sections 7.1.1 and 7.1.2. `None` for anything
    /// that is neither a solicitation nor an advertisement.
    ///
    /// # Errors
    /// When it is one of them and malformed, or not IPv6 at all.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let truncated = |part, need, got| Malformed::Truncated { part, need, got };
        let ip = Ipv6Packet::new(payload).ok_or_else(|| truncated("IPv6 header", IPV6_HEADER, payload.len()))?;
        if ip.get_version() != 6 {
            return Err(Malformed::Version(ip.get_version()));
        }
        if ip.get_next_header() != IpNextHeaderProtocols::Icmpv6 {
            return Ok(None);
        }
        let length = usize::from(ip.get_payload_length());
        let rest = payload.len().saturating_sub(IPV6_HEADER);
        let body = payload.get(IPV6_HEADER..IPV6_HEADER + length).ok_or_else(|| truncated("ICMPv6", length, rest))?;
        let icmp = Icmpv6Packet::new(body).ok_or_else(|| truncated("ICMPv6 header", 4, body.len()))?;
        let kind = icmp.get_icmpv6_type();
        if kind != Icmpv6Types::NeighborSolicit && kind != Icmpv6Types::NeighborAdvert {
            return Ok(None);
        }
        check_header(&ip, &icmp)?;
        let (source, destination) = (ip.get_source(), ip.get_destination());
        let message = parse_message(kind, body)?;
        check_message(source, destination, &message)?;
        Ok(Some(Self { source, destination, message }))
    }

    /// Writes the packet into an Ethernet frame.
    #[must_use]
    pub fn build(&self, source_mac: MacAddr, destination_mac: MacAddr) -> Vec<u8> {
        let mut body = build_message(&self.message);
        if let Some(icmp) = Icmpv6Packet::new(&body) {
            let sum = checksum(&icmp, &self.source, &self.destination);
            body[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        let mut bytes = vec![0; IPV6_HEADER + body.len()];
        if let Some(mut ip) = MutableIpv6Packet::new(&mut bytes) {
            ip.set_version(6);
            ip.set_payload_length(u16::try_from(body.len()).unwrap_or(u16::MAX));
            ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
            ip.set_hop_limit(HOP_LIMIT);
            ip.set_source(self.source);
            ip.set_destination(self.destination);
            ip.set_payload(&body);
        }
        ethernet::build(source_mac, destination_mac, EtherTypes::Ipv6, &bytes)
    }
}

fn check_header(ip: &Ipv6Packet<'_>, icmp: &Icmpv6Packet<'_>) -> Result<(), Malformed> {
    if ip.get_hop_limit() != HOP_LIMIT {
        return Err(Malformed::HopLimit(ip.get_hop_limit()));
    }
    let want = checksum(icmp, &ip.get_source(), &ip.get_destination());
    if icmp.get_checksum() != want {
        return Err(Malformed::Checksum { got: icmp.get_checksum(), want });
    }
    match icmp.get_icmpv6_code().0 {
        0 => Ok(()),
        code => Err(Malformed::Code(code)),
    }
}

fn parse_message(kind: Icmpv6Type, body: &[u8]) -> Result<NdpMessage, Malformed> {
    let truncated = Malformed::Truncated { part: "neighbour message", need: MESSAGE, got: body.len() };
    let options = body.get(MESSAGE..).ok_or(truncated)?;
    if kind == Icmpv6Types::NeighborSolicit {
        let packet = NeighborSolicitPacket::new(body).ok_or(truncated)?;
        let source_mac = mac_option(options, NdpOptionTypes::SourceLLAddr.0)?;
        return Ok(NdpMessage::Solicitation { target: packet.get_target_addr(), source_mac });
    }
    let packet = NeighborAdvertPacket::new(body).ok_or(truncated)?;
    let flag = |bit| packet.get_flags() & bit != 0;
    Ok(NdpMessage::Advertisement {
        target: packet.get_target_addr(),
        router: flag(NeighborAdvertFlags::Router),
        solicited: flag(NeighborAdvertFlags::Solicited),
        replace: flag(NeighborAdvertFlags::Override),
        target_mac: mac_option(options, NdpOptionTypes::TargetLLAddr.0)?,
    })
}

/// Walks all options and gives the link-layer address of the wanted one. (pnet's own iterator does not check that the
/// length of an option stays inside the message.)
fn mac_option(mut options: &[u8], wanted: u8) -> Result<Option<MacAddr>, Malformed> {
    let mut found = None;
    while let Some(&kind) = options.first() {
        let length = options.get(1).copied().unwrap_or(0);
        let wrong = Malformed::OptionLength { kind, length };
        let end = usize::from(length) * OPTION_UNIT;
        if end == 0 {
            return Err(wrong);
        }
        let option = options.get(..end).ok_or(wrong)?;
        if let (true, &[_, _, a, b, c, d, e, f]) = (kind == wanted, option) {
            found = found.or(Some(MacAddr(a, b, c, d, e, f)));
        } else if kind == wanted {
            return Err(wrong);
        }
        options = options.get(end..).unwrap_or_default();
    }
    Ok(found)
}

fn check_message(source: Ipv6Addr, destination: Ipv6Addr, message: &NdpMessage) -> Result<(), Malformed> {
    let (NdpMessage::Solicitation { target, .. } | NdpMessage::Advertisement { target, .. }) = *message;
    if target.is_multicast() {
        return Err(Malformed::MulticastTarget(target));
    }
    match *message {
        NdpMessage::Solicitation { source_mac, .. } if source.is_unspecified() => {
            let valid = source_mac.is_none() && destination == solicited_node(target);
            if valid { Ok(()) } else { Err(Malformed::Probe) }
        }
        NdpMessage::Advertisement { solicited: true, .. } if destination.is_multicast() => {
            Err(Malformed::SolicitedMulticast)
        }
        _ => Ok(()),
    }
}

fn build_message(message: &NdpMessage) -> Vec<u8> {
    let (option, mac) = match *message {
        NdpMessage::Solicitation { source_mac, .. } => (NdpOptionTypes::SourceLLAddr, source_mac),
        NdpMessage::Advertisement { target_mac, .. } => (NdpOptionTypes::TargetLLAddr, target_mac),
    };
    let mut body = vec![0; MESSAGE];
    match *message {
        NdpMessage::Solicitation { target, .. } => {
            if let Some(mut packet) = MutableNeighborSolicitPacket::new(&mut body) {
                packet.set_icmpv6_type(Icmpv6Types::NeighborSolicit);
                packet.set_target_addr(target);
                debug_assert_eq!(packet.packet().len(), MESSAGE);
            }
        }
        NdpMessage::Advertisement { target, router, solicited, replace, .. } => {
            if let Some(mut packet) = MutableNeighborAdvertPacket::new(&mut body) {
                packet.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
                let bit = |set, bit| if set { bit } else { 0 };
                packet.set_flags(
                    bit(router, NeighborAdvertFlags::Router)
                        | bit(solicited, NeighborAdvertFlags::Solicited)
                        | bit(replace, NeighborAdvertFlags::Override),
                );
                packet.set_target_addr(target);
            }
        }
    }
    if let Some(mac) = mac {
        body.reserve(MAC_OPTION);
        body.extend([option.0, 1]);
        body.extend(mac.octets());
    }
    body
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ethernet::HEADER;

    const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);

    fn address() -> impl Strategy<Value = Ipv6Addr> {
        any::<u128>().prop_map(|bits| Ipv6Addr::from(bits >> 3 | 1 << 125))
    }

    fn packet() -> impl Strategy<Value = NdpPacket> {
        let mac = || proptest::option::of(any::<[u8; 6]>().prop_map(MacAddr::from));
        let solicitation =
            (address(), mac()).prop_map(|(target, source_mac)| NdpMessage::Solicitation { target, source_mac });
        let advertisement = (address(), any::<[bool; 3]>(), mac()).prop_map(|(target, flags, target_mac)| {
            let [router, solicited, replace] = flags;
            NdpMessage::Advertisement { target, router, solicited, replace, target_mac }
        });
        (address(), address(), prop_oneof![solicitation, advertisement])
            .prop_map(|(source, destination, message)| NdpPacket { source, destination, message })
    }

    fn probe(target: &str) -> NdpPacket {
        let target = target.parse().unwrap();
        NdpPacket {
            source: Ipv6Addr::UNSPECIFIED,
            destination: solicited_node(target),
            message: NdpMessage::Solicitation { target, source_mac: None },
        }
    }

    fn reread(packet: NdpPacket) -> Result<Option<NdpPacket>, Malformed> {
        NdpPacket::parse(&packet.build(MAC, MAC)[HEADER..])
    }

    /// RFC 4291 section 2.7.1 and RFC 2464 section 7 give these examples.
    #[test]
    fn groups_and_their_macs() {
        let group = solicited_node("4037::01:800:200e:8c6c".parse().unwrap());
        assert_eq!(group, "ff02::1:ff0e:8c6c".parse::<Ipv6Addr>().unwrap());
        assert_eq!(multicast_mac(group), MacAddr(0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c));
        assert_eq!(multicast_mac(ALL_NODES), MacAddr(0x33, 0x33, 0, 0, 0, 1));
    }

    #[test]
    fn probes_are_checked() {
        assert_eq!(reread(probe("fd00::5")), Ok(Some(probe("fd00::5"))));
        let mut wrong = probe("fd00::5");
        wrong.destination = ALL_NODES;
        assert_eq!(reread(wrong), Err(Malformed::Probe));
        let mut wrong = probe("fd00::5");
        wrong.message = NdpMessage::Solicitation { target: "fd00::5".parse().unwrap(), source_mac: Some(MAC) };
        assert_eq!(reread(wrong), Err(Malformed::Probe));
        assert_eq!(reread(probe("ff02::5")), Err(Malformed::MulticastTarget("ff02::5".parse().unwrap())));
    }

    #[test]
    fn headers_are_checked() {
        let good = probe("fd00::5").build(MAC, MAC);
        let broken = |at: usize, value: u8| {
            let mut frame = good.clone();
            frame[at] = value;
            NdpPacket::parse(&frame[HEADER..])
        };
        assert_eq!(broken(HEADER + 7, 64), Err(Malformed::HopLimit(64)));
        assert!(matches!(broken(HEADER + IPV6_HEADER + 2, 0xee), Err(Malformed::Checksum { .. })));
        assert!(matches!(broken(HEADER + IPV6_HEADER + 9, 1), Err(Malformed::Checksum { .. })));
        assert_eq!(broken(HEADER, 0x40), Err(Malformed::Version(4)));
        assert!(matches!(broken(HEADER + 5, 200), Err(Malformed::Truncated { .. })));
        assert_eq!(broken(HEADER + 6, 17), Ok(None));
        assert_eq!(broken(HEADER + IPV6_HEADER, 133), Ok(None));
    }

    #[test]
    fn options_of_wrong_length_are_refused() {
        assert_eq!(mac_option(&[1, 0, 0, 0, 0, 0, 0, 0], 1), Err(Malformed::OptionLength { kind: 1, length: 0 }));
        assert_eq!(mac_option(&[1, 2, 0, 0, 0, 0, 0, 0], 1), Err(Malformed::OptionLength { kind: 1, length: 2 }));
        assert_eq!(mac_option(&[1], 1), Err(Malformed::OptionLength { kind: 1, length: 0 }));
        let with_nonce = [14, 1, 9, 9, 9, 9, 9, 9, 1, 1, 2, 0, 0, 0, 0, 1];
        assert_eq!(mac_option(&with_nonce, 1), Ok(Some(MAC)));
        assert_eq!(mac_option(&with_nonce, 2), Ok(None));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(packet in packet(), padding in 0usize..20) {
            let mut frame = packet.build(MAC, MAC);
            frame.resize(frame.len() + padding, 0);
            prop_assert_eq!(NdpPacket::parse(&frame[HEADER..]), Ok(Some(packet)));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = NdpPacket::parse(&bytes);
        }

        #[test]
        fn no_options_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60), wanted in 0u8..4) {
            let _ = mac_option(&bytes, wanted);
        }

        #[test]
        fn no_mutation_panics(packet in packet(), at in 0usize..72, value: u8, length in 0usize..72) {
            let mut frame = packet.build(MAC, MAC);
            let end = frame.len();
            frame[(HEADER + at).min(end - 1)] = value;
            let _ = NdpPacket::parse(&frame[HEADER..]);
            let _ = NdpPacket::parse(&frame[HEADER..(HEADER + length).min(end)]);
        }
    }
}
