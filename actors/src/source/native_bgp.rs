//! Our `BGPPolicy`: peers, and what they are told.

use std::collections::BTreeSet;
use std::time::Duration;

use quorumlb_raft_store::model::{
    Advertised, BfdSettings, BgpAdvertisement, BgpPeer, BgpRemote, BgpSource, BgpTimers, Dialect, Family, PeerFamily,
    PeerMatch, RemoteAsn, SecretRef, Selector, ServiceAddressKind,
};

use super::bgp::{asn, communities, same_family};
use super::core_service::FAMILIES;
use super::decode::{Cx, Fields, address, boolean, choice, duration_in, int, ipv4, items, mapping, selectors, text};
use super::native_cluster::interface_name;
use super::native_policy::pools;
use super::objects::{Head, Objects, PlacedAdvertisement, PlacedPeer, Target};
use super::yaml::Node;

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let spec = fields.need("spec", |node, cx| mapping(node, cx, |spec| Some(policy(spec, head, objects))));
    let (peers, told) = spec?;
    if new {
        objects.peers.extend(peers.into_iter().map(|peer| PlacedPeer { peer, bfd_profile: None }));
        objects.advertisements.extend(told);
    }
    Some(())
}

fn policy(spec: &Fields, head: &Head, objects: &mut Objects) -> (Vec<BgpPeer>, Vec<PlacedAdvertisement>) {
    let nodes = spec.get("nodeSelectors", selectors).unwrap_or_default();
    let local_asn = spec.need("localASN", asn(1));
    let router_id = spec.get("routerID", ipv4);
    let listen_port = spec.get("listenPort", int(1..=65_535));
    let peers = spec.need_list("peers", |node, cx| {
        let (peer, place) = mapping(node, cx, |fields| peer(fields, head))?;
        let common = BgpPeer { local_asn, router_id, listen_port, node_selectors: nodes.clone(), ..peer };
        Some((common, place))
    });
    let mut names: BTreeSet<String> = BTreeSet::new();
    for (peer, place) in &peers {
        if !names.insert(peer.short_name.clone()) {
            let message = format!("there are two peers with the name `{}`", peer.short_name);
            spec.cx.report.error(*place, message, "give each its own `name`".to_owned());
        }
        if let Some(secret) = &peer.password {
            objects.refer(Target::Secret, format!("{}/{}", secret.namespace, secret.name), *place, spec.cx);
        }
    }
    let mut told = Vec::new();
    if let Some(node) = spec.node("advertise") {
        let items = items(node, spec.cx).unwrap_or_default();
        for (number, node) in items.iter().enumerate() {
            let one = mapping(node, spec.cx, |fields| advertisement(fields, head, objects, &names, &nodes, number));
            told.extend(one);
        }
    } else {
        spec.cx.report.warning(
            spec.place,
            "the policy advertises nothing",
            "add `advertise: [{services: {}}]`".to_owned(),
        );
    }
    (peers.into_iter().map(|(peer, _)| peer).collect(), told)
}

fn peer(fields: &Fields, head: &Head) -> Option<(BgpPeer, super::diagnostic::Place)> {
    let found = fields.get("address", address);
    let interface = fields.get("interface", interface_name);
    fields.exclusive("address", "interface");
    if fields.node("address").is_none() && fields.node("interface").is_none() {
        let hint = "add `address`, or `interface` for an unnumbered session".to_owned();
        fields.cx.report.error(fields.place, "the peer has no address", hint);
    }
    let remote_asn = fields.need("asn", asn(1));
    let source = fields.get("sourceAddress", address);
    if let (Some(source), Some(peer)) = (source, found)
        && !same_family(source, peer)
    {
        let message = format!("the source address {source} cannot reach {peer}: the families differ");
        fields.cx.report.error(fields.key_place("sourceAddress"), message, None);
    }
    let default_name = found.map(|address| address.to_string()).or(interface.clone());
    let name = fields.get("name", text).or(default_name);
    fields.exclusive("multihop", "minimumTTL");
    let restart = duration_in(Duration::from_secs(1)..=Duration::from_secs(4_095));
    let peer = BgpPeer {
        name: String::new(),
        dialect: Dialect::Native,
        age: head.meta.age,
        policy: head.meta.name.clone(),
        instance: String::new(),
        short_name: String::new(),
        node_selectors: Vec::new(),
        local_asn: None,
        port: fields.or("port", 179, int(1..=65_535)),
        listen_port: None,
        source: source.map_or(BgpSource::Any, BgpSource::Address),
        router_id: None,
        timers: fields.or("timers", BgpTimers::default(), timers),
        ebgp_hops: fields.or("multihop", 1, int(1..=255)),
        minimum_ttl: fields.get("minimumTTL", int(1..=255)),
        graceful_restart_seconds: fields.get("gracefulRestart", restart).map(|time| time.as_secs() as u16),
        password: fields.get("passwordSecret", secret),
        bfd: fields.get("bfd", bfd),
        families: families(fields, found.map(Family::of)),
        remote: found.map(BgpRemote::Address).or(interface.map(BgpRemote::Interface))?,
        remote_asn: RemoteAsn::Number(remote_asn?),
    };
    let short_name = name?;
    let name = format!("{}/{short_name}", head.meta.name);
    Some((BgpPeer { name, short_name, ..peer }, fields.place))
}

fn families(fields: &Fields, own: Option<Family>) -> Vec<PeerFamily> {
    let given = fields.list("families", choice(&FAMILIES));
    let families = match (given.is_empty(), own) {
        (false, _) => given,
        (true, Some(family)) => vec![family],
        (true, None) => Family::BOTH.to_vec(),
    };
    families.into_iter().map(|family| PeerFamily { family, advertisements: None }).collect()
}

