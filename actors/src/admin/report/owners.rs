//! Who answers for which address.

use std::net::IpAddr;

use quorumlb_raft_store::machine::{MoveReason, Ownership, State};
use quorumlb_raft_store::model::Fencing;
use serde::Serialize;

use super::confirmed;
use crate::status::NodeStatus;

/// A node that answers for an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnerRow {
    /// The address.
    pub address: IpAddr,
    /// The node.
    pub node: String,
    /// The interfaces it answers on; empty when they are not known.
    pub interfaces: Vec<String>,
    /// Grows with each change of owner.
    pub epoch: u64,
    /// The owner is asked to give it up.
    pub moving: bool,
    /// Who gets it then, if it was chosen for someone.
    pub to: Option<String>,
    /// Why it moves.
    pub why: Option<MoveReason>,
    /// The services on it, as `namespace/name`.
    pub services: Vec<String>,
    /// Whether the owner answers now; known on the owner alone.
    pub answering: Option<bool>,
    /// Why it does not answer; empty when it does, or when that is not known.
    pub why_not: String,
    /// A quorum confirms what is told here; otherwise it is what the node that was asked last knew.
    pub confirmed: bool,
}

/// All owners, by address.
pub fn owners(state: &State, status: &NodeStatus) -> Vec<OwnerRow> {
    state.owners.iter().map(|(address, owned)| row(state, status, *address, owned)).collect()
}

fn row(state: &State, status: &NodeStatus, address: IpAddr, owned: &Ownership) -> OwnerRow {
    let (answering, why_not) = answering(state, status, address, owned);
    OwnerRow {
        address,
        node: owned.node.to_string(),
        interfaces: owned.interfaces.to_vec(),
        epoch: owned.epoch.0,
        moving: owned.moving.is_some(),
        to: owned.moving.as_ref().and_then(|moving| moving.to.as_ref()).map(ToString::to_string),
        why: owned.moving.as_ref().map(|moving| moving.why),
        services: state.users_of(address).into_iter().map(ToString::to_string).collect(),
        answering,
        why_not,
        confirmed: confirmed(status),
    }
}

/// Whether the owner answers, and why not, if this node is the owner.
pub(super) fn answering(
    state: &State,
    status: &NodeStatus,
    address: IpAddr,
    owned: &Ownership,
) -> (Option<bool>, String) {
    if owned.node != status.node {
        return (None, String::new());
    }
    if !confirmed(status) && state.wanted.settings.fencing == Fencing::Strict {
        return (Some(false), "no quorum confirms this node's session, so it answers for nothing".to_owned());
    }
    match status.owned.get(&address) {
        Some(own) if own.epoch == owned.epoch => (Some(own.answering), own.why_not.clone()),
        _ => (Some(false), "granted; the node has not taken it up yet".to_owned()),
    }
}
