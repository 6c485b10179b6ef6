//! Policies for layer 2: which nodes answer ARP and NDP for which services, on which interfaces.

use std::collections::BTreeSet;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::{Age, Dialect, Name, Pool, Selector, any_selects};

/// An L2 announcement policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct L2Policy {
    /// Unique among the L2 policies of its dialect.
    pub name: Name,
    /// Whose rules hold for it.
    pub dialect: Dialect,
    /// Creation time.
    pub age: Age,
    /// Services it speaks for; any may match, empty means all.
    pub service_selectors: Vec<Selector>,
    /// Pools whose addresses it speaks for.
    pub pools: PoolMatch,
    /// Nodes that may answer; any may match, empty means all.
    pub node_selectors: Vec<Selector>,
    /// Interfaces to answer on.
    pub interfaces: InterfaceMatch,
    /// Which of a service's addresses.
    pub addresses: AddressKinds,
    /// Nodes that should rather answer than others; the weights of all that match a node are summed.
    pub preferences: Vec<NodePreference>,
    /// Nodes may answer for addresses that none of their subnets holds, even when another node has the subnet.
    pub any_subnet: bool,
}

/// Which pools a policy speaks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PoolMatch {
    /// Every pool, and addresses that come from none (external IPs).
    All,
    /// Pools named one by one, or selected by their labels.
    Some {
        /// By name.
        names: BTreeSet<Name>,
        /// By label; any may match. An empty list selects nothing here.
        selectors: Vec<Selector>,
    },
}

impl PoolMatch {
    /// Whether the pool is meant.
    pub fn matches(&self, pool: &Pool) -> bool {
        match self {
            Self::All => true,
            Self::Some { names, selectors } => {
                names.contains(&pool.name) || (!selectors.is_empty() && any_selects(selectors, &pool.labels))
            }
        }
    }
}

/// Which of a service's addresses a policy is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressKinds {
    /// Addresses that we gave it.
    pub load_balancer: bool,
    /// Its `spec.externalIPs`.
    pub external: bool,
}

/// Which interfaces a policy is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InterfaceMatch {
    /// All that can answer: not loopback, not enslaved to a bridge or bond, not NOARP.
    All,
    /// By exact name.
    Names(BTreeSet<String>),
    /// By regular expression, not anchored.
    Patterns(Vec<InterfacePattern>),
}

impl InterfaceMatch {
    /// Whether an interface of this name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => names.contains(name),
            Self::Patterns(patterns) => patterns.iter().any(|pattern| pattern.0.is_match(name)),
        }
    }
}

/// A regular expression that was compiled once; stored and compared as its source text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InterfacePattern(Regex);

/// The text is no regular expression, or compiles to something too large.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);

impl TryFrom<String> for InterfacePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const COMPILED_LIMIT_BYTES: usize = 1 << 18;
        regex::RegexBuilder::new(&text)
            .size_limit(COMPILED_LIMIT_BYTES)
            .build()
            .map(Self)
            .map_err(|error| PatternError(error.to_string()))
    }
}

impl From<InterfacePattern> for String {
    fn from(pattern: InterfacePattern) -> Self {
        pattern.0.as_str().to_owned()
    }
}

impl PartialEq for InterfacePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Eq for InterfacePattern {}

/// A wish for some nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodePreference {
    /// 1 to 100; summed over all preferences that match a node.
    pub weight: u32,
    /// The nodes it is for.
    pub nodes: Selector,
}
