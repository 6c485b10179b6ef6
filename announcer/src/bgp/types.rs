//! What messages, sessions and routes have in common.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Address family and subsequent address family as numbers (RFC 4760).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct AfiSafi {
    /// Address family identifier.
    pub afi: u16,
    /// Subsequent address family identifier.
    pub safi: u8,
}

/// The families that are spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Family {
    /// IPv4 unicast (1/1).
    Ipv4Unicast,
    /// IPv6 unicast (2/1).
    Ipv6Unicast,
}

impl Family {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ipv4Unicast, Self::Ipv6Unicast];

    /// As numbers.
    #[must_use]
    pub const fn wire(self) -> AfiSafi {
        match self {
            Self::Ipv4Unicast => AfiSafi { afi: 1, safi: 1 },
            Self::Ipv6Unicast => AfiSafi { afi: 2, safi: 1 },
        }
    }

    /// From numbers; `None` for families that are not spoken here.
    #[must_use]
    pub const fn from_wire(wire: AfiSafi) -> Option<Self> {
        match (wire.afi, wire.safi) {
            (1, 1) => Some(Self::Ipv4Unicast),
            (2, 1) => Some(Self::Ipv6Unicast),
            _ => None,
        }
    }

    /// Bits of an address.
    #[must_use]
    pub const fn max_length(self) -> u8 {
        match self {
            Self::Ipv4Unicast => 32,
            Self::Ipv6Unicast => 128,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4Unicast => "ipv4-unicast",
            Self::Ipv6Unicast => "ipv6-unicast",
        })
    }
}

/// A network with its length in bits. The bits behind the length are zero, so that equal networks are equal values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(IpAddr, u8)", into = "(IpAddr, u8)")]
pub enum Prefix {
    /// An IPv4 network.
    V4 {
        /// Its address.
        network: Ipv4Addr,
        /// 0 to 32.
        length: u8,
    },
    /// An IPv6 network.
    V6 {
        /// Its address.
        network: Ipv6Addr,
        /// 0 to 128.
        length: u8,
    },
}

/// Why something is not a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PrefixError {
    /// More bits than an address has.
    #[error("a length of {length} bits, an address of this family has {max}")]
    TooLong {
        /// The length.
        length: u8,
        /// The longest.
        max: u8,
    },
    /// Not `ADDRESS/LENGTH`.
    #[error("{0:?} is not a prefix: write ADDRESS/LENGTH, as in 192.0.2.0/24")]
    Text(String),
}

impl Prefix {
    /// The IPv4 network that has the address in it; `None` for more than 32 bits.
    #[must_use]
    pub fn v4(address: Ipv4Addr, length: u8) -> Option<Self> {
        let host = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        (length <= 32).then(|| Self::V4 { network: Ipv4Addr::from_bits(address.to_bits() & !host), length })
    }

    /// The IPv6 network that has the address in it; `None` for more than 128 bits.
    #[must_use]
    pub fn v6(address: Ipv6Addr, length: u8) -> Option<Self> {
        let host = u128::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        (length <= 128).then(|| Self::V6 { network: Ipv6Addr::from_bits(address.to_bits() & !host), length })
    }

    /// The network that has the address in it.
    ///
    /// # Errors
    /// For more bits than the address has.
    pub fn new(address: impl Into<IpAddr>, length: u8) -> Result<Self, PrefixError> {
        let (prefix, max) = match address.into() {
            IpAddr::V4(address) => (Self::v4(address, length), 32),
            IpAddr::V6(address) => (Self::v6(address, length), 128),
        };
        prefix.ok_or(PrefixError::TooLong { length, max })
    }

    /// The network of one address: /32 or /128.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(network) => Self::V4 { network, length: 32 },
            IpAddr::V6(network) => Self::V6 { network, length: 128 },
        }
    }

    /// The family of its routes.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4 { .. } => Family::Ipv4Unicast,
            Self::V6 { .. } => Family::Ipv6Unicast,
        }
    }

    /// Address of the network.
    #[must_use]
    pub const fn network(self) -> IpAddr {
        match self {
            Self::V4 { network, .. } => IpAddr::V4(network),
            Self::V6 { network, .. } => IpAddr::V6(network),
        }
    }

    /// Length in bits.
    #[must_use]
    pub const fn length(self) -> u8 {
        match self {
            Self::V4 { length, .. } | Self::V6 { length, .. } => length,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network(), self.length())
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let wrong = || PrefixError::Text(text.to_owned());
        let (address, length) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        Self::new(address, length.parse().map_err(|_| wrong())?)
    }
}

impl TryFrom<(IpAddr, u8)> for Prefix {
    type Error = PrefixError;

    fn try_from((address, length): (IpAddr, u8)) -> Result<Self, PrefixError> {
        Self::new(address, length)
    }
}

impl From<Prefix> for (IpAddr, u8) {
    fn from(prefix: Prefix) -> Self {
        (prefix.network(), prefix.length())
    }
}

/// Where packets for a route are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum NextHop {
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address (RFC 2545).
    V6 {
        /// The global address; a link-local one where there is no other.
        address: Ipv6Addr,
        /// The link-local address on a link that is shared with the peer.
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// One address alone.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6 { address, link_local: None },
        }
    }

    /// Whether it is valid only on its link.
    #[must_use]
    pub const fn is_link_local(self) -> bool {
        matches!(self, Self::V6 { address, .. } if address.is_unicast_link_local())
    }
}
