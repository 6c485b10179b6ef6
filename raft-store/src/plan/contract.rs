//! The plan as JSON. This is a contract with those who read it: fields are added, never changed.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::machine::MoveReason;

/// What would be decided. Lists are sorted by name, addresses by number, IPv4 first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Services and the addresses they get.
    #[serde(default)]
    pub allocations: Vec<Allocation>,
    /// Services that get nothing, or only a part of what they ask for.
    #[serde(default)]
    pub pending: Vec<PendingService>,
    /// Who answers ARP and NDP for which address.
    #[serde(default)]
    pub owners: Vec<Owner>,
    /// What each node tells its BGP peers, as long as that is no more than [`super::MAX_ADVERTISEMENTS`] rows; else a
    /// warning says for which nodes it stands.
    #[serde(default)]
    pub advertisements: Vec<Advertisement>,
    /// Addresses whose owner differs from that of the earlier plan.
    #[serde(default)]
    pub moves: Vec<PlanMove>,
    /// Services that do not have all the addresses any more that they had in the earlier plan.
    #[serde(default)]
    pub lost: Vec<LostAddresses>,
    /// How full the pools are.
    #[serde(default)]
    pub pools: Vec<PoolLine>,
    /// What an operator should look at.
    #[serde(default)]
    pub warnings: Vec<Warning>,
    /// What continuing from this plan needs beyond the rest. Opaque.
    #[serde(default)]
    pub state: PlanState,
}

/// A service's addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// `namespace/name`.
    pub service: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The pools that they are from, each once.
    pub pools: Vec<String>,
}

/// A service that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingService {
    /// `namespace/name`.
    pub service: String,
    /// One of the reasons of [`crate::ipam::Reason`].
    pub reason: String,
    /// In words, with what would help.
    pub message: String,
}

/// A node that answers for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The address.
    pub address: IpAddr,
    /// The node.
    pub node: String,
    /// On which interfaces; empty when they are not known.
    #[serde(default)]
    pub interfaces: Vec<String>,
    /// Grows with each change of owner.
    #[serde(default = "first_epoch")]
    pub epoch: u64,
}

fn first_epoch() -> u64 {
    1
}

/// A route that a node tells a BGP peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Advertisement {
    /// The node.
    pub node: String,
    /// The peer's address; its interface where it is unnumbered, `default-gateway/IPv4` where it is to be found out.
    pub peer: String,
    /// The route.
    pub prefix: String,
    /// `None` towards eBGP peers, and towards those whose AS number their OPEN will tell.
    pub local_pref: Option<u32>,
    /// As numbers: `65000:100`, `1:2:3`.
    pub communities: Vec<String>,
}

/// An address that changes its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanMove {
    /// The address.
    pub address: IpAddr,
    /// Whose it was.
    pub from: String,
    /// Whose it is to be; `None` when no node may answer.
    pub to: Option<String>,
    /// Why.
    pub why: MoveReason,
}

/// A service that loses addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostAddresses {
    /// `namespace/name`.
    pub service: String,
    /// What it had and has no more.
    pub addresses: Vec<IpAddr>,
    /// What it gets instead; empty when nothing.
    pub now: Vec<IpAddr>,
    /// Why, in words.
    pub why: String,
}

/// How full a pool is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolLine {
    /// Its name.
    pub name: String,
    /// Addresses it can give out; saturates at 2^63-1.
    pub total: u64,
    /// Addresses given out.
    pub used: u64,
    /// What switches it off, or `None`.
    pub conflict: Option<String>,
}

/// What an operator should look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Warning {
    /// What it is about, as `Kind name` or an address.
    pub object: String,
    /// In words.
    pub message: String,
}

/// What continuing needs beyond the public fields.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanState {
    /// Every grant with its pool.
    #[serde(default)]
    pub grants: Vec<StandingGrant>,
}

/// An address that stands, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandingGrant {
    /// `namespace/name`.
    pub service: String,
    /// The address.
    pub address: IpAddr,
    /// Whose pool: `native`, `cilium` or `metallb`.
    pub dialect: String,
    /// The pool.
    pub pool: String,
}
