//! Which kinds there are, and who reads them.

use super::decode::{Cx, Fields, NameRule, crop, mapping, metadata, near_miss, one_of};
use super::objects::{Head, Objects};
use super::yaml::{Node, Value};
use super::{cilium_bgp, cilium_bgp_v1, cilium_l2, cilium_pool, core, core_service, metallb, metallb_bgp};
use super::{native_bgp, native_cluster, native_policy, native_pool, native_service};

type Read = fn(&Fields, &Head, &mut Objects) -> Option<()>;

struct Kind {
    group: &'static str,
    versions: &'static [&'static str],
    name: &'static str,
    rule: NameRule,
    read: Read,
}

const NATIVE: &str = "quorumlb.io";
const CILIUM: &str = "cilium.io";
const METALLB: &str = "metallb.io";
const DISCOVERY: &str = "discovery.k8s.io";
const CORE: &str = "";

const fn kind(
    group: &'static str,
    versions: &'static [&'static str],
    name: &'static str,
    rule: NameRule,
    read: Read,
) -> Kind {
    Kind { group, versions, name, rule, read }
}

const ALPHA: &[&str] = &["v1alpha1"];
const V1: &[&str] = &["v1"];
const V2: &[&str] = &["v2alpha1", "v2"];
const BETA: &[&str] = &["v1beta1"];

static KINDS: [Kind; 24] = [
    kind(NATIVE, ALPHA, "Cluster", NameRule::Subdomain, native_cluster::read),
    kind(NATIVE, ALPHA, "IPPool", NameRule::Subdomain, native_pool::read),
    kind(NATIVE, ALPHA, "L2Policy", NameRule::Subdomain, native_policy::read),
    kind(NATIVE, ALPHA, "BGPPolicy", NameRule::Subdomain, native_bgp::read),
    kind(NATIVE, ALPHA, "Service", NameRule::Label1035, native_service::read),
    kind(CORE, V1, "Service", NameRule::Label1035, core_service::read),
    kind(CORE, V1, "Node", NameRule::Subdomain, core::read_node),
    kind(CORE, V1, "Namespace", NameRule::Label, core::read_namespace),
    kind(CORE, V1, "Secret", NameRule::Subdomain, core::read_secret),
    kind(DISCOVERY, V1, "EndpointSlice", NameRule::Subdomain, core::read_endpoint_slice),
    kind(CILIUM, V2, "CiliumLoadBalancerIPPool", NameRule::Subdomain, cilium_pool::read),
    kind(CILIUM, &["v2alpha1"], "CiliumL2AnnouncementPolicy", NameRule::Subdomain, cilium_l2::read),
    kind(CILIUM, &["v2alpha1"], "CiliumBGPPeeringPolicy", NameRule::Subdomain, cilium_bgp_v1::read),
    kind(CILIUM, V2, "CiliumBGPClusterConfig", NameRule::Subdomain, cilium_bgp::read_cluster_config),
    kind(CILIUM, V2, "CiliumBGPPeerConfig", NameRule::Subdomain, cilium_bgp::read_peer_config),
    kind(CILIUM, V2, "CiliumBGPAdvertisement", NameRule::Subdomain, cilium_bgp::read_advertisement),
    kind(CILIUM, V2, "CiliumBGPNodeConfigOverride", NameRule::Subdomain, cilium_bgp::read_override),
    kind(METALLB, BETA, "IPAddressPool", NameRule::Subdomain, metallb::read_pool),
    kind(METALLB, BETA, "L2Advertisement", NameRule::Subdomain, metallb::read_l2_advertisement),
    kind(METALLB, &["v1beta1", "v1beta2"], "BGPPeer", NameRule::Subdomain, metallb_bgp::read_peer),
    kind(METALLB, BETA, "BGPAdvertisement", NameRule::Subdomain, metallb_bgp::read_advertisement),
    kind(METALLB, BETA, "BFDProfile", NameRule::Subdomain, metallb_bgp::read_bfd_profile),
    kind(METALLB, BETA, "Community", NameRule::Subdomain, metallb_bgp::read_community),
    // Removed from MetalLB; its reader says so.
    kind(METALLB, &["v1alpha1", "v1beta1"], "AddressPool", NameRule::Subdomain, metallb::read_address_pool),
];

/// Kinds of these groups that are none of our business.
const PASSED_OVER: [(&str, &[&str]); 3] = [
    (
        CILIUM,
        &[
            "CiliumNetworkPolicy",
            "CiliumClusterwideNetworkPolicy",
            "CiliumEndpoint",
            "CiliumEndpointSlice",
            "CiliumIdentity",
            "CiliumNode",
            "CiliumNodeConfig",
            "CiliumExternalWorkload",
            "CiliumLocalRedirectPolicy",
            "CiliumEgressGatewayPolicy",
            "CiliumEnvoyConfig",
            "CiliumClusterwideEnvoyConfig",
            "CiliumCIDRGroup",
            "CiliumPodIPPool",
            "CiliumGatewayClassConfig",
            "CiliumBGPNodeConfig",
        ],
    ),
    (METALLB, &["MetalLB", "ServiceL2Status", "ServiceBGPStatus", "ConfigurationState"]),
    (
        CORE,
        &[
            "Binding",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "ServiceAccount",
        ],
    ),
];

