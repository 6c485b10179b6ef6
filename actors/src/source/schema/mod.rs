//! Our kinds as Kubernetes has to know them: CustomResourceDefinitions with OpenAPI v3 schemas.
//!
//! The types here say which fields there are, with which bounds and defaults; their comments become the descriptions. The
//! decoders stay what reads manifests, since they give places and hints; a test holds the two against each other, field
//! by field and bound by bound. Defaults are given only where leaving the field out means exactly that, and never to a
//! field that a rule asks for with `has`, for the API server fills defaults in first. Lists have upper bounds, since the
//! API server adds up what the rules could cost at most.

mod bgp_policy;
mod common;
mod definition;
mod ip_pool;
mod l2_policy;
#[cfg(test)]
mod tests;

use serde_json::Value;

use definition::{Column, Definition};

/// The CustomResourceDefinitions of our kinds, by name.
pub fn definitions() -> Vec<Value> {
    let age = || Column { name: "Age", kind: "date", path: ".metadata.creationTimestamp" };
    let valid = || Column { name: "Valid", kind: "string", path: ".status.conditions[?(@.type==\"Valid\")].status" };
    vec![
        Definition {
            kind: "BGPPolicy",
            plural: "bgppolicies",
            columns: vec![
                Column { name: "ASN", kind: "integer", path: ".spec.localASN" },
                Column { name: "Peers", kind: "string", path: ".spec.peers[*].address" },
                valid(),
                age(),
            ],
        }
        .with_schema::<bgp_policy::BgpPolicy>(),
        Definition {
            kind: "IPPool",
            plural: "ippools",
            columns: vec![
                Column { name: "Addresses", kind: "string", path: ".spec.addresses" },
                Column { name: "Priority", kind: "integer", path: ".spec.priority" },
                Column { name: "Disabled", kind: "boolean", path: ".spec.disabled" },
                valid(),
                age(),
            ],
        }
        .with_schema::<ip_pool::IpPool>(),
        Definition {
            kind: "L2Policy",
            plural: "l2policies",
            columns: vec![
                Column { name: "Interfaces", kind: "string", path: ".spec.interfaces" },
                Column { name: "Pools", kind: "string", path: ".spec.pools" },
                valid(),
                age(),
            ],
        }
        .with_schema::<l2_policy::L2Policy>(),
    ]
}
