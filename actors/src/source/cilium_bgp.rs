//! Cilium's second generation of BGP kinds.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use quorumlb_raft_store::model::{
    Advertised, BgpAdvertisement, BgpOverride, BgpPeer, BgpRemote, BgpSource, BgpTimers, Dialect, Family,
    InstanceOverride, NodeName, PeerFamily, PeerMatch, PoolMatch, RemoteAsn, Selector,
};

use super::bgp::{
    asn, attributes, cilium_families, cilium_timers, default_families, graceful_restart, optional_selectors,
    reference_name,
};
use super::cilium_bgp_v1::{SECRET_NAMESPACE, SERVICE_ADDRESSES, secret_ref};
use super::decode::{Cx, Fields, choice, host, int, ipv4, list, mapping, selector, text};
use super::diagnostic::Place;
use super::native_cluster::interface_name;
use super::objects::{Head, Objects, PlacedAdvertisement, Target};
use super::yaml::Node;

/// A peer whose `CiliumBGPPeerConfig` is not yet looked up.
pub(super) struct UnresolvedPeer {
    pub peer: BgpPeer,
    pub config: Option<String>,
}

/// A `CiliumBGPPeerConfig`.
#[derive(Clone)]
pub(super) struct PeerConfig {
    port: u16,
    source: BgpSource,
    timers: BgpTimers,
    secret: Option<String>,
    graceful_restart: Option<u16>,
    hops: u8,
    families: Vec<PeerFamily>,
}

impl PeerConfig {
    /// A peer with what the configuration says.
    pub fn apply(&self, peer: &mut BgpPeer) {
        peer.port = self.port;
        peer.source = self.source.clone();
        peer.timers = self.timers;
        peer.password = self.secret.as_deref().map(secret_ref);
        peer.graceful_restart_seconds = self.graceful_restart;
        peer.ebgp_hops = self.hops;
        peer.families = self.families.clone();
    }
}

pub(super) fn read_cluster_config(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let found = fields.need("spec", |node, cx| {
        mapping(node, cx, |spec| {
            let nodes: Vec<Selector> = spec.get("nodeSelector", selector).into_iter().collect();
            let instances = spec.need_list("bgpInstances", |node, cx| instance(node, cx, head, &nodes));
            let names = instances.iter().map(|instance| (instance.name.as_str(), instance.place));
            distinct(names, "instance", cx);
            Some(instances)
        })
    })?;
    for (peer, config) in found.into_iter().filter(|_| new).flat_map(|instance| instance.peers) {
        if let Some((config, place)) = &config {
            objects.refer(Target::PeerConfig, config, *place, fields.cx);
        }
        objects.unresolved_peers.push(UnresolvedPeer { peer, config: config.map(|(name, _)| name) });
    }
    Some(())
}

type Referring = (BgpPeer, Option<(String, Place)>);

struct Instance {
    name: String,
    place: Place,
    peers: Vec<Referring>,
}

fn distinct<'n>(names: impl Iterator<Item = (&'n str, Place)>, what: &str, cx: Cx) {
    let mut seen = BTreeSet::new();
    for (name, place) in names {
        if !seen.insert(name) {
            let message = format!("there are two entries for the {what} `{name}`");
            cx.report.error(place, message, "give each its own name".to_owned());
        }
    }
}

fn instance(node: &Node, cx: Cx, head: &Head, nodes: &[Selector]) -> Option<Instance> {
    mapping(node, cx, |fields| {
        let name = fields.need("name", text);
        let local_asn = fields.get("localASN", asn(1));
        let listen_port = fields.get("localPort", int(1..=65_535));
        let label = name.clone().unwrap_or_default();
        let mut peers = fields.list("peers", |node, cx| peer(node, cx, head, &label));
        for (peer, _) in &mut peers {
            peer.node_selectors = nodes.to_vec();
            peer.local_asn = local_asn;
            peer.listen_port = listen_port;
        }
        distinct(peers.iter().map(|(peer, _)| (peer.short_name.as_str(), node.place)), "peer", cx);
        Some(Instance { name: name?, place: fields.node("name")?.place, peers })
    })
}

