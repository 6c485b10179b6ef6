//! Addresses that nodes have for themselves. No service gets one of them, whichever pool holds it: the node would be cut
//! off from its segment. What a service has already it keeps (P2), and people are told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::book::AddressBook;
use crate::model::{NodeName, ServiceKey};

/// The nodes' own addresses, each with its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reserved(BTreeMap<IpAddr, NodeName>);

impl Reserved {
    /// The node that has the address.
    pub fn node(&self, address: IpAddr) -> Option<&NodeName> {
        self.0.get(&address)
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.0.keys().copied()
    }
}

impl FromIterator<(IpAddr, NodeName)> for Reserved {
    fn from_iter<T: IntoIterator<Item = (IpAddr, NodeName)>>(own: T) -> Self {
        Self(own.into_iter().collect())
    }
}

impl AddressBook {
    /// The nodes have these addresses for themselves from now on. Derived, so not stored: tell it again after reading a
    /// stored book, before [`AddressBook::reindex`]. Gives back whether an address became free that a pool may give out:
    /// then the next [`AddressBook::reconcile`] must look at every service.
    pub fn reserve(&mut self, reserved: Reserved) -> bool {
        *self.ledger.reserved() != reserved && self.ledger.reserve(reserved)
    }

    /// Nodes' own addresses that services have all the same, since they had them first: address, node and services.
    pub fn taken_from_nodes(&self) -> impl Iterator<Item = (IpAddr, &NodeName, Vec<&ServiceKey>)> {
        self.ledger.reserved().0.iter().filter_map(|(address, node)| {
            let users: Vec<&ServiceKey> = self.users_of(*address).collect();
            (!users.is_empty()).then_some((*address, node, users))
        })
    }
}
