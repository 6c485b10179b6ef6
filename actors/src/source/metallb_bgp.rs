//! MetalLB's `BGPPeer`, `BGPAdvertisement`, `BFDProfile` and `Community`.

use std::collections::BTreeSet;
use std::time::Duration;

use quorumlb_raft_store::model::{
    Advertised, BfdSettings, BgpAdvertisement, BgpPeer, BgpRemote, BgpSource, BgpTimers, Dialect, Family, PeerFamily,
    PeerMatch, RemoteAsn, SecretRef, ServiceAddressKind,
};

use super::bgp::{asn, communities, parse_community, same_family};
use super::decode::{
    Cx, Fields, address, boolean, choice, crop, duration, duration_in, int, ipv4, list, mapping, selectors, text,
};
use super::metallb::pool_match;
use super::native_cluster::interface_name;
use super::objects::{Head, Objects, PlacedAdvertisement, PlacedPeer, Target};
use super::yaml::Node;

/// A `BFDProfile`.
#[derive(Clone, Copy)]
pub(super) struct BfdProfile(pub BfdSettings);

/// The namespace that MetalLB's own objects live in when they do not say.
const NAMESPACE: &str = "metallb-system";

pub(super) fn read_peer(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let spec = fields.need("spec", |node, cx| mapping(node, cx, |spec| peer(spec, head, objects)));
    let (peer, bfd_profile) = spec?;
    if new {
        objects.peers.push(PlacedPeer { peer, bfd_profile });
    }
    Some(())
}

fn peer(spec: &Fields, head: &Head, objects: &mut Objects) -> Option<(BgpPeer, Option<String>)> {
    let old = head.version == "v1beta1";
    let local_asn = spec.need("myASN", asn(1));
    let remote_asn = remote_asn(spec, old, local_asn);
    let remote = remote(spec, old);
    let source = spec.get("sourceAddress", address);
    if let (Some(source), Some(BgpRemote::Address(peer))) = (source, &remote)
        && !same_family(source, *peer)
    {
        let message = format!("the source address {source} cannot reach {peer}: the families differ");
        spec.cx.report.error(spec.key_place("sourceAddress"), message, None);
    }
    let bfd_profile = spec.get("bfdProfile", |node, cx| Some((text(node, cx)?, node.place)));
    if let Some((name, place)) = bfd_profile.as_ref().filter(|(name, _)| !name.is_empty()) {
        objects.refer(Target::BfdProfile, name, *place, spec.cx);
    }
    let multihop = spec.or("ebgpMultiHop", false, boolean);
    if multihop && remote_asn.is_some() && internal(local_asn, remote_asn) {
        let hint = "leave `ebgpMultiHop` out: towards a router of the same AS it is not needed".to_owned();
        spec.cx.report.error(spec.key_place("ebgpMultiHop"), "`ebgpMultiHop` is for eBGP only", hint);
    }
    unhonoured(spec);
    let families = families(spec, &remote);
    let peer = BgpPeer {
        name: head.meta.name.clone(),
        dialect: Dialect::MetalLb,
        age: head.meta.age,
        policy: head.meta.name.clone(),
        instance: String::new(),
        short_name: head.meta.name.clone(),
        node_selectors: spec.get("nodeSelectors", selectors).unwrap_or_default(),
        local_asn,
        port: spec.or("peerPort", 179, int(1..=16_384)),
        listen_port: None,
        source: source.map_or(BgpSource::Any, BgpSource::Address),
        router_id: spec.get("routerID", ipv4),
        timers: timers(spec),
        ebgp_hops: if multihop { 255 } else { 1 },
        minimum_ttl: None,
        graceful_restart_seconds: spec.or("enableGracefulRestart", false, boolean).then_some(120),
        password: password(spec, head, objects),
        bfd: None,
        families,
        remote: remote?,
        remote_asn: remote_asn?,
    };
    Some((peer, bfd_profile.map(|(name, _)| name).filter(|name| !name.is_empty())))
}

fn unhonoured(spec: &Fields) {
    spec.unhonoured("vrf", &[""], "sessions run in the main routing table");
    spec.unhonoured("localASN", &[], "the session uses `myASN`");
    spec.unhonoured("disableMP", &["false"], "address families follow the peer's address");
}

fn internal(local: Option<u32>, remote: Option<RemoteAsn>) -> bool {
    match remote {
        Some(RemoteAsn::Internal) => true,
        Some(RemoteAsn::Number(number)) => Some(number) == local,
        _ => false,
    }
}

