//! `IPPool`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{Selector, Status};

/// Where service addresses come from. Pools must not overlap.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct IpPool {
    /// What is wanted.
    pub spec: Spec,
    /// What the group made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What is wanted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    /// CIDRs (`10.0.5.0/24`), ranges (`10.0.5.100-10.0.5.200`) and single addresses, of both families.
    #[schemars(
        length(min = 1, max = 1024),
        inner(length(max = 100), regex(pattern = r"^[0-9a-fA-F:.]+(/[0-9]{1,3}|[ ]*-[ ]*[0-9a-fA-F:.]+)?$"))
    )]
    pub addresses: Vec<String>,
    /// Services that may get addresses from here; any of the selectors may match. With namespaces, both must agree.
    /// Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub service_selectors: Option<Vec<Selector>>,
    /// Namespaces whose services may get addresses from here, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), inner(length(max = 63)))]
    pub namespaces: Option<Vec<String>>,
    /// Namespaces whose services may get addresses from here, by label; any of the selectors may match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub namespace_selectors: Option<Vec<Selector>>,
    /// Pools with a lower number are asked first; 0 or none comes last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub priority: Option<u32>,
    /// False: only for services that name the pool or an address in it.
    #[serde(default = "yes")]
    pub auto_assign: bool,
    /// True: gives out nothing new; what was given stays.
    #[serde(default)]
    pub disabled: bool,
    /// True: the first and last address of each CIDR are left out.
    #[serde(default)]
    pub reserve_first_last: bool,
    /// True: addresses that end in .0 or .255 are left out.
    #[serde(default, rename = "avoidBuggyIPs")]
    pub avoid_buggy_ips: bool,
}

fn yes() -> bool {
    true
}
