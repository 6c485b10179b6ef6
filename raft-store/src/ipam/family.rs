//! Which families a service wants.

use crate::model::{Family, FamilyPolicy, Service};

/// The families that the manifest settles, in order: `ipFamilies`, else those of `clusterIPs`, cut to what the policy
/// asks for. `None` when neither says anything and the policy leaves it to the pools.
pub(super) fn declared(service: &Service) -> Option<Vec<Family>> {
    let mut named: Vec<Family> = if service.families.is_empty() {
        service.cluster_ips.iter().copied().map(Family::of).collect()
    } else {
        service.families.clone()
    };
    named.dedup();
    named.truncate(2);
    match (service.family_policy, named.is_empty()) {
        (FamilyPolicy::RequireDualStack, _) => {
            let first = named.first().copied().unwrap_or(Family::V4);
            Some(if first == Family::V4 { vec![Family::V4, Family::V6] } else { vec![Family::V6, Family::V4] })
        }
        (_, true) => None,
        (FamilyPolicy::SingleStack, false) => Some(vec![named[0]]),
        (FamilyPolicy::PreferDualStack, false) => Some(named),
    }
}

/// Whether a service without requested addresses may hold one of this family beside what it holds.
pub(super) fn may_hold(service: &Service, family: Family, held: &[Family]) -> bool {
    if held.contains(&family) {
        return false;
    }
    match declared(service) {
        Some(families) => families.contains(&family),
        None => held.is_empty() || service.family_policy == FamilyPolicy::PreferDualStack,
    }
}

/// Families in words: `IPv4 and IPv6`.
pub(super) fn list(families: impl IntoIterator<Item = Family>) -> String {
    families.into_iter().map(|family| family.to_string()).collect::<Vec<_>>().join(" and ")
}
