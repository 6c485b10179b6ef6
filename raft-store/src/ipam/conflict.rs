//! Pools that overlap: the newer one is switched off.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::span::{from_bits, to_bits};
use crate::model::{Dialect, Family, IpRange, Name, Pool};

/// A pool, told by dialect and name.
pub(super) type PoolKey = (Dialect, Name);

/// Why a pool is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    /// The older pool.
    pub(super) with: Name,
    /// A block of the newer pool.
    pub(super) own: IpRange,
    /// The stretch of the older pool that it overlaps: one block, or several that overlap each other.
    pub(super) other: (IpAddr, IpAddr),
}

impl Conflict {
    /// In words, with what would help.
    pub(super) fn describe(&self) -> String {
        format!(
            "its block {} overlaps {}-{} of the older pool {}; it gives nothing out until one of the two is changed",
            self.own, self.other.0, self.other.1, self.with
        )
    }
}

/// The pools that are switched off. Of two pools of one dialect that share an address the newer one is (creation time,
/// then name), unless the older one is switched off itself. Blocks of one pool may overlap each other, and pools of
/// different dialects may overlap, since an address is given out once whichever pool holds it.
pub(super) fn conflicts<'a>(pools: impl Iterator<Item = &'a Pool>) -> BTreeMap<PoolKey, Conflict> {
    let mut by_age: Vec<&Pool> = pools.collect();
    by_age.sort_by(|a, b| (a.dialect, a.age, &a.name).cmp(&(b.dialect, b.age, &b.name)));
    let mut standing = Standing::default();
    let mut found = BTreeMap::new();
    for pool in by_age {
        let clash = pool.blocks.iter().find_map(|block| standing.clash(pool.dialect, block.range()));
        match clash {
            Some(conflict) => drop(found.insert((pool.dialect, pool.name.clone()), conflict)),
            None => pool.blocks.iter().for_each(|block| standing.add(pool, block.range())),
        }
    }
    found
}

/// The stretches of the pools that stand so far, by their first address: their last address and their pool. Overlapping
/// blocks of one pool are joined, and blocks of two pools never overlap here, so stretches are disjoint.
#[derive(Default)]
struct Standing<'a> {
    stretches: BTreeMap<(Dialect, Family, u128), (u128, &'a str)>,
}

impl<'a> Standing<'a> {
    /// The overlap of a range with a standing stretch.
    fn clash(&self, dialect: Dialect, own: IpRange) -> Option<Conflict> {
        let family = own.family();
        let (first, last, with) = self.below(dialect, family, to_bits(own.last()))?;
        let other = (from_bits(family, first), from_bits(family, last));
        (last >= to_bits(own.first())).then(|| Conflict { with: with.to_owned(), own, other })
    }

    fn add(&mut self, pool: &'a Pool, range: IpRange) {
        let family = range.family();
        let (mut first, mut last) = (to_bits(range.first()), to_bits(range.last()));
        // What overlaps now is of the same pool.
        while let Some((from, to, _)) = self.below(pool.dialect, family, last).filter(|(_, to, _)| *to >= first) {
            self.stretches.remove(&(pool.dialect, family, from));
            (first, last) = (first.min(from), last.max(to));
        }
        self.stretches.insert((pool.dialect, family, first), (last, &pool.name));
    }

    /// The highest stretch that starts at or below an address.
    fn below(&self, dialect: Dialect, family: Family, address: u128) -> Option<(u128, u128, &'a str)> {
        let upto = (dialect, family, 0)..=(dialect, family, address);
        self.stretches.range(upto).next_back().map(|(key, (last, pool))| (key.2, *last, *pool))
    }
}
