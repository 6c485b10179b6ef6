//! Ranges of addresses.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::Family;

/// An inclusive range of addresses of one family, `first <= last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

/// Why two addresses do not make a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// One end is IPv4 and the other IPv6.
    #[error("{0} and {1} are of different families")]
    MixedFamilies(IpAddr, IpAddr),
    /// The range would be empty.
    #[error("the range starts at {0}, after its end {1}")]
    StartAfterEnd(IpAddr, IpAddr),
}

impl IpRange {
    /// The range from `first` to `last`, both included.
    ///
    /// # Errors
    /// When the families differ or `first` is after `last`.
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, RangeError> {
        if Family::of(first) != Family::of(last) {
            return Err(RangeError::MixedFamilies(first, last));
        }
        if first > last {
            return Err(RangeError::StartAfterEnd(first, last));
        }
        Ok(Self { first, last })
    }

    /// The range that holds one address.
    pub fn single(address: IpAddr) -> Self {
        Self { first: address, last: address }
    }

    /// All addresses of a network, its first and last included. Host bits are ignored.
    pub fn of_network(network: IpNetwork) -> Self {
        Self { first: network.network(), last: network.broadcast() }
    }

    /// The lowest address.
    pub fn first(&self) -> IpAddr {
        self.first
    }

    /// The highest address.
    pub fn last(&self) -> IpAddr {
        self.last
    }

    /// The family of both ends.
    pub fn family(&self) -> Family {
        Family::of(self.first)
    }

    /// Whether the address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        Family::of(address) == self.family() && self.first <= address && address <= self.last
    }

    /// Whether the two ranges share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.family() == other.family() && self.first <= other.last && other.first <= self.last
    }

    /// How many addresses; saturates at `u128::MAX`.
    pub fn len(&self) -> u128 {
        (address_bits(self.last) - address_bits(self.first)).saturating_add(1)
    }

    /// Always false: a range holds at least one address.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// The address as a number, in host order.
fn address_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_included_and_families_kept_apart() {
        let range = IpRange::new("10.0.5.100".parse().unwrap(), "10.0.5.200".parse().unwrap()).unwrap();
        assert_eq!(range.len(), 101);
        assert!(range.contains("10.0.5.200".parse().unwrap()));
        assert!(!range.contains("::ffff:10.0.5.100".parse().unwrap()));
        let all = IpRange::of_network("::/0".parse().unwrap());
        assert_eq!(all.len(), u128::MAX);
        assert!(!all.overlaps(&range));
    }
}
