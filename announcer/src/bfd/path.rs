//! Between which addresses a session runs, and how packets that name no session are given to one.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How far away the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Hops {
    /// On the same link (RFC 5881): UDP port 3784, and what was forwarded by a router is not taken.
    Single,
    /// Behind routers (RFC 5883): UDP port 4784.
    Multi,
}

impl Hops {
    /// The UDP port that packets are sent to.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Single => 3784,
            Self::Multi => 4784,
        }
    }
}

/// Between which addresses a session runs. There is one session for each path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Path {
    peer: IpAddr,
    hops: Hops,
    local: Option<IpAddr>,
    interface: Option<NonZeroU32>,
}

/// Why there can be no session between these addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PathError {
    /// Not an address that a router can have.
    #[error("{0} cannot be the address of a BFD peer")]
    Peer(IpAddr),
    /// One is IPv4, the other IPv6.
    #[error("the local address {local} is not of the family of the peer {peer}")]
    Family {
        /// The peer's.
        peer: IpAddr,
        /// Ours.
        local: IpAddr,
    },
    /// A link-local address means something only on an interface.
    #[error("the link-local peer {0} needs an interface")]
    NoInterface(Ipv6Addr),
    /// Routers forward nothing for a link-local address.
    #[error("the link-local peer {0} cannot be reached over several hops")]
    LinkLocalMultihop(Ipv6Addr),
}

impl Path {
    /// A path to a peer. Without a local address the system chooses one, and packets to any of ours are taken; with an
    /// interface (its index) packets leave by it, and only those that come in by it are taken.
    ///
    /// # Errors
    /// When the addresses do not go together.
    pub fn new(
        peer: IpAddr,
        hops: Hops,
        local: Option<IpAddr>,
        interface: Option<NonZeroU32>,
    ) -> Result<Self, PathError> {
        if !is_host(peer) {
            return Err(PathError::Peer(peer));
        }
        if let Some(local) = local.filter(|local| local.is_ipv4() != peer.is_ipv4()) {
            return Err(PathError::Family { peer, local });
        }
        match peer {
            IpAddr::V6(v6) if v6.is_unicast_link_local() && hops == Hops::Multi => {
                Err(PathError::LinkLocalMultihop(v6))
            }
            IpAddr::V6(v6) if v6.is_unicast_link_local() && interface.is_none() => Err(PathError::NoInterface(v6)),
            _ => Ok(Self { peer, hops, local, interface }),
        }
    }

    /// The peer's address.
    #[must_use]
    pub const fn peer(&self) -> IpAddr {
        self.peer
    }

    /// How far away it is.
    #[must_use]
    pub const fn hops(&self) -> Hops {
        self.hops
    }

    /// Our address, where it was told.
    #[must_use]
    pub const fn local(&self) -> Option<IpAddr> {
        self.local
    }

    /// The index of our interface, where it was told.
    #[must_use]
    pub const fn interface(&self) -> Option<NonZeroU32> {
        self.interface
    }

    /// Not after any path to a peer.
    pub(super) const fn first_of(peer: IpAddr) -> Self {
        Self { peer, hops: Hops::Single, local: None, interface: None }
    }

    /// Whether a packet without our discriminator can be for this path, and how much of the path speaks for it.
    pub(super) fn fits(&self, arrival: &Arrival) -> Option<usize> {
        let local = self.local.is_none_or(|local| arrival.to == Some(local));
        let interface = self.interface.is_none_or(|index| arrival.interface == Some(index));
        let fits = self.peer == arrival.from && self.hops == arrival.hops && local && interface;
        fits.then_some(usize::from(self.local.is_some()) + usize::from(self.interface.is_some()))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.peer)?;
        if let Some(interface) = self.interface {
            write!(f, "%{interface}")?;
        }
        if let Some(local) = self.local {
            write!(f, " from {local}")?;
        }
        match self.hops {
            Hops::Single => Ok(()),
            Hops::Multi => f.write_str(" (multihop)"),
        }
    }
}

fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !(v4.is_unspecified() || v4.is_multicast() || v4 == Ipv4Addr::BROADCAST),
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast() || v6.to_ipv4_mapped().is_some()),
    }
}

/// How a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// On which of the two ports.
    pub hops: Hops,
    /// The sender's address.
    pub from: IpAddr,
    /// The address of ours that it was sent to.
    pub to: Option<IpAddr>,
    /// The index of the interface that it came in by.
    pub interface: Option<NonZeroU32>,
    /// TTL or hop limit, as it came.
    pub ttl: Option<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(peer: &str, hops: Hops, local: Option<&str>, interface: Option<u32>) -> Result<Path, PathError> {
        let local = local.map(|local| local.parse().unwrap());
        Path::new(peer.parse().unwrap(), hops, local, interface.map(|index| NonZeroU32::new(index).unwrap()))
    }

    #[test]
    fn addresses_that_do_not_go_together_are_refused() {
        use Hops::{Multi, Single};
        let refused = [
            (path("0.0.0.0", Single, None, None), "0.0.0.0 cannot be the address of a BFD peer"),
            (path("ff02::1", Single, None, Some(2)), "ff02::1 cannot be the address of a BFD peer"),
            (path("::ffff:10.0.0.1", Single, None, None), "::ffff:10.0.0.1 cannot be the address of a BFD peer"),
            (
                path("10.0.0.1", Single, Some("fd00::1"), None),
                "the local address fd00::1 is not of the family of the peer 10.0.0.1",
            ),
            (path("fe80::1", Single, None, None), "the link-local peer fe80::1 needs an interface"),
            (path("fe80::1", Multi, None, Some(2)), "the link-local peer fe80::1 cannot be reached over several hops"),
        ];
        for (path, message) in refused {
            assert_eq!(path.unwrap_err().to_string(), message);
        }
        assert!(path("fe80::1", Single, None, Some(2)).is_ok());
    }

    #[test]
    fn what_is_told_of_a_path_must_fit() {
        let arrival = Arrival {
            hops: Hops::Single,
            from: "10.0.0.1".parse().unwrap(),
            to: Some("10.0.0.2".parse().unwrap()),
            interface: NonZeroU32::new(3),
            ttl: Some(255),
        };
        let fits = |peer, hops, local, interface| path(peer, hops, local, interface).unwrap().fits(&arrival);
        assert_eq!(fits("10.0.0.1", Hops::Single, None, None), Some(0));
        assert_eq!(fits("10.0.0.1", Hops::Single, Some("10.0.0.2"), Some(3)), Some(2));
        assert_eq!(fits("10.0.0.1", Hops::Single, Some("10.0.0.3"), None), None);
        assert_eq!(fits("10.0.0.1", Hops::Single, None, Some(4)), None);
        assert_eq!(fits("10.0.0.9", Hops::Single, None, None), None);
        assert_eq!(fits("10.0.0.1", Hops::Multi, None, None), None);
    }
}
