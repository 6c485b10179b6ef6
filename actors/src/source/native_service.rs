//! Our `Service`, for use without Kubernetes.

use std::time::Duration;

use quorumlb_raft_store::model::{
    Backend, FamilyPolicy, HealthCheck, HealthProbe, Service, ServiceKey, ServiceKind, Sharing,
};

use super::core_service::{FAMILY_POLICIES, families, ports};
use super::decode::{Cx, Fields, address, boolean, choice, crop, duration_in, int, mapping, text};
use super::objects::{Head, Objects};
use super::requests::requests;
use super::yaml::{Node, Value};

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let key = ServiceKey::new(head.namespace(), head.meta.name.clone());
    let new = objects.claim("Service", &key.to_string(), head.meta.place, fields.cx);
    let service = fields.need("spec", |node, cx| mapping(node, cx, |spec| Some(service(spec, head, key.clone()))))?;
    if new {
        objects.services.push((Box::new(service), head.meta.place));
    }
    Some(())
}

fn service(spec: &Fields, head: &Head, key: ServiceKey) -> Service {
    let mut requests = requests(&head.meta.annotations, spec.cx);
    requests.native.extend(spec.list("addresses", address));
    if let Some(pool) = spec.get("pool", text) {
        requests.pool = Some(pool);
    }
    if let Some(sharing) = spec.get("sharing", sharing) {
        requests.native_sharing = Some(Box::new(sharing));
    }
    let backends = spec.list("backends", backend);
    let listed = spec.node("backends").map_or(Some(head.meta.place), |node| match &node.value {
        Value::Sequence(items) if items.is_empty() => Some(node.place),
        _ => None,
    });
    if let Some(place) = listed {
        let hint = "add `backends: [{address: ...}]`".to_owned();
        spec.cx.report.warning(place, "the service has no backends: nothing serves what is sent to it", hint);
    }
    Service {
        age: head.meta.age,
        labels: head.meta.labels.clone(),
        kind: ServiceKind::LoadBalancer,
        family_policy: spec.or("ipFamilyPolicy", FamilyPolicy::default(), choice(&FAMILY_POLICIES)),
        families: families(spec),
        external_ips: spec.list("externalIPs", address),
        ports: ports(spec, true),
        requests,
        backends: Some(backends),
        health_check: spec.get("healthCheck", health_check),
        ..Service::bare(key)
    }
}

fn sharing(node: &Node, cx: Cx) -> Option<Sharing> {
    mapping(node, cx, |fields| {
        let key = fields.need("key", text);
        let namespaces = fields.list("namespaces", text).into_iter().collect();
        let permit_different_pods = fields.or("permitDifferentPods", false, boolean);
        Some(Sharing { key: key?, namespaces, permit_different_pods })
    })
}

fn backend(node: &Node, cx: Cx) -> Option<Backend> {
    mapping(node, cx, |fields| {
        let address = fields.need("address", address);
        let port = fields.get("port", int(1..=65_535));
        let weight = fields.or("weight", 1, int(0..=65_535));
        Some(Backend { address: address?, port, weight })
    })
}

fn health_check(node: &Node, cx: Cx) -> Option<HealthCheck> {
    mapping(node, cx, |fields| {
        let interval = duration_in(Duration::from_millis(100)..=Duration::from_secs(3600));
        let interval = fields.or("interval", Duration::from_secs(1), interval);
        let rise = fields.or("rise", 2, int(1..=100));
        let fall = fields.or("fall", 2, int(1..=100));
        let tcp = fields.get("tcp", tcp_probe);
        let http = fields.get("http", http_probe);
        fields.exclusive("http", "tcp");
        if fields.node("http").is_none() && fields.node("tcp").is_none() {
            let hint = "add `http: {path: /healthz}` or `tcp: {}`".to_owned();
            cx.report.error(node.place, "the health check does not say what to try", hint);
        }
        Some(HealthCheck { probe: http.or(tcp)?, interval_ms: interval.as_millis() as u64, rise, fall })
    })
}

fn tcp_probe(node: &Node, cx: Cx) -> Option<HealthProbe> {
    mapping(node, cx, |fields| Some(HealthProbe::Tcp { port: fields.get("port", int(1..=65_535)) }))
}

fn http_probe(node: &Node, cx: Cx) -> Option<HealthProbe> {
    mapping(node, cx, |fields| {
        let port = fields.get("port", int(1..=65_535));
        let path = fields.or("path", "/".to_owned(), |node, cx| {
            let path = text(node, cx)?;
            if path.starts_with('/') && !path.contains(|c: char| c.is_whitespace() || c.is_control()) {
                return Some(path);
            }
            let hint = "write an absolute path without spaces, as in `/healthz`".to_owned();
            cx.report.error(node.place, format!("`{}` is not a path", crop(&path)), hint);
            None
        });
        Some(HealthProbe::Http { path, port })
    })
}
