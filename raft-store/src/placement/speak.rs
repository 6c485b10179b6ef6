//! Which policies speak for a service's address.

use std::net::IpAddr;

use crate::model::{Dialect, L2Policy, Pool, PoolMatch, Service, ServiceKind, ServiceLabels, any_selects};

/// The `loadBalancerClass` of services that are ours alone.
pub const NATIVE_CLASS: &str = "quorumlb.io/lb";

/// Cilium's class for its L2 announcements.
const CILIUM_L2_CLASS: &str = "io.cilium/l2-announcer";

/// Whether a policy speaks for an address of a service. `pool` is where the address was granted from; without one
/// only `spec.externalIPs` of the service can be meant.
///
/// A policy speaks for addresses from pools of its own dialect and from native pools; a native policy speaks for all
/// pools. Backends are no matter here.
pub fn speaks(policy: &L2Policy, address: IpAddr, pool: Option<&Pool>, service: &Service) -> bool {
    kind_matches(policy, address, pool, service)
        && class_matches(policy.dialect, service.class.as_deref())
        && service_matches(policy, service)
}

/// Whether the policy is about this kind of address, and about its pool.
fn kind_matches(policy: &L2Policy, address: IpAddr, pool: Option<&Pool>, service: &Service) -> bool {
    let granted = policy.addresses.load_balancer
        && service.kind == ServiceKind::LoadBalancer
        && pool.is_some_and(|pool| {
            let dialect =
                policy.dialect == Dialect::Native || [policy.dialect, Dialect::Native].contains(&pool.dialect);
            dialect && policy.pools.matches(pool)
        });
    let external = || {
        policy.addresses.external && service.external_ips.contains(&address) && matches!(policy.pools, PoolMatch::All)
    };
    granted || external()
}

fn class_matches(dialect: Dialect, class: Option<&str>) -> bool {
    match (dialect, class) {
        (_, None) => true,
        (Dialect::Cilium, Some(class)) => class == CILIUM_L2_CLASS,
        (Dialect::Native, Some(class)) => class == NATIVE_CLASS,
        (Dialect::MetalLb, Some(_)) => false,
    }
}

/// Cilium's and our selectors see pseudo labels, MetalLB's see the plain ones.
fn service_matches(policy: &L2Policy, service: &Service) -> bool {
    match policy.dialect {
        Dialect::MetalLb => any_selects(&policy.service_selectors, &service.labels),
        Dialect::Native | Dialect::Cilium => any_selects(&policy.service_selectors, &ServiceLabels(service)),
    }
}
