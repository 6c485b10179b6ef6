//! Which solicited-node groups the owned addresses need, and how far joining them is. Addresses with equal last 24 bits
//! share a group.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv6Addr;

use crate::ndp::packet::solicited_node;

/// How far joining a group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Membership {
    /// Not joined, or not known yet.
    Awaited,
    /// The interface hears the group.
    Joined,
    /// The system refused; with what it said.
    Refused(String),
}

#[derive(Debug)]
struct Group {
    members: BTreeSet<Ipv6Addr>,
    membership: Membership,
}

/// The groups of one interface.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: BTreeMap<Ipv6Addr, Group>,
}

impl Groups {
    /// Adds an address; gives its group when that is new.
    pub fn add(&mut self, address: Ipv6Addr) -> Option<Ipv6Addr> {
        let name = solicited_node(address);
        let group = self
            .groups
            .entry(name)
            .or_insert_with(|| Group { members: BTreeSet::new(), membership: Membership::Awaited });
        let added = group.members.insert(address);
        (added && group.members.len() == 1).then_some(name)
    }

    /// Removes an address; gives its group when nobody needs it any more.
    pub fn remove(&mut self, address: Ipv6Addr) -> Option<Ipv6Addr> {
        let name = solicited_node(address);
        let group = self.groups.get_mut(&name)?;
        group.members.remove(&address);
        if !group.members.is_empty() {
            return None;
        }
        self.groups.remove(&name);
        Some(name)
    }

    /// How far the group of an address is.
    pub fn membership(&self, address: Ipv6Addr) -> &Membership {
        self.groups.get(&solicited_node(address)).map_or(&Membership::Awaited, |group| &group.membership)
    }

    /// Notes how far a group is; gives the addresses that it concerns. A group that nobody needs is passed over.
    pub fn set(&mut self, name: Ipv6Addr, membership: Membership) -> Vec<Ipv6Addr> {
        let Some(group) = self.groups.get_mut(&name) else { return Vec::new() };
        group.membership = membership;
        group.members.iter().copied().collect()
    }

    /// Forgets all memberships: the socket that held them is gone.
    pub fn forget(&mut self) {
        self.groups.values_mut().for_each(|group| group.membership = Membership::Awaited);
    }

    /// All groups that are needed.
    pub fn names(&self) -> impl Iterator<Item = Ipv6Addr> {
        self.groups.keys().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_with_equal_ends_share_a_group() {
        let [one, two]: [Ipv6Addr; 2] = ["fd00::1:2:3".parse().unwrap(), "fd00:9::1:2:3".parse().unwrap()];
        let group = solicited_node(one);
        let mut groups = Groups::default();
        assert_eq!(groups.add(one), Some(group));
        assert_eq!(groups.add(one), None, "the same again");
        assert_eq!(groups.add(two), None);
        assert_eq!(groups.set(group, Membership::Joined), [one, two]);
        assert_eq!(groups.membership(two), &Membership::Joined);
        assert_eq!(groups.remove(one), None);
        assert_eq!(groups.membership(two), &Membership::Joined);
        assert_eq!(groups.remove(two), Some(group));
        assert_eq!(groups.set(group, Membership::Joined), Vec::<Ipv6Addr>::new());
        assert_eq!(groups.remove(two), None);
    }
}
