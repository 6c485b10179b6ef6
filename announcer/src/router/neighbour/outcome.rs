//! What is known of an interface: this node's end of it, and the router at the other.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use pnet_base::MacAddr;

use crate::Link;

/// This node's end of a link that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalEnd {
    /// The interface's MAC; `None` when it is not Ethernet.
    pub mac: Option<MacAddr>,
    /// Its link-local addresses. The lowest one is used, the others are known to be no router's.
    pub link_local: BTreeSet<Ipv6Addr>,
}

impl LocalEnd {
    /// That of an interface; `None` while it is down.
    #[must_use]
    pub fn of(link: &Link) -> Option<Self> {
        let link_local = link.addresses.iter().filter_map(|(address, _)| match address {
            IpAddr::V6(v6) if v6.is_unicast_link_local() => Some(*v6),
            _ => None,
        });
        link.up.then(|| Self { mac: link.mac, link_local: link_local.collect() })
    }

    /// The address that is used.
    pub(super) fn address(&self) -> Option<Ipv6Addr> {
        self.link_local.first().copied()
    }
}

/// What was found. As text, it says what an operator can do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The interface is down.
    Down,
    /// The interface has no link-local address of its own to speak from.
    NoLinkLocal,
    /// Routers were asked, and there was not much time to answer yet.
    Searching,
    /// Routers were asked several times, and none advertises itself. They are asked on.
    Silent,
    /// There is a router.
    Found {
        /// Its link-local address. Of several it is the lowest.
        router: Ipv6Addr,
        /// This node's address, by which the router knows it if it was advertised. Connections have to come from it.
        own: Ipv6Addr,
        /// Other routers on the link, which should not be there. Sorted.
        others: Vec<Ipv6Addr>,
    },
}

impl Outcome {
    /// The router's link-local address.
    #[must_use]
    pub const fn router(&self) -> Option<Ipv6Addr> {
        match self {
            Self::Found { router, .. } => Some(*router),
            _ => None,
        }
    }

    /// Whether an operator should hear of it: something has to be set right.
    #[must_use]
    pub fn is_warning(&self) -> bool {
        match self {
            Self::Down | Self::Searching => false,
            Self::NoLinkLocal | Self::Silent => true,
            Self::Found { others, .. } => !others.is_empty(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Down => f.write_str("the interface is down"),
            Self::NoLinkLocal => f.write_str(
                "the interface has no IPv6 link-local address: set the sysctl disable_ipv6 to 0 and addr_gen_mode to 0 for it",
            ),
            Self::Searching => f.write_str("looking for a router"),
            Self::Silent => f.write_str(
                "no router advertises itself on the link: let it send router advertisements there (FRR: `neighbor \
                 INTERFACE interface` or `no ipv6 nd suppress-ra`), and let the firewall take ICMPv6 type 134",
            ),
            Self::Found { router, others, .. } if others.is_empty() => write!(f, "{router}"),
            Self::Found { router, others, .. } => {
                let others: Vec<String> = others.iter().map(ToString::to_string).collect();
                let others = others.join(", ");
                write!(f, "{router}, the lowest address of several routers on the link, the others: {others}; ")?;
                f.write_str("an unnumbered session is for a link with one router: name the peer's address instead")
            }
        }
    }
}
