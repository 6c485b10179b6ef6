//! Attributes of a route.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::super::NextHop;

/// The well-known community by which neighbours move traffic away before it has to (RFC 8326).
pub const GRACEFUL_SHUTDOWN: u32 = 0xffff_0000;
/// Octets of communities that a route may have: with it all attributes fit into a message of 4,096 octets.
const MAX_COMMUNITIES: usize = 3600;

/// A large community (RFC 8092).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LargeCommunity {
    /// Global administrator: an AS number.
    pub global: u32,
    /// First part of the local data.
    pub local1: u32,
    /// Second part of the local data.
    pub local2: u32,
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

/// The next hop of a route.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RouteNextHop {
    /// This node, at the address that fits the session.
    #[default]
    Own,
    /// This address.
    Given(NextHop),
}

/// The attributes of a route. ORIGIN is always IGP and the AS path has nothing but our own AS, so that routers put the
/// routes of several nodes side by side.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Attributes {
    /// LOCAL_PREF, for internal peers only; 100 where `None`.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// COMMUNITIES.
    pub communities: BTreeSet<u32>,
    /// LARGE_COMMUNITY.
    pub large_communities: BTreeSet<LargeCommunity>,
    /// The next hop.
    pub next_hop: RouteNextHop,
}

/// A route has more communities than a message has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{octets} octets of communities, a message has room for {MAX_COMMUNITIES}: use fewer")]
pub struct TooLong {
    /// Octets that the communities take.
    pub octets: usize,
}

impl Attributes {
    /// Octets that the communities take.
    pub(super) fn community_octets(&self) -> usize {
        self.communities.len() * 4 + self.large_communities.len() * 12
    }

    /// Whether they fit into any message.
    ///
    /// # Errors
    /// When they do not.
    pub fn check(&self) -> Result<(), TooLong> {
        let octets = self.community_octets();
        if octets > MAX_COMMUNITIES { Err(TooLong { octets }) } else { Ok(()) }
    }
}