fn peer(node: &Node, cx: Cx, head: &Head, instance: &str) -> Option<Referring> {
    mapping(node, cx, |fields| {
        let name = fields.need("name", text);
        let address = fields.get("peerAddress", host);
        let discovered = fields.get("autoDiscovery", discovery);
        let number = fields.or("peerASN", 0, asn(0));
        let config = fields.get("peerConfigRef", |node, cx| Some((reference_name(node, cx)?, node.place)));
        fields.exclusive("peerAddress", "autoDiscovery");
        if fields.node("peerAddress").is_none() && fields.node("autoDiscovery").is_none() {
            let hint = "add `peerAddress`, or `autoDiscovery: {mode: DefaultGateway, ...}`".to_owned();
            cx.report.error(node.place, "the peer has no address", hint);
        }
        let short_name = name?;
        let peer = BgpPeer {
            name: format!("{}/{instance}/{short_name}", head.meta.name),
            dialect: Dialect::Cilium,
            age: head.meta.age,
            policy: head.meta.name.clone(),
            instance: instance.to_owned(),
            short_name,
            node_selectors: Vec::new(),
            local_asn: None,
            remote: address.map(BgpRemote::Address).or(discovered)?,
            remote_asn: if number == 0 { RemoteAsn::FromOpen } else { RemoteAsn::Number(number) },
            port: 179,
            listen_port: None,
            source: BgpSource::Any,
            router_id: None,
            timers: BgpTimers::default(),
            ebgp_hops: 1,
            minimum_ttl: None,
            graceful_restart_seconds: None,
            password: None,
            bfd: None,
            families: default_families(),
        };
        Some((peer, config))
    })
}

fn discovery(node: &Node, cx: Cx) -> Option<BgpRemote> {
    mapping(node, cx, |fields| {
        let gateway = fields.need("mode", choice(&[("DefaultGateway", true), ("Unnumbered", false)]));
        let families = [("ipv4", Family::V4), ("ipv6", Family::V6)];
        let family = |node: &Node, cx: Cx| mapping(node, cx, |f| f.need("addressFamily", choice(&families)));
        let interface = |node: &Node, cx: Cx| mapping(node, cx, |f| f.need("interface", interface_name));
        match gateway? {
            true => {
                fields.accept(&["unnumbered"]);
                fields.need("defaultGateway", family).map(BgpRemote::DefaultGateway)
            }
            false => {
                fields.accept(&["defaultGateway"]);
                fields.need("unnumbered", interface).map(BgpRemote::Interface)
            }
        }
    })
}

pub(super) fn read_peer_config(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let config = fields.need("spec", |node, cx| mapping(node, cx, |spec| Some(peer_config(spec, objects))))?;
    if new {
        objects.peer_configs.insert(head.meta.name.clone(), config);
    }
    Some(())
}

fn peer_config(spec: &Fields, objects: &mut Objects) -> PeerConfig {
    let transport = |node: &Node, cx: Cx| {
        mapping(node, cx, |fields| {
            fields.unhonoured("localPort", &[], "connections start at a port of the kernel's choice");
            let source = fields.get("sourceInterface", interface_name).map(BgpSource::Interface);
            Some((fields.or("peerPort", 179, int(1..=65_535)), source.unwrap_or_default()))
        })
    };
    let (port, source) = spec.or("transport", (179, BgpSource::Any), transport);
    let secret = spec.get("authSecretRef", |node, cx| Some((text(node, cx)?, node.place)));
    if let Some((name, place)) = &secret {
        objects.refer(Target::Secret, format!("{SECRET_NAMESPACE}/{name}"), *place, spec.cx);
    }
    spec.unhonoured("bfd", &[], "BFD of Cilium's kinds is not in a released version");
    PeerConfig {
        port,
        source,
        timers: spec.get("timers", |node, cx| mapping(node, cx, |f| Some(cilium_timers(f)))).unwrap_or_default(),
        secret: secret.map(|(name, _)| name),
        graceful_restart: spec.get("gracefulRestart", graceful_restart).flatten(),
        hops: spec.or("ebgpMultihop", 1, int(1..=255)),
        families: cilium_families(spec, true),
    }
}

