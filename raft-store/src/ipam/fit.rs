//! Whether a pool serves a service.

use std::collections::BTreeMap;

use crate::model::{Dialect, LabelLookup, Labels, Namespace, Pool, Service, ServiceKind, ServiceLabels, any_selects};

/// Label that Kubernetes gives every namespace: its name.
const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// The dialects whose pools may serve a service, in the order in which they are asked: by its type, which must be
/// `LoadBalancer`, and its `loadBalancerClass` (native: unset and `quorumlb.io/lb`; Cilium: unset and its two classes;
/// MetalLB: unset).
pub fn serving_dialects(service: &Service) -> &'static [Dialect] {
    if service.kind != ServiceKind::LoadBalancer {
        return &[];
    }
    match service.class.as_deref() {
        None => &[Dialect::Native, Dialect::Cilium, Dialect::MetalLb],
        Some("quorumlb.io/lb") => &[Dialect::Native],
        Some("io.cilium/bgp-control-plane" | "io.cilium/l2-announcer") => &[Dialect::Cilium],
        Some(_) => &[],
    }
}

/// Whether anyone here serves this service. A service that nobody serves is passed over: neither allocated nor pending.
pub fn is_served(service: &Service) -> bool {
    !serving_dialects(service).is_empty()
}

/// Whether the pool's scope takes in the service.
pub(super) fn serves(pool: &Pool, service: &Service, namespaces: &BTreeMap<String, Namespace>) -> bool {
    serves_namespace(pool, &service.key.namespace, namespaces)
        && match pool.dialect {
            Dialect::MetalLb => any_selects(&pool.scope.service_selectors, &service.labels),
            Dialect::Native | Dialect::Cilium => any_selects(&pool.scope.service_selectors, &ServiceLabels(service)),
        }
}

fn serves_namespace(pool: &Pool, namespace: &str, namespaces: &BTreeMap<String, Namespace>) -> bool {
    let scope = &pool.scope;
    if scope.namespaces.is_empty() && scope.namespace_selectors.is_empty() {
        return true;
    }
    let labels = NamespaceLabels { name: namespace, labels: namespaces.get(namespace).map(|known| &known.labels) };
    scope.namespaces.contains(namespace) || scope.namespace_selectors.iter().any(|selector| selector.matches(&labels))
}

/// Labels of a namespace, with the one that Kubernetes gives it, whether it was described or not.
struct NamespaceLabels<'a> {
    name: &'a str,
    labels: Option<&'a Labels>,
}

impl LabelLookup for NamespaceLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        match key {
            NAMESPACE_NAME_LABEL => Some(self.name),
            _ => self.labels?.label(key),
        }
    }
}

/// Whether a pool answers to a name in a request: its full name, or the part after the namespace.
pub(super) fn answers_to(pool: &Pool, name: &str) -> bool {
    pool.name == name || pool.name.rsplit_once('/').is_some_and(|(_, short)| short == name)
}