fn timers(node: &Node, cx: Cx) -> Option<BgpTimers> {
    mapping(node, cx, |fields| {
        let default = BgpTimers::default();
        let within = |low, high| duration_in(Duration::from_secs(low)..=Duration::from_secs(high));
        let connect = fields.get("connectRetry", within(1, 65_535)).map(|time| time.as_secs() as u32);
        let hold = fields.get("hold", within(3, 65_535)).map_or(default.hold_seconds, |time| time.as_secs() as u16);
        let keepalive = fields.get("keepalive", within(1, 65_535)).map(|time| time.as_secs() as u16);
        let keepalive = keepalive.unwrap_or(hold / 3);
        if keepalive > hold {
            let message = format!("`keepalive` ({keepalive}s) is longer than `hold` ({hold}s)");
            let hint = format!("usual is a third: {}s", (hold / 3).max(1));
            cx.report.error(fields.key_place("keepalive"), message, hint);
        }
        Some(BgpTimers {
            connect_retry_seconds: connect.unwrap_or(default.connect_retry_seconds),
            hold_seconds: hold,
            keepalive_seconds: keepalive,
        })
    })
}

fn secret(node: &Node, cx: Cx) -> Option<SecretRef> {
    mapping(node, cx, |fields| {
        let namespace = fields.or("namespace", "default".to_owned(), text);
        let key = fields.or("key", "password".to_owned(), text);
        Some(SecretRef { namespace, name: fields.need("name", text)?, key })
    })
}

fn bfd(node: &Node, cx: Cx) -> Option<BfdSettings> {
    mapping(node, cx, |fields| {
        let interval = || duration_in(Duration::from_millis(10)..=Duration::from_secs(60));
        let millis = |time: Duration| time.as_millis() as u32;
        Some(BfdSettings {
            transmit_ms: fields.get("transmit", interval()).map_or(300, millis),
            receive_ms: fields.get("receive", interval()).map_or(300, millis),
            multiplier: fields.or("multiplier", 3, int(2..=255)),
            passive: fields.or("passive", false, boolean),
            minimum_ttl: fields.get("minimumTTL", int(1..=254)),
        })
    })
}

fn advertisement(
    fields: &Fields,
    head: &Head,
    objects: &mut Objects,
    known: &BTreeSet<String>,
    nodes: &[Selector],
    number: usize,
) -> Option<PlacedAdvertisement> {
    let mut peers = BTreeSet::new();
    for (name, place) in fields.list("peers", |node, cx| Some((text(node, cx)?, node.place))) {
        if !known.contains(&name) {
            let hint = super::decode::near_miss(&name, known.iter().map(String::as_str));
            let hint = hint.map(|meant| format!("did you mean `{meant}`?"));
            fields.cx.report.error(place, format!("the policy has no peer `{name}`"), hint);
        }
        peers.insert(format!("{}/{name}", head.meta.name));
    }
    if peers.is_empty() {
        peers = known.iter().map(|name| format!("{}/{name}", head.meta.name)).collect();
    }
    let (communities, _) = communities(fields, objects, false);
    let aggregation = fields.get("aggregation", |node, cx| {
        mapping(node, cx, |fields| Some((fields.or("ipv4", 32, int(0..=32)), fields.or("ipv6", 128, int(0..=128)))))
    });
    let (aggregation_v4, aggregation_v6) = aggregation.unwrap_or((32, 128));
    let local_pref = fields.get("localPref", int(0..=i64::from(u32::MAX)));
    let advertisement = BgpAdvertisement {
        name: format!("{}/{number}", head.meta.name),
        dialect: Dialect::Native,
        labels: head.meta.labels.clone(),
        peers: PeerMatch::Names(peers),
        node_selectors: nodes.to_vec(),
        what: what(fields, objects)?,
        aggregation_v4,
        aggregation_v6,
        communities,
        local_pref,
    };
    let lengths = [fields.key_place("aggregation"); 2];
    Some(PlacedAdvertisement { advertisement, aliases: BTreeSet::new(), place: fields.place, lengths })
}

/// Exactly one of `services`, `podCIDRs` and `interface`.
fn what(fields: &Fields, objects: &mut Objects) -> Option<Advertised> {
    let services = fields.get("services", |node, cx| mapping(node, cx, |fields| Some(services(fields, objects))));
    let pod_cidrs = fields.or("podCIDRs", false, boolean).then_some(Advertised::PodCidrs);
    let interface = fields.get("interface", interface_name).map(Advertised::Interface);
    let given = ["services", "podCIDRs", "interface"].into_iter().filter(|name| fields.node(name).is_some()).count();
    if given != 1 {
        let hint = "write `services: {}`, `podCIDRs: true` or `interface: NAME`".to_owned();
        fields.cx.report.error(fields.place, "an entry of `advertise` is about exactly one thing", hint);
        return None;
    }
    services.or(pod_cidrs).or(interface)
}

fn services(fields: &Fields, objects: &mut Objects) -> Advertised {
    let words = [
        ("LoadBalancer", ServiceAddressKind::LoadBalancer),
        ("External", ServiceAddressKind::External),
        ("Cluster", ServiceAddressKind::Cluster),
    ];
    let kinds: BTreeSet<_> = fields.list("addresses", choice(&words)).into_iter().collect();
    Advertised::Services {
        kinds: if kinds.is_empty() { [ServiceAddressKind::LoadBalancer].into() } else { kinds },
        selectors: Some(fields.get("serviceSelectors", selectors).unwrap_or_default()),
        pools: pools(fields, objects),
    }
}
