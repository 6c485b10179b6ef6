//! Kubernetes' `Service`.

use std::net::IpAddr;

use quorumlb_raft_store::model::{
    Family, FamilyPolicy, Port, Ports, Protocol, Service, ServiceKey, ServiceKind, TrafficPolicy,
};

use super::decode::{Cx, Fields, address, choice, crop, int, labels, list, mapping, partial, text, text_or_number};
use super::objects::{Head, Objects};
use super::requests::requests;
use super::yaml::{Node, Value};

/// The words for transport protocols.
pub(super) const PROTOCOLS: [(&str, Protocol); 3] =
    [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];
/// The words for address families.
pub(super) const FAMILIES: [(&str, Family); 2] = [("IPv4", Family::V4), ("IPv6", Family::V6)];
/// The words for family policies.
pub(super) const FAMILY_POLICIES: [(&str, FamilyPolicy); 3] = [
    ("SingleStack", FamilyPolicy::SingleStack),
    ("PreferDualStack", FamilyPolicy::PreferDualStack),
    ("RequireDualStack", FamilyPolicy::RequireDualStack),
];
/// The words for traffic policies.
pub(super) const TRAFFIC_POLICIES: [(&str, TrafficPolicy); 2] =
    [("Cluster", TrafficPolicy::Cluster), ("Local", TrafficPolicy::Local)];

/// Fields that say nothing about who gets which address.
const ACCEPTED: [&str; 8] = [
    "sessionAffinity",
    "sessionAffinityConfig",
    "loadBalancerSourceRanges",
    "healthCheckNodePort",
    "allocateLoadBalancerNodePorts",
    "publishNotReadyAddresses",
    "trafficDistribution",
    "topologyKeys",
];

/// What `type` may say; `None` for services that have no addresses of their own.
const TYPES: [(&str, Option<ServiceKind>); 4] = [
    ("LoadBalancer", Some(ServiceKind::LoadBalancer)),
    ("ClusterIP", Some(ServiceKind::ClusterIp)),
    ("NodePort", Some(ServiceKind::NodePort)),
    ("ExternalName", None),
];

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let key = ServiceKey::new(head.namespace(), head.meta.name.clone());
    let new = objects.claim("Service", &key.to_string(), head.meta.place, fields.cx);
    let service = fields.need("spec", |node, cx| mapping(node, cx, |spec| Some(service(spec, head, key.clone()))))?;
    let status_addresses = fields.get("status", status).unwrap_or_default();
    if let (Some(service), true) = (service, new) {
        objects.services.push((Box::new(Service { status_addresses, ..service }), head.meta.place));
    }
    Some(())
}

/// The service, `None` for an `ExternalName`.
fn service(spec: &Fields, head: &Head, key: ServiceKey) -> Option<Service> {
    spec.accept(&ACCEPTED);
    spec.accept(&["externalName"]);
    let kind = spec.or("type", Some(ServiceKind::ClusterIp), choice(&TYPES));
    let mut requests = requests(&head.meta.annotations, spec.cx);
    requests.load_balancer_ip = load_balancer_ip(spec, &mut requests.invalid);
    if requests.load_balancer_ip.is_some() && !requests.metallb.is_empty() {
        let message = "addresses are requested by `metallb.io/loadBalancerIPs` and by `spec.loadBalancerIP`".to_owned();
        let hint = "MetalLB refuses that; leave `loadBalancerIP` out".to_owned();
        spec.cx.report.warning(spec.key_place("loadBalancerIP"), message.clone(), hint);
        requests.invalid.push(message);
    }
    let service = Service {
        age: head.meta.age,
        labels: head.meta.labels.clone(),
        kind: kind.unwrap_or(ServiceKind::ClusterIp),
        class: spec.get("loadBalancerClass", text),
        family_policy: spec.or("ipFamilyPolicy", FamilyPolicy::default(), choice(&FAMILY_POLICIES)),
        families: families(spec),
        cluster_ips: cluster_ips(spec, kind == Some(ServiceKind::LoadBalancer)),
        external_ips: spec.list("externalIPs", address),
        ports: ports(spec, kind.is_some()),
        external_policy: spec.or("externalTrafficPolicy", TrafficPolicy::default(), choice(&TRAFFIC_POLICIES)),
        internal_policy: spec.or("internalTrafficPolicy", TrafficPolicy::default(), choice(&TRAFFIC_POLICIES)),
        pod_selector: spec.get("selector", labels).unwrap_or_default(),
        requests,
        ..Service::bare(key)
    };
    kind.map(|_| service)
}

