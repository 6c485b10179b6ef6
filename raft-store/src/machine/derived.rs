//! What follows from the rest of the state, kept up with every change so that nothing has to be counted anew.

mod journal;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::OnceLock;

pub(super) use journal::Journal;
pub use journal::{Mark, Touched};
pub(super) use tally::Tally;

use super::Ownership;
use crate::model::{NodeName, ServiceKey, Wanted};
use crate::placement::Eligibility;

/// Not stored: [`super::State::reindex`] rebuilds it. What two replicas have remembered may differ, what they decide by
/// it may not; so only what is counted is compared.
#[derive(Debug, Default)]
pub(super) struct Derived {
    /// Services by external IP, of those that have any.
    pub(super) external: BTreeMap<IpAddr, BTreeSet<ServiceKey>>,
    /// How many addresses each node has.
    pub(super) loads: Loads,
    /// Who may answer, for the nodes and policies as they are; `None` when these changed.
    pub(super) eligibility: Option<Eligibility>,
    /// What each node has of each class of `eligibility`; `None` until someone asked for the balance.
    pub(super) tally: Option<Tally>,
    /// Whether a rebalance would move anything, once someone asked.
    pub(super) balance: OnceLock<Balance>,
    /// Which services were touched of late.
    pub(super) journal: Journal,
}

/// The answer to whether a rebalance would move anything.
#[derive(Debug)]
pub(super) struct Balance {
    pub(super) unbalanced: bool,
    /// What had to be worked out for it, so that the next answer costs only what changed.
    pub(super) worked_out: Option<Box<(Eligibility, Tally)>>,
}

impl Clone for Derived {
    /// What is remembered stays behind: a copy of the state is made to be stored, not to decide.
    fn clone(&self) -> Self {
        Self { external: self.external.clone(), loads: self.loads.clone(), ..Self::default() }
    }
}

impl PartialEq for Derived {
    fn eq(&self, other: &Self) -> bool {
        (&self.external, &self.loads) == (&other.external, &other.loads)
    }
}

impl Derived {
    /// What follows from these.
    pub(super) fn of(wanted: &Wanted, owners: &BTreeMap<IpAddr, Ownership>) -> Self {
        let mut derived = Self::default();
        for (key, service) in &wanted.services {
            derived.index(key, &service.external_ips);
        }
        owners.values().for_each(|owned| derived.loads.add(owned.holder()));
        derived
    }

    /// Forgets the answer, but not what was worked out for it.
    pub(super) fn balance_changed(&mut self) {
        if let Some((eligibility, tally)) = self.balance.take().and_then(|balance| balance.worked_out).map(|it| *it) {
            self.eligibility = Some(eligibility);
            self.tally = Some(tally);
        }
    }

    /// Nodes or policies changed: who may answer is to be worked out anew.
    pub(super) fn nodes_changed(&mut self) {
        self.balance.take();
        self.eligibility = None;
        self.tally = None;
    }

    /// A service has these external IPs.
    pub(super) fn index(&mut self, service: &ServiceKey, external_ips: &[IpAddr]) {
        for address in external_ips {
            self.external.entry(*address).or_default().insert(service.clone());
        }
    }

    /// A service has these external IPs no more.
    pub(super) fn unindex(&mut self, service: &ServiceKey, external_ips: &[IpAddr]) {
        for address in external_ips {
            let Some(users) = self.external.get_mut(address) else { continue };
            users.remove(service);
            if users.is_empty() {
                self.external.remove(address);
            }
        }
    }
}

/// How many addresses each node has; a moving one counts for where it goes. Nodes without any are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Loads(BTreeMap<NodeName, u32>);

impl Loads {
    pub(super) fn add(&mut self, node: &NodeName) {
        match self.0.get_mut(node) {
            Some(count) => *count += 1,
            None => drop(self.0.insert(node.clone(), 1)),
        }
    }

    pub(super) fn take(&mut self, node: &NodeName) {
        if let Some(count) = self.0.get_mut(node) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(node);
            }
        }
    }

    /// Whether no node has any.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each node that has any, in the order of their names, with how many.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeName, u32)> {
        self.0.iter().map(|(node, count)| (node, *count))
    }

    /// The loads of these nodes, which come in the order of their names.
    pub(super) fn of<'n>(&self, nodes: impl Iterator<Item = &'n NodeName>) -> Vec<u32> {
        let mut known = self.0.iter().peekable();
        nodes
            .map(|node| {
                while known.next_if(|(name, _)| *name < node).is_some() {}
                known.next_if(|(name, _)| *name == node).map_or(0, |(_, count)| *count)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_are_found_by_order() {
        let mut loads = Loads::default();
        ["b", "d", "d", "x"].iter().for_each(|node| loads.add(&NodeName::from(*node)));
        loads.take(&NodeName::from("b"));
        let nodes = ["a", "b", "c", "d", "e"].map(NodeName::from);
        assert_eq!(loads.of(nodes.iter()), [0, 0, 0, 2, 0]);
    }
}