pub(super) fn read_advertisement(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let found = fields.need("spec", |node, cx| {
        mapping(node, cx, |spec| Some(spec.need_list("advertisements", |node, cx| advertisement(node, cx, head))))
    })?;
    let place = head.meta.place;
    for (number, mut advertisement) in found.into_iter().enumerate().filter(|_| new) {
        advertisement.name = format!("{}/{number}", head.meta.name);
        let aliases = BTreeSet::new();
        objects.advertisements.push(PlacedAdvertisement { advertisement, aliases, place, lengths: [place; 2] });
    }
    Some(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Type {
    PodCidr,
    PodIpPool,
    Service,
    Interface,
}

const TYPES: [(&str, Type); 4] = [
    ("PodCIDR", Type::PodCidr),
    ("CiliumPodIPPool", Type::PodIpPool),
    ("Service", Type::Service),
    ("Interface", Type::Interface),
];

fn advertisement(node: &Node, cx: Cx, head: &Head) -> Option<BgpAdvertisement> {
    mapping(node, cx, |fields| {
        let kind = fields.need("advertisementType", choice(&TYPES));
        let selectors = optional_selectors(fields, "selector");
        let attributes = fields.get("attributes", |node, cx| mapping(node, cx, |f| Some(attributes(f))));
        let service = fields.get("service", service_options);
        let interface = fields.get("interface", |node, cx| mapping(node, cx, |f| f.need("name", interface_name)));
        let kind = kind?;
        if kind == Type::Service && fields.node("service").is_none() {
            let hint = "add `service: {addresses: [LoadBalancerIP]}`".to_owned();
            cx.report.error(node.place, "an advertisement of type Service needs `service`", hint);
        }
        if kind == Type::Service && selectors.is_none() {
            let hint = "add a `selector`; an empty one (`{}`) selects every service".to_owned();
            cx.report.warning(node.place, "the advertisement has no `selector`, so it selects no service", hint);
        }
        let (aggregation_v4, aggregation_v6) = service.as_ref().map_or((32, 128), |(_, v4, v6)| (*v4, *v6));
        let what = match kind {
            Type::PodCidr => Advertised::PodCidrs,
            Type::Service => Advertised::Services { kinds: service?.0, selectors, pools: PoolMatch::All },
            Type::Interface => Advertised::Interface(match interface {
                Some(name) => name,
                None => fields.need("interface", |_, _| None)?,
            }),
            Type::PodIpPool => {
                fields.unhonoured(
                    "advertisementType",
                    &[],
                    "pod networks come from the nodes, not from CiliumPodIPPools",
                );
                return None;
            }
        };
        let (communities, local_pref) = attributes.unwrap_or_default();
        Some(BgpAdvertisement {
            name: String::new(),
            dialect: Dialect::Cilium,
            labels: head.meta.labels.clone(),
            peers: PeerMatch::ByLabels,
            node_selectors: Vec::new(),
            what,
            aggregation_v4,
            aggregation_v6,
            communities,
            local_pref,
        })
    })
}

type ServiceOptions = (BTreeSet<quorumlb_raft_store::model::ServiceAddressKind>, u8, u8);

fn service_options(node: &Node, cx: Cx) -> Option<ServiceOptions> {
    mapping(node, cx, |fields| {
        let kinds = fields.need_list("addresses", choice(&SERVICE_ADDRESSES)).into_iter().collect();
        let v4 = fields.or("aggregationLengthIPv4", 32, int(0..=32));
        let v6 = fields.or("aggregationLengthIPv6", 128, int(0..=128));
        Some((kinds, v4, v6))
    })
}

pub(super) fn read_override(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let instances = fields
        .need("spec", |node, cx| mapping(node, cx, |spec| Some(spec.need_list("bgpInstances", instance_override))))?;
    if new {
        let node = NodeName(head.meta.name.clone());
        objects.overrides.push(BgpOverride { node, instances: instances.into_iter().collect() });
    }
    Some(())
}

fn instance_override(node: &Node, cx: Cx) -> Option<(String, InstanceOverride)> {
    mapping(node, cx, |fields| {
        let name = fields.need("name", text);
        let peers = fields.get("peers", |node, cx| list(node, cx, peer_override)).unwrap_or_default();
        let local_addresses: BTreeMap<String, IpAddr> =
            peers.into_iter().filter_map(|(name, address)| Some((name, address?))).collect();
        let instance = InstanceOverride {
            router_id: fields.get("routerID", ipv4),
            listen_port: fields.get("localPort", int(1..=65_535)),
            local_asn: fields.get("localASN", asn(1)),
            local_addresses,
        };
        Some((name?, instance))
    })
}

fn peer_override(node: &Node, cx: Cx) -> Option<(String, Option<IpAddr>)> {
    mapping(node, cx, |fields| {
        fields.unhonoured("localPort", &[], "connections start at a port of the kernel's choice");
        let address = fields.get("localAddress", host);
        Some((fields.need("name", text)?, address))
    })
}
