//! How full the pools are.

use super::book::AddressBook;
use super::conflict::conflicts;
use super::space::Space;
use crate::model::{Dialect, Family, Name, Wanted};

/// Highest number that a `total` says.
const MOST: u128 = i64::MAX as u128;

/// How full a pool is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUsage {
    /// Whose rules hold for it.
    pub dialect: Dialect,
    /// Its name.
    pub name: Name,
    /// Addresses that services can get, in use or not; saturates at 2^63-1.
    pub total: u64,
    /// Addresses in use that are from this pool, each counted once.
    pub used: u64,
    /// Why the pool is switched off, naming the older pool that it overlaps.
    pub conflict: Option<String>,
}

impl AddressBook {
    /// How full each pool is, by dialect and name.
    pub fn pool_usage(&self, wanted: &Wanted) -> Vec<PoolUsage> {
        let mut off = conflicts(wanted.pools.values());
        let usage = wanted.pools.iter().map(|(key, pool)| {
            let known = self.ledger.pools.named(key).map(|id| self.ledger.pools.get(id));
            let total = match known {
                Some(space) if space.pool == *pool => total(space),
                _ => total(&Space::new(pool, None)),
            };
            let used = known.map_or(0, |space| space.used(Family::V4) + space.used(Family::V6));
            let conflict = off.remove(key).map(|conflict| conflict.describe());
            PoolUsage { dialect: key.0, name: key.1.clone(), total, used, conflict }
        });
        usage.collect()
    }
}

fn total(space: &Space) -> u64 {
    let total = space.total(Family::V4).saturating_add(space.total(Family::V6)).min(MOST);
    u64::try_from(total).unwrap_or(u64::MAX)
}
