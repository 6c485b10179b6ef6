//! What a service asks for, as the pools of one dialect hear it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::family;
use crate::model::{Dialect, Family, Service, Sharing};

/// A request that can be understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// Just these addresses; empty for any.
    pub(super) addresses: Vec<IpAddr>,
    /// Only from the pool of this name.
    pub(super) pool: Option<&'a str>,
}

/// What the service asks of pools of this dialect.
///
/// # Errors
/// In words, when the request contradicts itself.
pub(super) fn asked(service: &Service, dialect: Dialect) -> Result<Asked<'_>, String> {
    let requests = &service.requests;
    if !requests.invalid.is_empty() {
        return Err(requests.invalid.join("; "));
    }
    let pool = named_pool(service, dialect);
    match dialect {
        Dialect::Native => Ok(Asked { addresses: combined(service, &requests.native), pool }),
        Dialect::Cilium => Ok(Asked { addresses: combined(service, &requests.cilium), pool }),
        Dialect::MetalLb => metallb(service).map(|addresses| Asked { addresses, pool }),
    }
}

/// The one pool to take from. Cilium has no such request.
pub(super) fn named_pool(service: &Service, dialect: Dialect) -> Option<&str> {
    service.requests.pool.as_deref().filter(|_| dialect != Dialect::Cilium)
}

/// `spec.loadBalancerIP` and the list together, each address once.
fn combined(service: &Service, listed: &[IpAddr]) -> Vec<IpAddr> {
    let mut seen = BTreeSet::new();
    service.requests.load_balancer_ip.iter().chain(listed).copied().filter(|address| seen.insert(*address)).collect()
}

/// One way of asking only, at most one address of each family, and just the families of the service.
fn metallb(service: &Service) -> Result<Vec<IpAddr>, String> {
    let requests = &service.requests;
    let addresses = match (requests.metallb.is_empty(), requests.load_balancer_ip) {
        (false, Some(_)) => {
            return Err("metallb.io/loadBalancerIPs and spec.loadBalancerIP are both set; keep one of them".into());
        }
        (true, single) => single.into_iter().collect(),
        (false, None) => requests.metallb.clone(),
    };
    match addresses[..] {
        [] | [_] => {}
        [a, b] if Family::of(a) != Family::of(b) => {}
        [a, b] => return Err(format!("{a} and {b} are both {}; ask for one of each family", Family::of(a))),
        _ => return Err("more than two addresses are requested; ask for one IPv4 and one IPv6 at most".into()),
    }
    let requested: BTreeSet<Family> = addresses.iter().copied().map(Family::of).collect();
    match family::declared(service) {
        Some(declared) if !requested.is_empty() && declared.iter().copied().collect::<BTreeSet<_>>() != requested => {
            Err(format!(
                "the requested addresses are {}, but the service is {}; ask for one address of each family of the service",
                family::list(requested),
                family::list(declared)
            ))
        }
        _ => Ok(addresses),
    }
}

/// Whether the service asks for no address at all, in any way.
pub(super) fn is_silent(service: &Service) -> bool {
    let requests = &service.requests;
    let lists = [&requests.native, &requests.cilium, &requests.metallb];
    requests.invalid.is_empty() && requests.load_balancer_ip.is_none() && lists.iter().all(|list| list.is_empty())
}

/// Whether the service has something to say to this dialect alone, apart from naming a pool.
pub(super) fn speaks_to(service: &Service, dialect: Dialect) -> bool {
    let requests = &service.requests;
    let listed = match dialect {
        Dialect::Native => &requests.native,
        Dialect::Cilium => &requests.cilium,
        Dialect::MetalLb => &requests.metallb,
    };
    !listed.is_empty() || sharing(service, dialect).is_some()
}

/// The consent to share that pools of this dialect listen to. An empty key is none.
pub(super) fn sharing(service: &Service, dialect: Dialect) -> Option<&Sharing> {
    let requests = &service.requests;
    let sharing = match dialect {
        Dialect::Native => &requests.native_sharing,
        Dialect::Cilium => &requests.cilium_sharing,
        Dialect::MetalLb => &requests.metallb_sharing,
    };
    sharing.as_deref().filter(|sharing| !sharing.key.is_empty())
}
