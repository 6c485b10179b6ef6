//! `L2Policy`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Selector, Status};

/// Which nodes answer ARP and NDP for which services.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct L2Policy {
    /// What is wanted. Everything may be left out: all addresses of all pools, on every node and interface.
    pub spec: Spec,
    /// What the group made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What is wanted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!(has(self.interfaces) && has(self.interfacePatterns))",
    "message": "interfaces and interfacePatterns exclude each other; keep one of them",
}]))]
pub(super) struct Spec {
    /// Services; any of the selectors may match. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub service_selectors: Option<Vec<Selector>>,
    /// Pools whose addresses are answered for, by name. With poolSelectors either may match; neither means all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), inner(length(max = 253)))]
    pub pools: Option<Vec<String>>,
    /// Pools whose addresses are answered for, by label; any of the selectors may match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub pool_selectors: Option<Vec<Selector>>,
    /// Nodes that may answer; any of the selectors may match. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub node_selectors: Option<Vec<Selector>>,
    /// Interfaces on which to answer, by name. Left out, and no patterns: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub interfaces: Option<Vec<String>>,
    /// Interfaces on which to answer, as regular expressions that are not anchored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 1024)))]
    pub interface_patterns: Option<Vec<String>>,
    /// Which addresses of the services.
    #[serde(default = "load_balancer")]
    #[schemars(length(max = 2))]
    pub addresses: Vec<AddressKind>,
    /// Nodes that are preferred as owners: the weights of all entries that select a node are summed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub preferred_nodes: Option<Vec<Preference>>,
    /// True: also nodes without a subnet that holds the address.
    #[serde(default)]
    pub any_subnet: bool,
}

fn load_balancer() -> Vec<AddressKind> {
    vec![AddressKind::LoadBalancer]
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) enum AddressKind {
    LoadBalancer,
    External,
}

/// A weight for nodes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Preference {
    /// How much they are preferred.
    #[schemars(range(min = 1, max = 100))]
    pub weight: u32,
    /// Which nodes.
    pub selector: Selector,
}
