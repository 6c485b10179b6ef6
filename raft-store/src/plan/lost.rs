//! Addresses that services had in an earlier plan and have no more.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::contract::{Allocation, LostAddresses, Plan};
use crate::machine::State;
use crate::model::ServiceKey;

/// What a change costs: by service, what it had and what it has instead.
pub(super) fn lost(state: &State, from: &Plan, now: &[Allocation]) -> Vec<LostAddresses> {
    let now: BTreeMap<&str, &[IpAddr]> = now.iter().map(|of| (of.service.as_str(), &of.addresses[..])).collect();
    let lost = from.allocations.iter().filter_map(|before| {
        let kept = now.get(before.service.as_str()).copied().unwrap_or_default();
        let gone: Vec<IpAddr> = before.addresses.iter().filter(|address| !kept.contains(address)).copied().collect();
        let instead: Vec<IpAddr> = kept.iter().filter(|address| !before.addresses.contains(address)).copied().collect();
        (!gone.is_empty()).then(|| LostAddresses {
            service: before.service.clone(),
            why: why(state, &before.service, !instead.is_empty()),
            addresses: gone,
            now: instead,
        })
    });
    lost.collect()
}

fn why(state: &State, service: &str, has_others: bool) -> String {
    let Ok(key) = service.parse::<ServiceKey>();
    if !state.wanted.services.contains_key(&key) {
        return "the service is gone".to_owned();
    }
    match state.book.pending().get(&key) {
        Some(pending) => format!("{}: {}", pending.reason, pending.message),
        None if has_others => "its pool, or what it asks for, has changed".to_owned(),
        None => "it gets no address any more".to_owned(),
    }
}
