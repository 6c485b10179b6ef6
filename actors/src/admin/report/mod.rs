//! What operators ask for, as rows. Pure: a state and a node's own status in, data out.
//!
//! The rows' JSON is a contract with scripts: fields are added, never changed.

mod advertisements;
mod alone;
mod backends;
mod bgp;
mod config;
mod nodes;
mod owners;
mod pools;
mod problems;
mod raft;
mod services;
mod status;

pub use advertisements::{AdvertisementRow, advertisements};
pub use alone::only_by;
pub use backends::{BackendRow, backends};
pub use bgp::{BgpRow, bgp};
pub use config::{ConfigObject, ConfigReport, config};
pub use nodes::{InterfaceRow, NodeRow, nodes};
pub use owners::{OwnerRow, owners};
pub use pools::{PoolRow, pools};
pub use problems::{Readiness, health, problems, readiness};
pub use raft::{MemberRow, RaftReport, SessionRow, raft};
pub use services::{AnswerRow, BackendCount, NodeWhy, PendingRow, ServiceRow, services};
pub use status::{RefusalRow, StatusReport, status};

use quorumlb_raft_store::model::{Dialect, ServiceKey};

use crate::status::NodeStatus;

/// Whether a service is meant by what a user typed: its name, or `namespace/name`.
fn is_named(key: &ServiceKey, name: &str) -> bool {
    match name.split_once('/') {
        Some((namespace, name)) => key.namespace == namespace && key.name == name,
        None => key.name == name,
    }
}

/// Whether a quorum has confirmed this node's session lately, and with it what it knows of the group.
fn confirmed(status: &NodeStatus) -> bool {
    status.session.valid_for.is_some()
}

fn dialect(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Native => "native",
        Dialect::Cilium => "cilium",
        Dialect::MetalLb => "metallb",
    }
}
