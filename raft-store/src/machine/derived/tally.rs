//! How many addresses of each class each node has, kept up with every change of owner.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Loads;
use crate::machine::Ownership;
use crate::model::NodeName;

/// Owned addresses by class of eligibility, and by whom they count for. The classes are those of one
/// [`crate::placement::Eligibility`] and mean nothing without it.
#[derive(Debug, Default)]
pub(in crate::machine) struct Tally {
    classes: BTreeMap<IpAddr, u32>,
    held: BTreeMap<u32, Loads>,
}

impl Tally {
    /// Enters an address, or changes its class. `owned` is whose it is now, if anybody's.
    pub(in crate::machine) fn classify(&mut self, address: IpAddr, class: u32, owned: Option<&Ownership>) {
        let before = self.classes.insert(address, class);
        let Some(owned) = owned.filter(|_| before != Some(class)) else { return };
        if let Some(before) = before {
            self.held.entry(before).or_default().take(owned.holder());
        }
        self.held.entry(class).or_default().add(owned.holder());
    }

    /// An address counts for another node, or for nobody.
    pub(in crate::machine) fn hand(&mut self, address: IpAddr, from: Option<&NodeName>, to: Option<&NodeName>) {
        let Some(class) = self.classes.get(&address) else { return };
        let held = self.held.entry(*class).or_default();
        if let Some(from) = from {
            held.take(from);
        }
        if let Some(to) = to {
            held.add(to);
        }
    }

    /// Strikes an address out that nobody owns.
    pub(in crate::machine) fn forget(&mut self, address: IpAddr) {
        self.classes.remove(&address);
    }

    /// Each class with what its addresses count for.
    pub(in crate::machine) fn held(&self) -> impl Iterator<Item = (u32, &Loads)> {
        self.held.iter().filter(|(_, held)| !held.is_empty()).map(|(class, held)| (*class, held))
    }
}
