//! Which interfaces of a node fit a policy, by name, link and subnet.

use std::net::IpAddr;

use super::prefixes::PrefixIndex;
use super::reason::Ineligible;
use crate::model::{Family, Interface, L2Policy};

/// The subnets of all nodes. A network of a single address (a loopback, a bound service address) is not a subnet.
#[derive(Clone, Debug, Default)]
pub(super) struct Subnets {
    index: PrefixIndex<Option<u32>>,
    members: Vec<Vec<(u32, u32)>>,
}

impl Subnets {
    /// Adds the subnets of a node's interfaces.
    pub(super) fn add(&mut self, node: u32, interfaces: &[Interface]) {
        for (position, interface) in (0_u32..).zip(interfaces) {
            for network in &interface.addresses {
                if network.prefix() == Family::of(network.ip()).bits() {
                    continue;
                }
                let next = self.members.len();
                let id = *self.index.entry(*network).get_or_insert(u32::try_from(next).unwrap_or(u32::MAX));
                if id as usize == next {
                    self.members.push(Vec::new());
                }
                self.members[id as usize].push((node, position));
            }
        }
    }

    /// The subnets that hold the address, by number.
    pub(super) fn holding(&self, address: IpAddr) -> Vec<u32> {
        self.index.holding(address).copied().flatten().collect()
    }

    /// For each of `nodes` nodes, the positions of its interfaces in any of these subnets, in order.
    pub(super) fn interfaces_in(&self, subnets: &[u32], nodes: usize) -> Vec<Vec<u32>> {
        let mut found = vec![Vec::new(); nodes];
        for &(node, position) in subnets.iter().flat_map(|&subnet| &self.members[subnet as usize]) {
            let of_node: &mut Vec<u32> = &mut found[node as usize];
            if let Err(place) = of_node.binary_search(&position) {
                of_node.insert(place, position);
            }
        }
        found
    }
}

/// The interfaces on which a policy lets a node answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fitting {
    /// Positions in the node's list of interfaces, in order.
    pub(super) positions: Vec<u32>,
    /// They fit only because no selected node has a subnet for the address.
    pub(super) outside: bool,
}

/// Which of a node's interfaces fit a policy. `holding` are the positions of those whose subnet holds the address;
/// `outside` says that no selected node has such a subnet.
///
/// # Errors
/// With the rule that fails last.
pub(super) fn fitting(
    policy: &L2Policy,
    interfaces: &[Interface],
    holding: &[u32],
    outside: bool,
) -> Result<Fitting, Ineligible> {
    let named = || (0_u32..).zip(interfaces).filter(|(_, interface)| policy.interfaces.matches(&interface.name));
    let up: Vec<u32> = named().filter(|(_, interface)| interface.up).map(|(position, _)| position).collect();
    if named().next().is_none() {
        return Err(Ineligible::NoInterface);
    }
    if up.is_empty() {
        return Err(Ineligible::InterfaceDown);
    }
    let holds = |position: &u32| holding.binary_search(position).is_ok();
    let in_subnet: Vec<u32> = up.iter().copied().filter(holds).collect();
    if !in_subnet.is_empty() {
        Ok(Fitting { positions: in_subnet, outside: false })
    } else if policy.any_subnet || outside {
        Ok(Fitting { positions: up, outside: !policy.any_subnet })
    } else if named().any(|(position, _)| holds(&position)) {
        Err(Ineligible::InterfaceDown)
    } else {
        Err(Ineligible::NoSubnet)
    }
}
