//! Cilium's first BGP kind, `CiliumBGPPeeringPolicy`.

use std::collections::BTreeSet;

use quorumlb_raft_store::model::{
    Advertised, BgpAdvertisement, BgpPeer, BgpRemote, BgpSource, Dialect, PeerMatch, PoolMatch, RemoteAsn, SecretRef,
    Selector, ServiceAddressKind,
};

use super::bgp::{asn, attributes, cilium_families, cilium_timers, graceful_restart, optional_selectors};
use super::decode::{Cx, Fields, boolean, choice, host, int, list, mapping, selector, text};
use super::diagnostic::Place;
use super::objects::{Head, Objects, PlacedAdvertisement, PlacedPeer, Target};
use super::yaml::Node;

/// The words for addresses of services.
pub(super) const SERVICE_ADDRESSES: [(&str, ServiceAddressKind); 3] = [
    ("LoadBalancerIP", ServiceAddressKind::LoadBalancer),
    ("ClusterIP", ServiceAddressKind::Cluster),
    ("ExternalIP", ServiceAddressKind::External),
];
/// The kind of address that attributes by pool are for.
const LOAD_BALANCER: ServiceAddressKind = ServiceAddressKind::LoadBalancer;
/// Where Cilium looks for passwords.
pub(super) const SECRET_NAMESPACE: &str = "kube-system";

/// What one policy gives, gathered first and added when its name is free.
#[derive(Default)]
struct Gathered {
    peers: Vec<BgpPeer>,
    advertisements: Vec<BgpAdvertisement>,
    secrets: Vec<(String, Place)>,
}

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let gathered = fields.need("spec", |node, cx| {
        mapping(node, cx, |spec| {
            let nodes: Vec<Selector> = spec.get("nodeSelector", selector).into_iter().collect();
            let routers = spec.need_list("virtualRouters", |node, cx| router(node, cx, head, &nodes));
            unique(&routers, cx, |router| router.peers.first().map(|peer| peer.instance.clone()), node.place);
            Some(routers)
        })
    })?;
    for router in gathered.into_iter().filter(|_| new) {
        for (name, place) in router.secrets {
            objects.refer(Target::Secret, format!("{SECRET_NAMESPACE}/{name}"), place, fields.cx);
        }
        objects.peers.extend(router.peers.into_iter().map(|peer| PlacedPeer { peer, bfd_profile: None }));
        let place = head.meta.place;
        let placed =
            |advertisement| PlacedAdvertisement { advertisement, aliases: BTreeSet::new(), place, lengths: [place; 2] };
        objects.advertisements.extend(router.advertisements.into_iter().map(placed));
    }
    Some(())
}

fn unique<T>(items: &[T], cx: Cx, key: impl Fn(&T) -> Option<String>, place: Place) {
    let mut seen = BTreeSet::new();
    for key in items.iter().filter_map(key) {
        if !seen.insert(key.clone()) {
            let hint = "join them into one".to_owned();
            cx.report.error(place, format!("there are two entries for `{key}`"), hint);
        }
    }
}

fn router(node: &Node, cx: Cx, head: &Head, nodes: &[Selector]) -> Option<Gathered> {
    mapping(node, cx, |fields| {
        let local = fields.need("localASN", asn(0));
        let pod_cidrs = fields.or("exportPodCIDR", false, boolean);
        fields.unhonoured("podIPPoolSelector", &[], "pod networks come from the nodes, not from CiliumPodIPPools");
        let selectors = optional_selectors(fields, "serviceSelector");
        let kinds = fields.list("serviceAdvertisements", choice(&SERVICE_ADDRESSES));
        let kinds: BTreeSet<_> =
            if kinds.is_empty() { [ServiceAddressKind::LoadBalancer].into() } else { kinds.into_iter().collect() };
        let instance = local.map(|asn: u32| asn.to_string()).unwrap_or_default();
        let neighbors = fields.need_list("neighbors", |node, cx| neighbor(node, cx, head, &instance));
        let mut gathered = Gathered::default();
        let mut rules = Vec::new();
        for mut found in neighbors {
            found.peer.local_asn = local;
            found.peer.node_selectors = nodes.to_vec();
            rules.extend(found.attributes.into_iter().map(|rule| (found.peer.name.clone(), rule)));
            gathered.secrets.extend(found.secret);
            gathered.peers.push(found.peer);
        }
        unique(&gathered.peers, cx, |peer| Some(peer.short_name.clone()), node.place);
        let base = |what, names, suffix| advertisement(head, nodes, format!("{instance}/{suffix}"), what, names);
        let all: BTreeSet<String> = gathered.peers.iter().map(|peer| peer.name.clone()).collect();
        if selectors.is_some() {
            let (kinds, selectors) = (kinds.clone(), selectors.clone());
            let services = Advertised::Services { kinds, selectors, pools: PoolMatch::All };
            gathered.advertisements.push(base(services, all.clone(), "services".to_owned()));
        }
        if pod_cidrs {
            gathered.advertisements.push(base(Advertised::PodCidrs, all, "pod-cidrs".to_owned()));
        }
        for (number, (peer, rule)) in rules.into_iter().enumerate() {
            let what = match rule.what {
                RuleFor::PodCidrs if pod_cidrs => Advertised::PodCidrs,
                RuleFor::Pools(pools) if selectors.is_some() && kinds.contains(&LOAD_BALANCER) => {
                    Advertised::Services { kinds: [LOAD_BALANCER].into(), selectors: selectors.clone(), pools }
                }
                // Attributes of something that is not told.
                RuleFor::PodCidrs | RuleFor::Pools(_) => continue,
            };
            let told = base(what, BTreeSet::from([peer]), format!("attributes-{number}"));
            let (communities, local_pref) = rule.attributes;
            gathered.advertisements.push(BgpAdvertisement { communities, local_pref, ..told });
        }
        Some(gathered)
    })
}

