//! The nodes: who is there, and what keeps whom from answering.

use std::collections::{BTreeMap, BTreeSet};

use quorumlb_raft_store::machine::{MemberState, State};
use quorumlb_raft_store::model::{Node, NodeName, any_selects};
use quorumlb_raft_store::placement::Ineligible;
use serde::Serialize;

use crate::status::NodeStatus;

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodeRow {
    /// Its name.
    pub name: String,
    /// `live` while it has a session with the quorum, else `none`.
    pub session: &'static str,
    /// It hands over what it has.
    pub draining: bool,
    /// It is leaving the group for good.
    pub leaving: bool,
    /// Its part in the Raft group: `voter`, `learner` or `none`.
    pub raft: &'static str,
    /// It leads the Raft group.
    pub leader: bool,
    /// It leads, but does not answer the node that was asked.
    pub leader_silent: bool,
    /// Where its QUIC port is.
    pub address: Option<String>,
    /// Its program's version.
    pub version: String,
    /// Its interfaces as it reports them, else as they were declared.
    pub interfaces: Vec<InterfaceRow>,
    /// How many addresses it owns.
    pub owned: usize,
    /// Its share of the addresses relative to other nodes.
    pub weight: Option<u32>,
    /// It stands in the configuration.
    pub configured: bool,
    /// The digest of its files, or `None` when it watches none.
    pub config: Option<String>,
    /// Its files say what the group has.
    pub config_current: bool,
    /// Why its files could not be taken, with file, line and column; empty when they could.
    pub config_error: String,
    /// What keeps it from answering for any address, one sentence each; empty when nothing does.
    pub not_eligible: Vec<String>,
    /// Addresses that its responder could not be programmed for.
    pub refused: Vec<String>,
    /// A quorum confirms what is told here; otherwise it is what the node that was asked last knew.
    pub confirmed: bool,
}

/// A node's interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InterfaceRow {
    /// Its name.
    pub name: String,
    /// Up, with carrier.
    pub up: bool,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<String>,
}

/// All nodes that stand in the configuration, run, or are remembered, by name.
pub fn nodes(state: &State, status: &NodeStatus) -> Vec<NodeRow> {
    let mut owned: BTreeMap<&NodeName, usize> = BTreeMap::new();
    for ownership in state.owners.values() {
        *owned.entry(&ownership.node).or_default() += 1;
    }
    let names: BTreeSet<&NodeName> = state.wanted.nodes.keys().chain(state.members.keys()).collect();
    let row = |name| row(state, status, name, owned.get(name).copied().unwrap_or(0));
    names.into_iter().map(row).collect()
}

fn row(state: &State, status: &NodeStatus, name: &NodeName, owned: usize) -> NodeRow {
    let (node, member) = (state.wanted.nodes.get(name), state.members.get(name));
    let report = member.and_then(|member| member.report.as_ref());
    let declared = node.and_then(|node| node.interfaces.as_deref());
    let interfaces = report.map(|report| &report.interfaces[..]).or(declared).unwrap_or_default();
    let (raft, leader) = in_raft(status, name);
    let config = report.and_then(|report| report.config);
    let address = report.and_then(|report| report.address).or_else(|| node.and_then(|node| node.address));
    NodeRow {
        name: name.to_string(),
        session: if is_live(member) { "live" } else { "none" },
        draining: member.is_some_and(|member| member.draining),
        leaving: member.is_some_and(|member| member.leaving),
        raft,
        leader,
        leader_silent: leader && status.session.leader_silent.is_some(),
        address: address.map(|address| address.to_string()),
        version: report.map(|report| report.version.clone()).unwrap_or_default(),
        interfaces: interfaces.iter().map(interface).collect(),
        owned,
        weight: node.map(|node| node.weight),
        configured: node.is_some(),
        config: config.map(|digest| digest.to_string()),
        config_current: config.is_some() && config == state.config,
        config_error: report.map(|report| report.config_error.clone()).unwrap_or_default(),
        not_eligible: not_eligible(state, node, member),
        refused: member.iter().flat_map(|member| &member.refused).map(ToString::to_string).collect(),
        confirmed: super::confirmed(status),
    }
}

fn is_live(member: Option<&MemberState>) -> bool {
    member.is_some_and(|member| member.session.is_some())
}

fn interface(interface: &quorumlb_raft_store::model::Interface) -> InterfaceRow {
    InterfaceRow {
        name: interface.name.clone(),
        up: interface.up,
        addresses: interface.addresses.iter().map(ToString::to_string).collect(),
    }
}

/// A node's part in the Raft group, and whether it leads.
fn in_raft(status: &NodeStatus, name: &NodeName) -> (&'static str, bool) {
    let Some(raft) = &status.raft else { return ("none", false) };
    // A node that lost its disk may be there twice for a while: the identity that votes counts.
    let mut own = raft.members.iter().filter(|member| member.member.name == *name);
    let part = match own.clone().any(|member| member.voter) {
        true => "voter",
        false if own.next().is_some() => "learner",
        false => "none",
    };
    (part, raft.leader.as_ref().is_some_and(|(_, leader)| leader.name == *name))
}

/// What holds for the node whatever the address.
fn not_eligible(state: &State, node: Option<&Node>, member: Option<&MemberState>) -> Vec<String> {
    let Some(node) = node else { return vec!["the configuration has no such node".to_owned()] };
    let policies = &state.wanted.l2_policies;
    let selected = policies.values().any(|policy| any_selects(&policy.node_selectors, &node.labels));
    let mut why = Vec::new();
    let mut note = |holds: bool, reason: Ineligible| holds.then(|| why.push(reason.to_string()));
    note(node.excluded(), Ineligible::Excluded);
    note(member.is_some_and(|member| member.draining), Ineligible::Draining);
    note(!is_live(member), Ineligible::NotLive);
    note(node.network_unavailable, Ineligible::NetworkUnavailable);
    if policies.is_empty() {
        why.push("there is no L2 policy".to_owned());
    } else if !selected {
        why.push("no L2 policy selects the node".to_owned());
    }
    why
}
