//! What nobody would answer for without a certain node.

use std::net::IpAddr;

use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::NodeName;
use quorumlb_raft_store::placement::Eligibility;

/// The addresses that the node owns and that no other node may answer for, as things stand.
pub fn only_by(state: &State, node: &NodeName) -> Vec<IpAddr> {
    let mut views = state.views();
    if let Some(view) = views.get_mut(node) {
        view.draining = true;
    }
    let mut eligibility = Eligibility::new(&state.wanted, &views);
    let owned = state.owned_by(node).map(|(address, _)| address);
    owned.filter(|address| state.verdict(&mut eligibility, *address).nobody().is_some()).collect()
}
