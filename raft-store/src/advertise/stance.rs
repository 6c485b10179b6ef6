//! What one advertisement says of one address of one service, whatever the node.

use std::net::IpAddr;

use super::reason::Untold;
use crate::model::{
    Advertised, BgpAdvertisement, Dialect, Pool, PoolMatch, Service, ServiceAddressKind, ServiceKind, ServiceLabels,
    TrafficPolicy, any_selects,
};
use crate::placement::NATIVE_CLASS;

/// Cilium's class for its BGP control plane.
const CILIUM_BGP_CLASS: &str = "io.cilium/bgp-control-plane";

/// An address of a service, as what it has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held<'a> {
    pub(super) address: IpAddr,
    pub(super) kind: ServiceAddressKind,
    /// Where it was granted from; only for [`ServiceAddressKind::LoadBalancer`].
    pub(super) pool: Option<&'a Pool>,
}

impl Held<'_> {
    /// Whether only nodes with a backend of their own may take its traffic.
    pub(super) fn is_local(&self, service: &Service) -> bool {
        let policy = match self.kind {
            ServiceAddressKind::Cluster => service.internal_policy,
            ServiceAddressKind::LoadBalancer | ServiceAddressKind::External => service.external_policy,
        };
        policy == TrafficPolicy::Local
    }
}

/// Whether the advertisement selects the service. Cilium's and our selectors see pseudo labels, MetalLB's see the plain
/// ones.
///
/// # Errors
/// With why not.
pub(super) fn selects(told: &BgpAdvertisement, service: &Service) -> Result<(), Untold> {
    let Advertised::Services { selectors, .. } = &told.what else { return Err(Untold::NotAboutServices) };
    let selected = selectors.as_ref().is_some_and(|selectors| match told.dialect {
        Dialect::MetalLb => any_selects(selectors, &service.labels),
        Dialect::Native | Dialect::Cilium => any_selects(selectors, &ServiceLabels(service)),
    });
    if selected { Ok(()) } else { Err(Untold::ServiceNotSelected) }
}

/// Whether the advertisement, which selects the service, is about this address of it.
///
/// # Errors
/// With why not.
pub(super) fn covers(told: &BgpAdvertisement, service: &Service, held: Held) -> Result<(), Untold> {
    let Advertised::Services { kinds, pools, .. } = &told.what else { return Err(Untold::NotAboutServices) };
    if !kinds.contains(&held.kind) {
        return Err(Untold::KindNotWanted);
    }
    if held.kind != ServiceAddressKind::LoadBalancer {
        let any_pool = matches!(pools, PoolMatch::All);
        return if any_pool { Ok(()) } else { Err(Untold::PoolNotSelected) };
    }
    let of_dialect =
        |pool: &Pool| told.dialect == Dialect::Native || [told.dialect, Dialect::Native].contains(&pool.dialect);
    if service.kind != ServiceKind::LoadBalancer {
        Err(Untold::KindNotWanted)
    } else if !held.pool.is_some_and(|pool| of_dialect(pool) && pools.matches(pool)) {
        Err(Untold::PoolNotSelected)
    } else if !class_matches(told.dialect, service.class.as_deref()) {
        Err(Untold::OtherClass)
    } else {
        Ok(())
    }
}

/// The class counts for addresses from pools only: external and cluster IPs are nobody's.
fn class_matches(dialect: Dialect, class: Option<&str>) -> bool {
    match (dialect, class) {
        (_, None) => true,
        (Dialect::Cilium, Some(class)) => class == CILIUM_BGP_CLASS,
        (Dialect::Native, Some(class)) => class == NATIVE_CLASS,
        (Dialect::MetalLb, Some(_)) => false,
    }
}
