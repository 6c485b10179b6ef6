//! Where a service's backends are.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::prefixes::PrefixIndex;
use crate::model::{Backend, Endpoint, Interface, Node, NodeName, Service, Wanted};

/// Tells on which node an address or a named endpoint is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whereabouts {
    by_name: BTreeMap<NodeName, u32>,
    by_address: BTreeMap<IpAddr, Vec<u32>>,
    by_pod_network: PrefixIndex<Vec<u32>>,
}

/// What is known of a service's backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Backends {
    /// Nothing is known: they are taken to exist, on every node.
    Unknown,
    /// At least one takes connections; the nodes they are on, in order, each once.
    Some(Vec<u32>),
    /// None takes connections.
    None,
}

impl Whereabouts {
    /// Adds the node with the next index.
    pub(crate) fn add(&mut self, index: u32, node: &Node, interfaces: Option<&[Interface]>) {
        self.by_name.insert(node.name.clone(), index);
        let of_interfaces = interfaces.unwrap_or_default().iter().flat_map(|interface| &interface.addresses);
        let addresses: BTreeSet<IpAddr> = (node.addresses.iter().copied())
            .chain(node.address.map(|address| address.ip()))
            .chain(of_interfaces.map(IpNetwork::ip))
            .collect();
        for address in addresses {
            self.by_address.entry(address).or_default().push(index);
        }
        for network in &node.pod_cidrs {
            self.by_pod_network.entry(*network).push(index);
        }
    }

    /// The index of a node.
    pub(crate) fn index(&self, node: &NodeName) -> Option<u32> {
        self.by_name.get(node).copied()
    }

    /// Where a service's backends are. Ready ones count; if there are none anywhere, those that are terminating but
    /// still serve. Inline backends count by their weight: 0 drains.
    pub(crate) fn backends(&self, wanted: &Wanted, service: &Service) -> Backends {
        if let Some(inline) = &service.backends {
            return self.inline(inline);
        }
        if !wanted.endpoints_known {
            return Backends::Unknown;
        }
        match wanted.endpoints.get(&service.key) {
            Some(endpoints) => self.endpoints(endpoints),
            None => Backends::None,
        }
    }

    fn endpoints(&self, endpoints: &BTreeSet<Endpoint>) -> Backends {
        let any_ready = endpoints.iter().any(|endpoint| endpoint.ready);
        let usable = |endpoint: &&Endpoint| match any_ready {
            true => endpoint.ready,
            false => endpoint.serving && endpoint.terminating,
        };
        gather(endpoints.iter().filter(usable).map(|endpoint| {
            let node = endpoint.node.as_ref().and_then(|node| self.index(node));
            node.into_iter().collect()
        }))
    }

    fn inline(&self, backends: &[Backend]) -> Backends {
        let any_open = backends.iter().any(|backend| backend.weight > 0);
        let usable = backends.iter().filter(|backend| backend.weight > 0 || !any_open);
        gather(usable.map(|backend| self.nodes_with(backend.address)))
    }

    /// The nodes that have the address themselves or in a pod network.
    fn nodes_with(&self, address: IpAddr) -> Vec<u32> {
        let own = self.by_address.get(&address).into_iter().flatten();
        own.chain(self.by_pod_network.holding(address).flatten()).copied().collect()
    }
}

/// The nodes of all usable backends.
fn gather(backends: impl Iterator<Item = Vec<u32>>) -> Backends {
    let mut nodes = Vec::new();
    let mut count = 0_usize;
    for of_one in backends {
        count += 1;
        nodes.extend(of_one);
    }
    nodes.sort_unstable();
    nodes.dedup();
    if count == 0 { Backends::None } else { Backends::Some(nodes) }
}
