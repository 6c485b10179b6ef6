//! The usable addresses of a stretch, counted from zero. Addresses that are left out have no number, so that nothing ever
//! has to step over them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::Family;

/// The address as a number, in host order.
pub(super) fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of a number. IPv4 numbers are below 2^32; higher bits are cut off.
pub(super) fn from_bits(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// Usable addresses in each IPv4 /24 when `.0` and `.255` are left out.
const PER_24: u128 = 254;

/// A stretch of addresses of which at least one is usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    first: u128,
    last: u128,
    /// Leave out IPv4 addresses that end in `.0` or `.255`.
    skip: bool,
}

impl Span {
    /// The stretch `first..=last`, or `None` when it holds no usable address.
    pub(super) fn new(family: Family, first: u128, last: u128, avoid_buggy: bool) -> Option<Self> {
        let skip = avoid_buggy && family == Family::V4;
        let usable = first <= last && (!skip || usable_below(last + 1) > usable_below(first));
        usable.then_some(Self { first, last, skip })
    }

    /// The number of an address; `None` when it lies outside or is left out.
    pub(super) fn ordinal(&self, address: u128) -> Option<u128> {
        if address < self.first || address > self.last {
            return None;
        }
        if !self.skip {
            return Some(address - self.first);
        }
        let left_out = matches!(address & 0xff, 0 | 0xff);
        (!left_out).then(|| usable_below(address) - usable_below(self.first))
    }

    /// The address with this number, which must not exceed [`Span::last_ordinal`].
    pub(super) fn nth(&self, ordinal: u128) -> u128 {
        if !self.skip {
            return self.first + ordinal;
        }
        let from_zero = ordinal + usable_below(self.first);
        ((from_zero / PER_24) << 8) | (from_zero % PER_24 + 1)
    }

    /// The highest number.
    pub(super) fn last_ordinal(&self) -> u128 {
        if !self.skip {
            return self.last - self.first;
        }
        usable_below(self.last + 1) - usable_below(self.first) - 1
    }
}

/// How many IPv4 addresses below `address` end neither in `.0` nor in `.255`.
fn usable_below(address: u128) -> u128 {
    (address >> 8) * PER_24 + (address & 0xff).saturating_sub(1).min(PER_24)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_stretch_of_left_out_addresses_is_no_span() {
        assert_eq!(Span::new(Family::V4, 255, 256, true), None);
        assert!(Span::new(Family::V4, 255, 256, false).is_some());
        assert!(Span::new(Family::V6, 255, 256, true).is_some());
        assert_eq!(Span::new(Family::V6, 1, 0, false), None);
    }

    #[test]
    fn whole_families_fit() {
        let v6 = Span::new(Family::V6, 0, u128::MAX, false).unwrap();
        assert_eq!(
            (v6.last_ordinal(), v6.nth(u128::MAX), v6.ordinal(u128::MAX)),
            (u128::MAX, u128::MAX, Some(u128::MAX))
        );
        let v4 = Span::new(Family::V4, 0, u128::from(u32::MAX), true).unwrap();
        assert_eq!(v4.last_ordinal() + 1, 254 << 24);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn numbers_follow_the_usable_addresses(first in 0_u128..2000, len in 0_u128..2000, skip: bool) {
            let usable: Vec<u128> =
                (first..=first + len).filter(|a| !skip || !matches!(a & 0xff, 0 | 0xff)).collect();
            let Some(span) = Span::new(Family::V4, first, first + len, skip) else {
                prop_assert!(usable.is_empty());
                return Ok(());
            };
            prop_assert_eq!(span.last_ordinal() + 1, usable.len() as u128);
            for (number, address) in usable.iter().enumerate() {
                prop_assert_eq!(span.nth(number as u128), *address);
            }
            for address in 0..4500 {
                let expected = usable.iter().position(|a| *a == address).map(|at| at as u128);
                prop_assert_eq!(span.ordinal(address), expected);
            }
        }
    }
}