fn remote_asn(spec: &Fields, old: bool, local: Option<u32>) -> Option<RemoteAsn> {
    if old {
        return spec.need("peerASN", asn(1)).map(RemoteAsn::Number);
    }
    let words = [("internal", RemoteAsn::Internal), ("external", RemoteAsn::External)];
    let dynamic = spec.get("dynamicASN", choice(&words));
    let number = spec.get("peerASN", asn(0)).filter(|number: &u32| *number != 0);
    spec.exclusive("peerASN", "dynamicASN");
    if spec.node("peerASN").is_none() && spec.node("dynamicASN").is_none() {
        let example = local.map_or(64_512, |asn| asn);
        let hint = format!("add `peerASN: {example}`, or `dynamicASN: internal` or `external`");
        spec.cx.report.error(spec.place, "the peer's AS number is missing", hint);
    }
    dynamic.or(number.map(RemoteAsn::Number))
}

fn remote(spec: &Fields, old: bool) -> Option<BgpRemote> {
    if old {
        return spec.need("peerAddress", address).map(BgpRemote::Address);
    }
    let interface = spec.get("interface", interface_name).map(BgpRemote::Interface);
    let found = spec.get("peerAddress", address).map(BgpRemote::Address);
    spec.exclusive("peerAddress", "interface");
    if spec.node("peerAddress").is_none() && spec.node("interface").is_none() {
        let hint = "add `peerAddress`, or `interface` for an unnumbered session".to_owned();
        spec.cx.report.error(spec.place, "the peer has no address", hint);
    }
    found.or(interface)
}

fn families(spec: &Fields, remote: &Option<BgpRemote>) -> Vec<PeerFamily> {
    let both = spec.or("dualStackAddressFamily", false, boolean);
    let families: Vec<Family> = match remote {
        Some(BgpRemote::Address(address)) if !both => vec![Family::of(*address)],
        _ => Family::BOTH.to_vec(),
    };
    families.into_iter().map(|family| PeerFamily { family, advertisements: None }).collect()
}

/// `holdTime` and `keepaliveTime`: the one that is missing follows the other.
fn timers(spec: &Fields) -> BgpTimers {
    let default = BgpTimers::default();
    let seconds = |node: &Node, cx: Cx| {
        let time = duration(node, cx)?;
        let fits = time.as_secs() <= 65_535 && (time.is_zero() || time.as_secs() >= 3);
        if !fits {
            cx.report.error(node.place, "the hold time is 0s, or 3s to 65535s", None);
        }
        fits.then_some(time.as_secs() as u16)
    };
    let whole = |node: &Node, cx: Cx| {
        let time = duration_in(Duration::ZERO..=Duration::from_secs(65_535))(node, cx)?;
        Some(time.as_secs() as u16)
    };
    let hold = spec.get("holdTime", seconds);
    let keepalive = spec.get("keepaliveTime", whole);
    let (hold_seconds, keepalive_seconds) = match (hold, keepalive) {
        (Some(hold), Some(keepalive)) => (hold, keepalive),
        (Some(hold), None) => (hold, hold / 3),
        (None, Some(keepalive)) => (keepalive.saturating_mul(3), keepalive),
        (None, None) => (default.hold_seconds, default.keepalive_seconds),
    };
    if keepalive_seconds > hold_seconds {
        let message = format!("`keepaliveTime` ({keepalive_seconds}s) is longer than `holdTime` ({hold_seconds}s)");
        let hint = format!("usual is a third: {}s", hold_seconds / 3);
        spec.cx.report.error(spec.key_place("keepaliveTime"), message, hint);
    }
    let connect = duration_in(Duration::from_secs(1)..=Duration::from_secs(65_535));
    let connect = spec.get("connectTime", connect).map(|time| time.as_secs() as u32);
    BgpTimers {
        hold_seconds,
        keepalive_seconds,
        connect_retry_seconds: connect.unwrap_or(default.connect_retry_seconds),
    }
}

/// `password` or `passwordSecret`; an inline password is kept beside the wanted state, not in it.
fn password(spec: &Fields, head: &Head, objects: &mut Objects) -> Option<SecretRef> {
    let namespace = head.meta.namespace.clone().unwrap_or_else(|| NAMESPACE.to_owned());
    spec.exclusive("password", "passwordSecret");
    let inline = spec.get("password", text).filter(|password| !password.is_empty());
    let secret = spec.get("passwordSecret", |node, cx| {
        mapping(node, cx, |fields| {
            let other = fields.get("namespace", text).filter(|namespace| !namespace.is_empty());
            Some((fields.need("name", text)?, other, node.place))
        })
    });
    let key = "password".to_owned();
    if let Some(password) = inline {
        let reference = SecretRef { namespace, name: format!("BGPPeer {}", head.meta.name), key };
        objects.secrets.0.insert(reference.clone(), password);
        return Some(reference);
    }
    let (name, other, place) = secret?;
    let namespace = other.unwrap_or(namespace);
    objects.refer(Target::Secret, format!("{namespace}/{name}"), place, spec.cx);
    Some(SecretRef { namespace, name, key })
}

