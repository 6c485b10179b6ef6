//! What ARP and NDP have in common: who claims an address, who asks for one, and what is wrong with a frame.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_base::MacAddr;
use thiserror::Error;

/// A station says that an address is at its MAC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The address that is claimed.
    pub address: IpAddr,
    /// The link-layer address that it is claimed for.
    pub mac: MacAddr,
}

/// A station asks who has an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// The address asked for.
    pub target: IpAddr,
    /// Where the answer goes.
    pub asker_mac: MacAddr,
    /// The asker's own address; unspecified when it probes for duplicates (RFC 5227 section 2.1.1, RFC 4862 section 5.4).
    pub asker: IpAddr,
}

/// What one frame says. A single ARP request may do both: claim its sender's address and ask for another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Heard {
    /// The claim in it.
    pub claim: Option<Claim>,
    /// The question in it.
    pub question: Option<Question>,
}

/// Why a frame is not valid and was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The frame ends before the part named.
    #[error("{part} ends after {got} bytes, {need} are needed")]
    Truncated {
        /// The header or message that is cut short.
        part: &'static str,
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        got: usize,
    },
    /// The ARP header does not say Ethernet and IPv4 (RFC 826).
    #[error("ARP for hardware type {hardware} and protocol {protocol:#06x}, not for Ethernet (1) and IPv4 (0x0800)")]
    NotEthernetIpv4 {
        /// `ar$hrd`.
        hardware: u16,
        /// `ar$pro`.
        protocol: u16,
    },
    /// A sender or source link-layer address that no station can have.
    #[error("sender has the link-layer address {0}, which is not a unicast address")]
    SenderMac(MacAddr),
    /// Not version 6 behind the IPv6 ethertype.
    #[error("IP version {0} behind the ethertype of IPv6")]
    Version(u8),
    /// RFC 4861 sections 7.1.1 and 7.1.2: anything but 255 has crossed a router.
    #[error("hop limit {0} instead of 255")]
    HopLimit(u8),
    /// The ICMPv6 checksum does not fit.
    #[error("ICMPv6 checksum {got:#06x} instead of {want:#06x}")]
    Checksum {
        /// The sum in the packet.
        got: u16,
        /// The sum as computed.
        want: u16,
    },
    /// RFC 4861: the code of neighbour discovery messages is 0.
    #[error("ICMPv6 code {0} instead of 0")]
    Code(u8),
    /// The target of a neighbour message is a multicast address.
    #[error("target {0} is a multicast address")]
    MulticastTarget(Ipv6Addr),
    /// An option of length 0 or one that reaches beyond the message (RFC 4861 section 4.6).
    #[error("option {kind} has the wrong length of {length} times 8 bytes")]
    OptionLength {
        /// Type of the option.
        kind: u8,
        /// Its length field.
        length: u8,
    },
    /// A probe for duplicates must go to the solicited-node group and must not carry a link-layer address
    /// (RFC 4861 section 7.1.1).
    #[error("solicitation from the unspecified address is not a valid probe for duplicates")]
    Probe,
    /// An advertisement to a multicast address must not be flagged as solicited (RFC 4861 section 7.1.2).
    #[error("solicited advertisement to a multicast address")]
    SolicitedMulticast,
}

/// Whether an address can be owned by a node at all: a unicast address that is not of the node itself.
#[must_use]
pub fn announceable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_loopback() || v4.is_multicast() || v4 == Ipv4Addr::BROADCAST),
        IpAddr::V6(v6) => {
            !(v6.is_unspecified() || v6.is_loopback() || v6.is_multicast() || v6.to_ipv4_mapped().is_some())
        }
    }
}

/// A link-layer address that one station can have: neither a group nor all zero.
pub(crate) fn is_station(mac: MacAddr) -> bool {
    mac.octets()[0] & 1 == 0 && mac != MacAddr::zero()
}
