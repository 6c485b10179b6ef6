//! What the state asks of a node for an address.

use std::collections::BTreeSet;
use std::net::IpAddr;

use quorumlb_raft_store::machine::{Epoch, Ownership, State};
use quorumlb_raft_store::model::NodeName;

use super::Duties;

/// What an owner has to do for an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    /// The ownership's epoch.
    pub epoch: Epoch,
    /// Where to answer; nowhere while no interface of this node is known to the group.
    pub interfaces: BTreeSet<String>,
    /// It is to be released.
    pub moving: bool,
}

fn duty(owned: &Ownership) -> Duty {
    let interfaces = owned.interfaces.iter().map(ToString::to_string).collect();
    Duty { epoch: owned.epoch, interfaces, moving: owned.moving.is_some() }
}

/// What `node` has to do for one address.
pub(super) fn duty_of(state: &State, node: &NodeName, address: IpAddr) -> Option<Duty> {
    state.owners.get(&address).filter(|owned| owned.node == *node).map(duty)
}

/// What `node` has to do for all addresses.
pub(super) fn duties(state: &State, node: &NodeName) -> Duties {
    state.owned_by(node).map(|(address, owned)| (address, duty(owned))).collect()
}