/// Reads one document.
pub(super) fn read_document(node: &Node, cx: Cx, objects: &mut Objects) {
    cx.report.enter(None);
    if !matches!(node.value, Value::Mapping(_)) {
        let hint = "a manifest begins with `apiVersion:` and `kind:`".to_owned();
        cx.report.error(node.place, "this document is not a manifest", hint);
        return;
    }
    let (Some(version), Some(kind)) = (required(node, "apiVersion", cx), required(node, "kind", cx)) else { return };
    if let Some(Value::Sequence(items)) = node.get("items").map(|items| &items.value)
        && kind.ends_with("List")
    {
        items.iter().for_each(|item| read_document(item, cx, objects));
        return;
    }
    let name = node.get("metadata").and_then(|meta| meta.get("name")).and_then(Node::text);
    cx.report.enter(Some(name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {}", crop(name)))));
    let (group, version) = version.rsplit_once('/').unwrap_or((CORE, version));
    if let Some(known) = find(node, group, version, kind, cx) {
        read_object(node, known, version, cx, objects);
    }
    cx.report.enter(None);
}

fn required<'n>(node: &'n Node<'_>, name: &str, cx: Cx) -> Option<&'n str> {
    let found = node.get(name).and_then(Node::text);
    if found.is_none() {
        let place = node.get(name).map_or(node.place, |node| node.place);
        let close = match &node.value {
            Value::Mapping(entries) => near_miss(name, entries.iter().map(|(key, _)| &*key.text)),
            _ => None,
        };
        let hint = match close.filter(|close| *close != name) {
            Some(close) => format!("`{close}` should be `{name}`"),
            None => "a manifest begins with `apiVersion:` and `kind:`".to_owned(),
        };
        cx.report.error(place, format!("`{name}` is missing"), hint);
    }
    found
}

fn read_object(node: &Node, kind: &Kind, version: &str, cx: Cx, objects: &mut Objects) {
    let cx = Cx { strict: kind.group == NATIVE, ..cx };
    let core = matches!(kind.group, CORE | DISCOVERY);
    mapping(node, cx, |fields| {
        fields.accept(&["apiVersion", "kind", "status"]);
        let meta = fields.need("metadata", |node, cx| metadata(node, cx, kind.rule));
        let version = version.to_owned();
        let outcome = meta.and_then(|meta| (kind.read)(fields, &Head { kind: kind.name, version, meta }, objects));
        if outcome.is_none() {
            // Whatever else is there could not be looked at; the problem itself has been reported.
            fields.accept(&["spec"]);
        }
        if core {
            fields.accept(&["data", "stringData", "type", "immutable", "endpoints", "ports", "addressType"]);
        }
        Some(())
    });
}

fn find(node: &Node, group: &str, version: &str, kind: &str, cx: Cx) -> Option<&'static Kind> {
    let place = |field| node.get(field).map_or(node.place, |node| node.place);
    let groups = [NATIVE, CILIUM, METALLB, DISCOVERY];
    let of_group: Vec<&'static Kind> = KINDS.iter().filter(|known| known.group == group).collect();
    if of_group.is_empty() {
        if let Some(meant) = near_miss(group, groups).filter(|_| !group.is_empty()) {
            let message = format!("unknown API group `{}`", crop(group));
            cx.report.error(place("apiVersion"), message, format!("did you mean `{meant}`?"));
        }
        return None;
    }
    if let Some(known) = of_group.iter().find(|known| known.name == kind) {
        if known.versions.contains(&version) {
            return Some(known);
        }
        let full = |version: &&str| if group.is_empty() { (*version).to_owned() } else { format!("{group}/{version}") };
        let all: Vec<String> = known.versions.iter().map(full).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let message = format!("{kind} has no version `{}`", crop(version));
        cx.report.error(place("apiVersion"), message, format!("write {}", one_of(&all)));
        return None;
    }
    let ignored = PASSED_OVER.iter().find(|(name, _)| *name == group).map_or(&[][..], |(_, kinds)| kinds);
    if !ignored.contains(&kind) && group != DISCOVERY {
        unknown_kind(group, kind, &of_group, place("kind"), cx);
    }
    None
}

fn unknown_kind(group: &str, kind: &str, of_group: &[&'static Kind], place: super::diagnostic::Place, cx: Cx) {
    let names: Vec<&str> = of_group.iter().map(|known| known.name).collect();
    let elsewhere = KINDS.iter().find(|known| known.name == kind);
    let hint = match (near_miss(kind, names.iter().copied()), elsewhere) {
        (Some(meant), _) => format!("did you mean `{meant}`?"),
        (None, Some(other)) => {
            let version = other.versions.last().copied().unwrap_or_default();
            format!("{kind} is of `apiVersion: {}/{version}`", other.group)
        }
        (None, None) if group.is_empty() => return,
        (None, None) => format!("the kinds of {group} that count here are {}", one_of(&names)),
    };
    let group = if group.is_empty() { "v1" } else { group };
    cx.report.error(place, format!("unknown kind `{}` in {group}", crop(kind)), hint);
}
