//! Router solicitations and advertisements, as ICMPv6 sockets take and give them: the kernel writes and checks checksums.

use std::net::Ipv6Addr;
use std::time::Duration;

use pnet_base::MacAddr;
use pnet_packet::icmpv6::ndp::{
    MutableRouterAdvertPacket, MutableRouterSolicitPacket, NdpOptionTypes, RouterAdvertPacket,
};
use pnet_packet::icmpv6::{Icmpv6Packet, Icmpv6Types};
use thiserror::Error;

/// All routers of the link: solicitations go there.
pub(super) const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// What has not crossed a router, and only that, has this hop limit.
pub(super) const HOP_LIMIT: u8 = 255;
/// Octets of a solicitation without options.
const SOLICITATION: usize = 8;
/// Octets of an advertisement without options.
const ADVERTISEMENT: usize = 16;
/// Options are measured in units of this many octets.
const OPTION_UNIT: usize = 8;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Its IPv6 source.
    pub source: Ipv6Addr,
    /// Its hop limit, where the kernel told.
    pub hop_limit: Option<u8>,
}

/// A message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// Routers are asked to advertise themselves (RFC 4861 section 4.1).
    Solicitation,
    /// The source is a router (RFC 4861 section 4.2).
    Advertisement {
        /// For how long it is a default router; 0 when it is none.
        lifetime: Duration,
    },
}

/// Why a message was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Discard {
    /// It ends too early.
    #[error("{got} octets, {need} are needed")]
    Truncated {
        /// Octets needed.
        need: usize,
        /// Octets there.
        got: usize,
    },
    /// RFC 4861 section 6.1: anything but 255 has crossed a router.
    #[error("hop limit {0} instead of 255")]
    HopLimit(u8),
    /// The kernel did not say what hop limit it had, so nothing shows that it may be trusted.
    #[error("received without its hop limit")]
    NoHopLimit,
    /// The code is 0.
    #[error("ICMPv6 code {0} instead of 0")]
    Code(u8),
    /// A router advertises itself by its link-local address.
    #[error("advertisement from {0}, which is not a link-local address")]
    Source(Ipv6Addr),
    /// An option of length 0 or one that reaches beyond the message (RFC 4861 section 4.6).
    #[error("option {kind} has the wrong length of {length} times 8 octets")]
    OptionLength {
        /// Type of the option.
        kind: u8,
        /// Its length field.
        length: u8,
    },
    /// Who has no address yet does not tell its link-layer address.
    #[error("solicitation from the unspecified address with a link-layer address")]
    Unspecified,
}

impl Discard {
    /// A short name, the same for all messages with this reason. For metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Truncated { .. } => "truncated",
            Self::HopLimit(_) => "hop_limit",
            Self::NoHopLimit => "no_hop_limit",
            Self::Code(_) => "code",
            Self::Source(_) => "source",
            Self::OptionLength { .. } => "option_length",
            Self::Unspecified => "unspecified",
        }
    }
}

/// Reads a message and does the checks of RFC 4861 section 6.1, but for the checksum. `None` for other messages.
pub(super) fn parse(arrival: &Arrival, bytes: &[u8]) -> Result<Option<Message>, Discard> {
    let need = |need| Discard::Truncated { need, got: bytes.len() };
    let icmp = Icmpv6Packet::new(bytes).ok_or(need(4))?;
    let kind = icmp.get_icmpv6_type();
    let header = match kind {
        Icmpv6Types::RouterSolicit => SOLICITATION,
        Icmpv6Types::RouterAdvert => ADVERTISEMENT,
        _ => return Ok(None),
    };
    match arrival.hop_limit {
        Some(HOP_LIMIT) => {}
        Some(other) => return Err(Discard::HopLimit(other)),
        None => return Err(Discard::NoHopLimit),
    }
    if icmp.get_icmpv6_code().0 != 0 {
        return Err(Discard::Code(icmp.get_icmpv6_code().0));
    }
    let has_mac = has_source_mac(bytes.get(header..).ok_or(need(header))?)?;
    if kind == Icmpv6Types::RouterSolicit {
        let wrong = has_mac && arrival.source.is_unspecified();
        return if wrong { Err(Discard::Unspecified) } else { Ok(Some(Message::Solicitation)) };
    }
    if !arrival.source.is_unicast_link_local() {
        return Err(Discard::Source(arrival.source));
    }
    let packet = RouterAdvertPacket::new(bytes).ok_or(need(header))?;
    Ok(Some(Message::Advertisement { lifetime: Duration::from_secs(packet.get_lifetime().into()) }))
}

