//! Who may answer for an address, and why the others may not.

use std::net::IpAddr;
use std::sync::Arc;

use super::reason::Ineligible;

/// What policies, nodes and subnets say of an address, before backends and failed responders are looked at.
#[derive(Debug, Default)]
pub(super) struct Ground {
    /// By node index: where it may answer, or why it may not.
    pub(super) nodes: Vec<Result<Footing, Ineligible>>,
    /// Some may answer only because no selected node has a subnet for the address.
    pub(super) outside: bool,
}

/// How a node may answer.
#[derive(Clone, Debug)]
pub(super) struct Footing {
    /// On these interfaces; empty when its interfaces are not known.
    pub(super) interfaces: Arc<[String]>,
    /// Sum of the preferences for it.
    pub(super) score: u32,
}

/// Who may answer for an address. Nodes are indexes; [`super::Eligibility`] turns them into names.
#[derive(Debug)]
pub struct Verdict {
    pub(super) class: u32,
    pub(super) ground: Arc<Ground>,
    /// The nodes with a local backend for every service that asks for one; `None` when none asks.
    pub(super) local: Option<Vec<u32>>,
    /// Nodes whose responder failed for the address.
    pub(super) refused: Vec<u32>,
    /// What keeps every node from answering.
    pub(super) blocked: Option<Ineligible>,
    pub(super) preferred: Arc<[u32]>,
    pub(super) others: Arc<[u32]>,
}

impl Verdict {
    /// The class of all addresses for which the same nodes are preferred and the same others may answer.
    pub fn class(&self) -> u32 {
        self.class
    }

    /// The eligible nodes of the highest preference, in order; without preferences, all eligible nodes. The address
    /// is balanced over these.
    pub fn preferred(&self) -> &[u32] {
        &self.preferred
    }

    /// The eligible nodes of lower preference, in order. An owner among them is legal and stays until rebalancing.
    pub fn others(&self) -> &[u32] {
        &self.others
    }

    /// Whether the node may answer.
    pub fn is_eligible(&self, node: u32) -> bool {
        self.preferred.binary_search(&node).is_ok() || self.others.binary_search(&node).is_ok()
    }

    /// The interfaces on which the node would answer, in the node's order; empty when it may not, or when its
    /// interfaces are not known.
    pub fn interfaces(&self, node: u32) -> &[String] {
        match self.ground.nodes.get(node as usize) {
            Some(Ok(footing)) if self.is_eligible(node) => &footing.interfaces,
            _ => &[],
        }
    }

    /// As [`Verdict::interfaces`], to be kept.
    pub fn shared_interfaces(&self, node: u32) -> Arc<[String]> {
        match self.ground.nodes.get(node as usize) {
            Some(Ok(footing)) if self.is_eligible(node) => Arc::clone(&footing.interfaces),
            _ => Arc::default(),
        }
    }

    /// How much the policies prefer the node: the sum of the weights; 0 for a node that may not answer.
    pub fn score(&self, node: u32) -> u32 {
        match self.ground.nodes.get(node as usize) {
            Some(Ok(footing)) if self.is_eligible(node) => footing.score,
            _ => 0,
        }
    }

    /// Why the node may not answer, or `None` when it may.
    pub fn why(&self, node: u32) -> Option<Ineligible> {
        if self.blocked.is_some() {
            return self.blocked;
        }
        match self.ground.nodes.get(node as usize) {
            None => Some(Ineligible::NotLive),
            Some(Err(reason)) => Some(*reason),
            Some(Ok(_)) => after_ground(node, self.local.as_deref(), &self.refused),
        }
    }

    /// When no node at all may answer: the reason of the node that came nearest.
    pub fn nobody(&self) -> Option<Ineligible> {
        if !self.preferred.is_empty() {
            return None;
        }
        let nodes = 0..u32::try_from(self.ground.nodes.len()).unwrap_or(u32::MAX);
        self.blocked.or_else(|| nodes.filter_map(|node| self.why(node)).max()).or(Some(Ineligible::NotSelected))
    }

    /// What an operator should know about this address, as sentences.
    pub fn warnings(&self, address: IpAddr) -> Vec<String> {
        let outside = self.ground.outside && !self.preferred.is_empty();
        let message = || format!("no selected node has a subnet for {address}; any of them may answer");
        outside.then(message).into_iter().collect()
    }
}

/// The rules that come after the ground: backends on the node, then its responder.
pub(super) fn after_ground(node: u32, local: Option<&[u32]>, refused: &[u32]) -> Option<Ineligible> {
    if local.is_some_and(|nodes| nodes.binary_search(&node).is_err()) {
        Some(Ineligible::NoLocalBackend)
    } else if refused.binary_search(&node).is_ok() {
        Some(Ineligible::ResponderFailed)
    } else {
        None
    }
}
