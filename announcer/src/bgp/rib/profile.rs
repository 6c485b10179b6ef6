//! What UPDATEs to a peer depend on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::super::session::{Endpoints, Negotiated};
use super::super::{Family, NextHop};
use super::route::{Attributes, RouteNextHop};

/// The node's own addresses towards a peer: its next hops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct OwnAddresses {
    /// For IPv4 routes. Where there is none, they have an IPv6 next hop if the peer can (RFC 8950).
    pub v4: Option<Ipv4Addr>,
    /// For IPv6 routes.
    pub v6: Option<Ipv6Addr>,
    /// The link-local address on a link that is shared with the peer.
    pub link_local: Option<Ipv6Addr>,
}

impl OwnAddresses {
    /// The session's own address in place of what is missing.
    #[must_use]
    pub fn or_session(mut self, endpoints: &Endpoints) -> Self {
        match endpoints.local.ip().to_canonical() {
            IpAddr::V4(address) => self.v4 = self.v4.or(Some(address)),
            IpAddr::V6(address) if address.is_unicast_link_local() => {
                self.link_local = self.link_local.or(Some(address));
            }
            IpAddr::V6(address) => self.v6 = self.v6.or(Some(address)),
        }
        self
    }

    fn next_hop_v6(&self) -> Option<NextHop> {
        match (self.v6, self.link_local) {
            (Some(address), link_local) => Some(NextHop::V6 { address, link_local }),
            (None, Some(address)) => Some(NextHop::V6 { address, link_local: None }),
            (None, None) => None,
        }
    }
}

/// What UPDATEs to a peer depend on. Peers of equal profiles share what is packed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Profile {
    pub(super) local_as: u32,
    pub(super) external: bool,
    pub(super) wide_as: bool,
    pub(super) max_message: usize,
    pub(super) extended_next_hop: bool,
    pub(super) end_of_rib: bool,
    ipv4: bool,
    ipv6: bool,
    own_v4: Option<NextHop>,
    own_v6: Option<NextHop>,
}

impl Profile {
    /// For a peer with which this was agreed on, which reaches this node at these addresses.
    #[must_use]
    pub fn new(negotiated: &Negotiated, own: OwnAddresses) -> Self {
        let own_v6 = own.next_hop_v6();
        let extended = own_v6.filter(|_| negotiated.extended_next_hop);
        let [ipv4, ipv6] =
            [Family::Ipv4Unicast, Family::Ipv6Unicast].map(|family| negotiated.families.contains(&family));
        Self {
            local_as: negotiated.local_as,
            external: negotiated.external(),
            wide_as: negotiated.wide_as,
            max_message: negotiated.max_message(),
            extended_next_hop: negotiated.extended_next_hop,
            end_of_rib: negotiated.peer_restart.is_some(),
            ipv4,
            ipv6,
            // What no route is sent with does not count.
            own_v4: own.v4.map(NextHop::V4).or(extended).filter(|_| ipv4),
            own_v6: own_v6.filter(|_| ipv6),
        }
    }

    /// Whether routes of the family are for the peer.
    #[must_use]
    pub const fn speaks(&self, family: Family) -> bool {
        match family {
            Family::Ipv4Unicast => self.ipv4,
            Family::Ipv6Unicast => self.ipv6,
        }
    }

    /// The families that are for the peer.
    pub(super) fn families(&self) -> impl Iterator<Item = Family> {
        Family::ALL.into_iter().filter(|family| self.speaks(*family))
    }

    /// This node as the next hop of a family's routes; `None` when there is none that the peer could use, and its routes
    /// with [`RouteNextHop::Own`] are not announced.
    #[must_use]
    pub const fn own(&self, family: Family) -> Option<NextHop> {
        match family {
            Family::Ipv4Unicast => self.own_v4,
            Family::Ipv6Unicast => self.own_v6,
        }
    }

    /// The next hop of a route; `None` when the peer could not use it.
    pub(super) fn next_hop(&self, family: Family, attributes: &Attributes) -> Option<NextHop> {
        let next_hop = match attributes.next_hop {
            RouteNextHop::Own => self.own(family)?,
            RouteNextHop::Given(next_hop) => next_hop,
        };
        let usable = match (family, next_hop) {
            (Family::Ipv4Unicast, NextHop::V4(_)) | (Family::Ipv6Unicast, NextHop::V6 { .. }) => true,
            (Family::Ipv4Unicast, NextHop::V6 { .. }) => self.extended_next_hop,
            (Family::Ipv6Unicast, NextHop::V4(_)) => false,
        };
        usable.then_some(next_hop)
    }
}
