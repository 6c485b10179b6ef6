//! From all that was read to one wanted state, with the checks that need more than one object.

use quorumlb_raft_store::model::{BgpAdvertisement, BgpPeer, ServiceKind, Wanted};

use super::decode::Cx;
use super::objects::Objects;
use super::{metallb_rules, overlap, own_addresses, references};

/// Puts everything in its place.
pub(super) fn assemble(mut objects: Objects, cx: Cx) -> Wanted {
    overlap::check(&objects.pools, cx);
    own_addresses::check(&objects, cx);
    references::check(&objects, cx);
    metallb_rules::check(&objects, cx);
    warn_of_missing_endpoints(&objects, cx);
    let mut wanted = Wanted { endpoints_known: objects.endpoints_known, ..Wanted::default() };
    for peer in resolve_peers(&mut objects) {
        wanted.bgp.peers.insert((peer.dialect, peer.name.clone()), peer);
    }
    for told in resolve_advertisements(&mut objects) {
        wanted.bgp.advertisements.insert((told.dialect, told.name.clone()), told);
    }
    wanted.bgp.overrides = objects.overrides.into_iter().map(|own| (own.node.clone(), own)).collect();
    wanted.settings = objects.settings.unwrap_or_default();
    wanted.nodes = objects.nodes.into_iter().map(|node| (node.name.clone(), node)).collect();
    wanted.namespaces = objects.namespaces.into_iter().map(|namespace| (namespace.name.clone(), namespace)).collect();
    let pools = objects.pools.into_iter().map(|placed| placed.pool);
    wanted.pools = pools.map(|pool| ((pool.dialect, pool.name.clone()), pool)).collect();
    let policies = objects.l2_policies.into_iter();
    wanted.l2_policies = policies.map(|policy| ((policy.dialect, policy.name.clone()), policy)).collect();
    wanted.services = objects.services.into_iter().map(|(service, _)| (service.key.clone(), service)).collect();
    wanted.endpoints = objects.endpoints;
    wanted
}

/// Without any EndpointSlice backends are taken to exist; one warning says so, at the first service it is about.
fn warn_of_missing_endpoints(objects: &Objects, cx: Cx) {
    let core = objects
        .services
        .iter()
        .find(|(service, _)| service.kind == ServiceKind::LoadBalancer && service.backends.is_none());
    let Some((service, place)) = core.filter(|_| !objects.endpoints_known) else { return };
    cx.report.enter(Some(format!("Service {}", service.key)));
    let hint = "add the services' EndpointSlices, if it matters where their backends are".to_owned();
    cx.report.warning(*place, "the input has no EndpointSlice, so backends are taken to exist", hint);
    cx.report.enter(None);
}

/// Peers with their peer configurations and BFD profiles.
fn resolve_peers(objects: &mut Objects) -> Vec<BgpPeer> {
    let mut peers = Vec::new();
    for mut placed in std::mem::take(&mut objects.peers) {
        let profile = placed.bfd_profile.and_then(|name| objects.bfd_profiles.get(&name));
        placed.peer.bfd = profile.map(|profile| profile.0).or(placed.peer.bfd);
        peers.push(placed.peer);
    }
    for mut unresolved in std::mem::take(&mut objects.unresolved_peers) {
        if let Some(config) = unresolved.config.and_then(|name| objects.peer_configs.get(&name)) {
            config.apply(&mut unresolved.peer);
        }
        peers.push(unresolved.peer);
    }
    peers
}

/// Advertisements with their aliases replaced by communities.
fn resolve_advertisements(objects: &mut Objects) -> Vec<BgpAdvertisement> {
    let placed = std::mem::take(&mut objects.advertisements).into_iter();
    placed
        .map(|placed| {
            let mut told = placed.advertisement;
            told.communities.extend(placed.aliases.iter().filter_map(|alias| objects.communities.get(alias)));
            told
        })
        .collect()
}
