//! Prefixes on the wire.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::super::{Family, Prefix};
use super::reader::Reader;

/// Prefixes of one family, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nlri<'a> {
    family: Family,
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Nlri<'a> {
    /// No prefixes.
    #[must_use]
    pub const fn none(family: Family) -> Self {
        Self { family, bytes: &[], count: 0 }
    }

    /// Reads prefixes; `None` when there is something else in the bytes (RFC 4271 section 6.3, RFC 7606 section 5.3).
    #[must_use]
    pub fn decode(family: Family, bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut count = 0;
        while !reader.is_empty() {
            let length = reader.u8().filter(|length| *length <= family.max_length())?;
            reader.take(usize::from(length.div_ceil(8)))?;
            count += 1;
        }
        Some(Self { family, bytes, count })
    }

    /// The family.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.family
    }

    /// How many prefixes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Each prefix, in the order of the message. Bits behind a prefix's length are passed over.
    #[must_use]
    pub const fn iter(&self) -> NlriIter<'a> {
        NlriIter { family: self.family, reader: Reader::new(self.bytes) }
    }

    pub(super) const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> IntoIterator for &Nlri<'a> {
    type Item = Prefix;
    type IntoIter = NlriIter<'a>;

    fn into_iter(self) -> NlriIter<'a> {
        self.iter()
    }
}

/// The prefixes of [`Nlri`].
#[derive(Debug, Clone)]
pub struct NlriIter<'a> {
    family: Family,
    reader: Reader<'a>,
}

impl Iterator for NlriIter<'_> {
    type Item = Prefix;

    fn next(&mut self) -> Option<Prefix> {
        let length = self.reader.u8()?;
        let octets = self.reader.take(usize::from(length.div_ceil(8)))?;
        match self.family {
            Family::Ipv4Unicast => Prefix::v4(Ipv4Addr::from(padded::<4>(octets)?), length),
            Family::Ipv6Unicast => Prefix::v6(Ipv6Addr::from(padded::<16>(octets)?), length),
        }
    }
}

fn padded<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    let mut all = [0; N];
    all.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(all)
}
