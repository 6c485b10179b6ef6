//! How full the pools are.

use quorumlb_raft_store::machine::State;
use serde::Serialize;

use super::dialect;

/// A pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolRow {
    /// Its name.
    pub name: String,
    /// Whose rules hold for it: `native`, `cilium` or `metallb`.
    pub dialect: &'static str,
    /// Addresses that services can get, in use or not; saturates at 2^63-1.
    pub total: u64,
    /// Addresses in use.
    pub used: u64,
    /// Addresses that are left; 0 when it gives out nothing new.
    pub available: u64,
    /// Why it is switched off, or `None`.
    pub conflict: Option<String>,
    /// It gives out nothing new, by its manifest.
    pub disabled: bool,
    /// Services get addresses from it without asking for it.
    pub auto_assign: bool,
}

/// All pools, by name.
pub fn pools(state: &State) -> Vec<PoolRow> {
    let row = |usage: quorumlb_raft_store::ipam::PoolUsage| {
        let pool = state.wanted.pools.get(&(usage.dialect, usage.name.clone()));
        let disabled = pool.is_some_and(|pool| pool.disabled);
        let open = usage.conflict.is_none() && !disabled;
        PoolRow {
            dialect: dialect(usage.dialect),
            total: usage.total,
            used: usage.used,
            available: if open { usage.total.saturating_sub(usage.used) } else { 0 },
            conflict: usage.conflict,
            disabled,
            auto_assign: pool.is_some_and(|pool| pool.auto_assign),
            name: usage.name,
        }
    };
    let mut rows: Vec<_> = state.book.pool_usage(&state.wanted).into_iter().map(row).collect();
    rows.sort_by(|one, other| (&one.name, one.dialect).cmp(&(&other.name, other.dialect)));
    rows
}
