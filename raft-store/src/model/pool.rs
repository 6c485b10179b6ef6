//! Pools: where service addresses come from.

use std::collections::BTreeSet;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{Age, Dialect, IpRange, Labels, Name, Selector};

/// A pool of addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Unique among the pools of its dialect's kind.
    pub name: Name,
    /// Whose rules hold for it.
    pub dialect: Dialect,
    /// Creation time, for conflicts.
    pub age: Age,
    /// Labels, for policies that select pools.
    pub labels: Labels,
    /// What it holds, in the manifest's order.
    pub blocks: Vec<Block>,
    /// Gives out nothing new; what stands is kept.
    pub disabled: bool,
    /// Whether a service that does not ask for this pool or for an address in it may get one from it.
    pub auto_assign: bool,
    /// Leaves out the first and the last address of each CIDR block (not of ranges; not of /31, /32, /127, /128).
    pub reserve_first_last: bool,
    /// Leaves out IPv4 addresses that end in `.0` or `.255`.
    pub avoid_buggy: bool,
    /// Which services it serves.
    pub scope: PoolScope,
    /// Lower is asked first; `None` comes last. 0 in a manifest is `None`.
    pub priority: Option<u32>,
}

/// A part of a pool, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Block {
    /// A CIDR. Host bits are ignored.
    Cidr(IpNetwork),
    /// From one address to another, both included.
    Range(IpRange),
}

/// Which services a pool serves: all three must agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolScope {
    /// Whether the pool has a scope at all (MetalLB's `serviceAllocation`): such pools are asked before the others.
    pub pinned: bool,
    /// Namespaces named one by one, together with `namespace_selectors`: a service's namespace must be named or
    /// selected. Both empty: every namespace.
    pub namespaces: BTreeSet<String>,
    /// Selectors on the namespace's labels; any may match.
    pub namespace_selectors: Vec<Selector>,
    /// Selectors on the service's labels (pseudo labels included for Cilium's and our kinds); any may match. Empty:
    /// every service.
    pub service_selectors: Vec<Selector>,
}

impl Block {
    /// All the addresses of the block.
    pub fn range(&self) -> IpRange {
        match self {
            Self::Cidr(network) => IpRange::of_network(*network),
            Self::Range(range) => *range,
        }
    }
}