fn advertisement(
    head: &Head,
    nodes: &[Selector],
    suffix: String,
    what: Advertised,
    peers: BTreeSet<String>,
) -> BgpAdvertisement {
    BgpAdvertisement {
        name: format!("{}/{suffix}", head.meta.name),
        dialect: Dialect::Cilium,
        labels: head.meta.labels.clone(),
        peers: PeerMatch::Names(peers),
        node_selectors: nodes.to_vec(),
        what,
        aggregation_v4: 32,
        aggregation_v6: 128,
        communities: BTreeSet::new(),
        local_pref: None,
    }
}

enum RuleFor {
    PodCidrs,
    Pools(PoolMatch),
}

/// One entry of `advertisedPathAttributes`.
struct Rule {
    what: RuleFor,
    attributes: (BTreeSet<quorumlb_raft_store::model::Community>, Option<u32>),
}

struct Neighbor {
    peer: BgpPeer,
    attributes: Vec<Rule>,
    secret: Option<(String, Place)>,
}

fn neighbor(node: &Node, cx: Cx, head: &Head, instance: &str) -> Option<Neighbor> {
    mapping(node, cx, |fields| {
        let address = fields.need("peerAddress", host);
        let remote_asn = fields.need("peerASN", asn(0));
        let secret = fields.get("authSecretRef", |node, cx| Some((text(node, cx)?, node.place)));
        let attributes = fields.get("advertisedPathAttributes", |node, cx| list(node, cx, rule)).unwrap_or_default();
        let peer = BgpPeer {
            name: String::new(),
            dialect: Dialect::Cilium,
            age: head.meta.age,
            policy: head.meta.name.clone(),
            instance: instance.to_owned(),
            short_name: String::new(),
            node_selectors: Vec::new(),
            local_asn: None,
            remote: BgpRemote::DefaultGateway(quorumlb_raft_store::model::Family::V4),
            remote_asn: RemoteAsn::FromOpen,
            port: fields.or("peerPort", 179, int(1..=65_535)),
            listen_port: None,
            source: BgpSource::Any,
            router_id: None,
            timers: cilium_timers(fields),
            ebgp_hops: fields.or("eBGPMultihopTTL", 1, int(1..=255)),
            minimum_ttl: None,
            graceful_restart_seconds: fields.get("gracefulRestart", graceful_restart).flatten(),
            password: secret.as_ref().map(|(name, _)| secret_ref(name)),
            bfd: None,
            families: cilium_families(fields, false),
        };
        let (address, remote_asn) = (address?, remote_asn?);
        let remote_asn = if remote_asn == 0 { RemoteAsn::FromOpen } else { RemoteAsn::Number(remote_asn) };
        let name = format!("{}/{instance}/{address}", head.meta.name);
        let remote = BgpRemote::Address(address);
        Some(Neighbor {
            peer: BgpPeer { name, short_name: address.to_string(), remote, remote_asn, ..peer },
            attributes,
            secret,
        })
    })
}

/// Cilium's passwords stand under the key `password` of a Secret in its own namespace.
pub(super) fn secret_ref(name: &str) -> SecretRef {
    SecretRef { namespace: SECRET_NAMESPACE.to_owned(), name: name.to_owned(), key: "password".to_owned() }
}

fn rule(node: &Node, cx: Cx) -> Option<Rule> {
    mapping(node, cx, |fields| {
        let kind = fields
            .need("selectorType", choice(&[("PodCIDR", 0), ("CiliumLoadBalancerIPPool", 1), ("CiliumPodIPPool", 2)]));
        let pools = fields.get("selector", selector);
        let attributes = attributes(fields);
        let what = match kind? {
            0 => RuleFor::PodCidrs,
            1 => RuleFor::Pools(match pools {
                Some(selector) => PoolMatch::Some { names: BTreeSet::new(), selectors: vec![selector] },
                None => PoolMatch::All,
            }),
            _ => {
                fields.unhonoured("selectorType", &[], "pod networks come from the nodes, not from CiliumPodIPPools");
                return None;
            }
        };
        Some(Rule { what, attributes })
    })
}