fn load_balancer_ip(spec: &Fields, invalid: &mut Vec<String>) -> Option<IpAddr> {
    let text = spec.get("loadBalancerIP", text).filter(|text| !text.is_empty())?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let message = format!("loadBalancerIP: `{}` is not an IP address", crop(&text));
    let hint = "write one address; the service stays pending until then".to_owned();
    spec.cx.report.warning(spec.node("loadBalancerIP")?.place, message.clone(), hint);
    invalid.push(message);
    None
}

/// `ipFamilies`: one, or both.
pub(super) fn families(spec: &Fields) -> Vec<Family> {
    let families = spec.list("ipFamilies", choice(&FAMILIES));
    if families.len() > 2 || (families.len() == 2 && families[0] == families[1]) {
        let place = spec.key_place("ipFamilies");
        spec.cx.report.error(place, "`ipFamilies` names a family twice", "name each family once".to_owned());
        return families.into_iter().take(1).collect();
    }
    families
}

/// `clusterIPs` and `clusterIP`, without `None`, which a service of type LoadBalancer cannot have.
fn cluster_ips(spec: &Fields, load_balancer: bool) -> Vec<IpAddr> {
    let one = |node: &Node, cx: Cx| match node.text() {
        Some("") => Some(None),
        Some("None") if load_balancer => {
            let hint = "leave `clusterIP` out, or make the type ClusterIP".to_owned();
            cx.report.error(node.place, "a service of type LoadBalancer cannot be headless", hint);
            None
        }
        Some("None") => Some(None),
        _ => address(node, cx).map(Some),
    };
    let single = spec.get("clusterIP", one).flatten();
    let many: Vec<IpAddr> = spec.list("clusterIPs", one).into_iter().flatten().collect();
    if many.is_empty() { single.into_iter().collect() } else { many }
}

/// `ports`: no pair of number and protocol twice, and names where there are several.
pub(super) fn ports(spec: &Fields, required: bool) -> Ports {
    let ports = spec.list("ports", |node, cx| Some((port(node, cx)?, node.place)));
    let given = matches!(spec.node("ports").map(|node| &node.value), Some(Value::Sequence(items)) if !items.is_empty());
    let headless = spec.node("clusterIP").and_then(Node::text) == Some("None");
    if required && !given && !headless {
        spec.cx.report.error(spec.place, "the service has no `ports`", "add `ports: [{port: 80}]`".to_owned());
    }
    let mut known: Vec<Port> = Vec::with_capacity(ports.len());
    let several = ports.len() > 1;
    for (port, place) in ports {
        if several && port.name.is_empty() {
            let hint = "add `name:` to each of them".to_owned();
            spec.cx.report.error(place, "a service with several ports must name each", hint);
        }
        if known.iter().any(|other| (other.number, other.protocol) == (port.number, port.protocol)) {
            let message = format!("the port {} is given twice for the same protocol", port.number);
            spec.cx.report.error(place, message, "keep one of them".to_owned());
        } else if known.iter().any(|other| !port.name.is_empty() && other.name == port.name) {
            let message = format!("two ports have the name `{}`", port.name);
            spec.cx.report.error(place, message, "give each its own".to_owned());
        }
        known.push(port);
    }
    known.into_iter().collect()
}

fn port(node: &Node, cx: Cx) -> Option<Port> {
    mapping(node, cx, |fields| {
        fields.get("targetPort", text_or_number);
        fields.get("nodePort", int::<u32>(0..=65_535));
        fields.accept(&["appProtocol"]);
        let protocol = fields.or("protocol", Protocol::Tcp, choice(&PROTOCOLS));
        let name = fields.or("name", String::new(), text);
        Some(Port { number: fields.need("port", int(1..=65_535))?, protocol, name })
    })
}

/// The addresses in `status.loadBalancer.ingress`.
fn status(node: &Node, cx: Cx) -> Option<Vec<IpAddr>> {
    let ingress = |node: &Node, cx: Cx| partial(node, cx, |fields| Some(fields.get("ip", address)));
    let balancer = |node: &Node, cx: Cx| {
        partial(node, cx, |fields| Some(fields.get("ingress", |node, cx| list(node, cx, ingress)).unwrap_or_default()))
    };
    partial(node, cx, |fields| {
        Some(fields.get("loadBalancer", balancer).unwrap_or_default().into_iter().flatten().collect())
    })
}