pub(super) fn read_advertisement(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let placed = match fields.node("spec") {
        Some(node) => mapping(node, fields.cx, |spec| Some(advertisement(spec, head, objects)))?,
        None => {
            let place = head.meta.place;
            let advertisement = everything(head);
            PlacedAdvertisement { advertisement, aliases: BTreeSet::new(), place, lengths: [place; 2] }
        }
    };
    if new {
        objects.advertisements.push(placed);
    }
    Some(())
}

/// An advertisement of every pool to every peer.
fn everything(head: &Head) -> BgpAdvertisement {
    BgpAdvertisement {
        name: head.meta.name.clone(),
        dialect: Dialect::MetalLb,
        labels: head.meta.labels.clone(),
        peers: PeerMatch::All,
        node_selectors: Vec::new(),
        what: Advertised::Services {
            kinds: [ServiceAddressKind::LoadBalancer].into(),
            selectors: Some(Vec::new()),
            pools: quorumlb_raft_store::model::PoolMatch::All,
        },
        aggregation_v4: 32,
        aggregation_v6: 128,
        communities: BTreeSet::new(),
        local_pref: None,
    }
}

fn advertisement(spec: &Fields, head: &Head, objects: &mut Objects) -> PlacedAdvertisement {
    let peers = spec.list("peers", |node, cx| Some((text(node, cx)?, node.place)));
    for (name, place) in &peers {
        objects.refer(Target::BgpPeer, name, *place, spec.cx);
    }
    let pools = pool_match(spec, objects);
    let (communities, aliases) = communities(spec, objects, true);
    let selectors = spec.get("serviceSelectors", selectors).unwrap_or_default();
    let aggregation_v4 = spec.or("aggregationLength", 32, int(1..=32));
    let aggregation_v6 = spec.or("aggregationLengthV6", 128, int(1..=128));
    if !selectors.is_empty() && (aggregation_v4, aggregation_v6) != (32, 128) {
        let message = "`serviceSelectors` and an aggregation length exclude each other";
        spec.cx.report.error(spec.key_place("serviceSelectors"), message, "keep one of them".to_owned());
    }
    let names: BTreeSet<String> = peers.into_iter().map(|(name, _)| name).collect();
    let advertisement = BgpAdvertisement {
        peers: if names.is_empty() { PeerMatch::All } else { PeerMatch::Names(names) },
        node_selectors: spec.get("nodeSelectors", super::decode::selectors).unwrap_or_default(),
        what: Advertised::Services {
            kinds: [ServiceAddressKind::LoadBalancer].into(),
            selectors: Some(selectors),
            pools,
        },
        aggregation_v4,
        aggregation_v6,
        communities,
        // To MetalLB 0 is the same as none.
        local_pref: spec.get("localPref", int(0..=i64::from(u32::MAX))).filter(|local_pref| *local_pref != 0),
        ..everything(head)
    };
    let lengths = ["aggregationLength", "aggregationLengthV6"].map(|name| spec.key_place(name));
    PlacedAdvertisement { advertisement, aliases, place: head.meta.place, lengths }
}

pub(super) fn read_bfd_profile(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let decode = |node: &Node, cx: Cx| {
        mapping(node, cx, |spec| {
            spec.unhonoured("echoMode", &["false"], "BFD runs without echo packets");
            spec.get("echoInterval", int::<u32>(10..=60_000));
            Some(BfdSettings {
                transmit_ms: spec.or("transmitInterval", 300, int(10..=60_000)),
                receive_ms: spec.or("receiveInterval", 300, int(10..=60_000)),
                multiplier: spec.or("detectMultiplier", 3, int(2..=255)),
                passive: spec.or("passiveMode", false, boolean),
                minimum_ttl: spec.get("minimumTtl", int(1..=254)),
            })
        })
    };
    let default = BfdSettings { transmit_ms: 300, receive_ms: 300, multiplier: 3, passive: false, minimum_ttl: None };
    let settings = fields.or("spec", default, decode);
    if new {
        objects.bfd_profiles.insert(head.meta.name.clone(), BfdProfile(settings));
    }
    Some(())
}

pub(super) fn read_community(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let alias = |node: &Node, cx: Cx| {
        mapping(node, cx, |fields| {
            let name = fields.need("name", text);
            let value = fields.need("value", |node, cx| Some((super::decode::text_or_number(node, cx)?, node.place)));
            let (value, place) = value?;
            let Some(community) = parse_community(&value) else {
                let hint = "as in `65000:100` or `large:65000:1:2`".to_owned();
                cx.report.error(place, format!("`{}` is not a community", crop(&value)), hint);
                return None;
            };
            Some((name?, community, fields.node("name")?.place))
        })
    };
    let aliases = fields.get("spec", |node, cx| {
        mapping(node, cx, |spec| spec.get("communities", |node, cx| list(node, cx, alias)).or(Some(Vec::new())))
    });
    for (name, community, place) in aliases.unwrap_or_default().into_iter().filter(|_| new) {
        if objects.claim("Community alias", &name, place, fields.cx) {
            objects.communities.insert(name, community);
        }
    }
    Some(())
}