/// Walks all options; whether a source link-layer address is among them. (pnet's own iterator does not check that the
/// length of an option stays inside the message.)
fn has_source_mac(mut options: &[u8]) -> Result<bool, Discard> {
    let mut found = false;
    while let Some(&kind) = options.first() {
        let length = options.get(1).copied().unwrap_or(0);
        let end = usize::from(length) * OPTION_UNIT;
        options = options.get(end..).filter(|_| end > 0).ok_or(Discard::OptionLength { kind, length })?;
        found |= kind == NdpOptionTypes::SourceLLAddr.0;
    }
    Ok(found)
}

/// Asks routers to advertise themselves.
pub(super) fn solicitation(mac: Option<MacAddr>) -> Vec<u8> {
    let mut bytes = vec![0; SOLICITATION];
    if let Some(mut packet) = MutableRouterSolicitPacket::new(&mut bytes) {
        packet.set_icmpv6_type(Icmpv6Types::RouterSolicit);
    }
    push_mac(&mut bytes, mac);
    bytes
}

/// Says that this node is here and is no default router: with a router lifetime of 0, no prefix and nothing else that is
/// specified, hosts take nothing from it.
pub(super) fn advertisement(mac: Option<MacAddr>) -> Vec<u8> {
    let mut bytes = vec![0; ADVERTISEMENT];
    if let Some(mut packet) = MutableRouterAdvertPacket::new(&mut bytes) {
        packet.set_icmpv6_type(Icmpv6Types::RouterAdvert);
    }
    push_mac(&mut bytes, mac);
    bytes
}

/// Source link-layer address (RFC 4861 section 4.6.1).
fn push_mac(bytes: &mut Vec<u8>, mac: Option<MacAddr>) {
    if let Some(mac) = mac {
        bytes.extend([NdpOptionTypes::SourceLLAddr.0, 1]);
        bytes.extend(mac.octets());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);

    fn from(source: &str) -> Arrival {
        Arrival { source: source.parse().unwrap(), hop_limit: Some(255) }
    }

    fn read(bytes: &[u8]) -> Result<Option<Message>, Discard> {
        parse(&from("fe80::20"), bytes)
    }

    #[test]
    fn what_is_sent_is_as_in_the_rfc() {
        assert_eq!(solicitation(None), [133, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(solicitation(Some(MAC)), [133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1]);
        let mut want = vec![134];
        want.extend([0; 15]);
        assert_eq!(advertisement(None), want);
        want.extend([1, 1, 2, 0, 0, 0, 0, 1]);
        assert_eq!(advertisement(Some(MAC)), want);
    }

    #[test]
    fn what_is_sent_can_be_read() {
        assert_eq!(read(&solicitation(Some(MAC))), Ok(Some(Message::Solicitation)));
        let lifetime = Duration::ZERO;
        assert_eq!(read(&advertisement(Some(MAC))), Ok(Some(Message::Advertisement { lifetime })));
        let mut advertisement = advertisement(None);
        advertisement[6..8].copy_from_slice(&[0x07, 0x08]);
        let lifetime = Duration::from_secs(1800);
        assert_eq!(read(&advertisement), Ok(Some(Message::Advertisement { lifetime })));
        assert_eq!(read(&[128, 0, 0, 0, 0, 0, 0, 0]), Ok(None));
    }

    #[test]
    fn what_is_not_valid_is_discarded() {
        let good = advertisement(Some(MAC));
        let with = |at: usize, value| {
            let mut bytes = good.clone();
            bytes[at] = value;
            bytes
        };
        for (arrival, bytes, want) in [
            (Arrival { hop_limit: Some(254), ..from("fe80::20") }, good.clone(), Discard::HopLimit(254)),
            (Arrival { hop_limit: None, ..from("fe80::20") }, good.clone(), Discard::NoHopLimit),
            (from("fd00:5::20"), good.clone(), Discard::Source("fd00:5::20".parse().unwrap())),
            (from("::"), solicitation(Some(MAC)), Discard::Unspecified),
            (from("fe80::20"), with(1, 1), Discard::Code(1)),
            (from("fe80::20"), with(17, 0), Discard::OptionLength { kind: 1, length: 0 }),
            (from("fe80::20"), with(17, 2), Discard::OptionLength { kind: 1, length: 2 }),
            (from("fe80::20"), good[..15].into(), Discard::Truncated { need: 16, got: 15 }),
            (from("fe80::20"), good[..17].into(), Discard::OptionLength { kind: 1, length: 0 }),
            (from("fe80::20"), good[..3].into(), Discard::Truncated { need: 4, got: 3 }),
        ] {
            assert_eq!(parse(&arrival, &bytes), Err(want), "{bytes:?}");
        }
        assert_eq!(parse(&from("::"), &solicitation(None)), Ok(Some(Message::Solicitation)));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(kind in 130u8..136, rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = read(&[&[kind, 0], &rest[..]].concat());
        }
    }
}
