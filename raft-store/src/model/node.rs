//! Nodes as the wanted state describes them.

use std::net::{IpAddr, SocketAddr};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::{Labels, NodeName};

/// Kubernetes' label that keeps a node from answering for or advertising service addresses.
pub const EXCLUDE_LABEL: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// A node of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its labels.
    pub labels: Labels,
    /// Where the other nodes reach its QUIC port; known for native nodes.
    pub address: Option<SocketAddr>,
    /// Interfaces as declared, for `plan` and `sim`; `None` when not declared. A running node reports its own, which
    /// then count instead.
    pub interfaces: Option<Vec<Interface>>,
    /// Its pod networks.
    pub pod_cidrs: Vec<IpNetwork>,
    /// Its addresses as Kubernetes knows them (`status.addresses`), or empty.
    pub addresses: Vec<IpAddr>,
    /// Share of the addresses relative to other nodes, 1 to 1000; 1 where the manifest gave none.
    pub weight: u32,
    /// Its condition `NetworkUnavailable` is true: it owns nothing.
    pub network_unavailable: bool,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
}

/// A network interface of a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Interface {
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its addresses with their prefix length.
    pub addresses: Vec<IpNetwork>,
    /// Up, with carrier, and able to answer ARP or NDP. True where it was only declared.
    pub up: bool,
}

impl Node {
    /// Whether the node is kept out by [`EXCLUDE_LABEL`], whatever the label's value.
    pub fn excluded(&self) -> bool {
        self.labels.contains_key(EXCLUDE_LABEL)
    }

    /// The addresses that are the node's own, as far as the wanted state tells: no service may have one of them. Some may
    /// come more than once.
    pub fn own_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let interfaces = self.interfaces.iter().flatten().flat_map(Interface::own_addresses);
        let reached_at = self.address.map(|address| address.ip());
        interfaces.chain(reached_at).chain(self.addresses.iter().copied())
    }
}

impl Interface {
    /// Its addresses without their prefix lengths.
    pub fn own_addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().map(IpNetwork::ip)
    }
}
