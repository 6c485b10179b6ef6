//! Services and their backends.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Age, Family, FamilyPolicy, LabelLookup, Labels, NodeName, Ports, ServiceKey};

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Namespace and name.
    pub key: ServiceKey,
    /// Creation time: among services that wait for the same address the older one is served first.
    pub age: Age,
    /// Its labels.
    pub labels: Labels,
    /// Its type; only `LoadBalancer` gets addresses from pools.
    pub kind: ServiceKind,
    /// `spec.loadBalancerClass`.
    pub class: Option<String>,
    /// `spec.ipFamilyPolicy`.
    pub family_policy: FamilyPolicy,
    /// `spec.ipFamilies`; empty when the manifest gave none.
    pub families: Vec<Family>,
    /// `spec.clusterIPs` without `None`; decides the families when `families` is empty.
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs`.
    pub external_ips: Vec<IpAddr>,
    /// What it answers on.
    pub ports: Ports,
    /// `spec.externalTrafficPolicy`.
    pub external_policy: TrafficPolicy,
    /// `spec.internalTrafficPolicy`.
    pub internal_policy: TrafficPolicy,
    /// `spec.selector`: which pods. Services that share an address under policy Local must agree on it.
    pub pod_selector: Labels,
    /// What it asks of the allocator.
    pub requests: Requests,
    /// `status.loadBalancer.ingress` in the input: kept where it is valid.
    pub status_addresses: Vec<IpAddr>,
    /// Inline backends of the native kind; `None` for core services, whose backends are [`Endpoint`]s.
    pub backends: Option<Vec<Backend>>,
    /// How inline backends are checked.
    pub health_check: Option<HealthCheck>,
}

/// `spec.type` of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServiceKind {
    /// Gets addresses from pools.
    LoadBalancer,
    /// Only its external IPs and cluster IPs can be told to the network.
    ClusterIp,
    /// As `ClusterIp`.
    NodePort,
}

/// What a service asks of the allocator, by whose annotation it asked: a pool listens to its own dialect's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// `spec.addresses` of the native kind, or `quorumlb.io/addresses`.
    pub native: Vec<IpAddr>,
    /// `lbipam.cilium.io/ips`, or its older spelling.
    pub cilium: Vec<IpAddr>,
    /// `metallb.io/loadBalancerIPs`, or its older spelling.
    pub metallb: Vec<IpAddr>,
    /// `spec.loadBalancerIP`: every dialect listens to it.
    pub load_balancer_ip: Option<IpAddr>,
    /// The one pool to take from: `metallb.io/address-pool`, or `quorumlb.io/pool`.
    pub pool: Option<String>,
    /// `quorumlb.io/sharing-key`, or `spec.sharing` of the native kind.
    pub native_sharing: Option<Box<Sharing>>,
    /// `lbipam.cilium.io/sharing-key` and its fellows.
    pub cilium_sharing: Option<Box<Sharing>>,
    /// `metallb.io/allow-shared-ip`: the key says all.
    pub metallb_sharing: Option<Box<Sharing>>,
    /// Requests that cannot be understood, each as a message; such a service is pending with `InvalidRequest` and
    /// keeps what it has.
    pub invalid: Vec<String>,
}

/// Consent to share an address with other services.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sharing {
    /// Only services with the same key share.
    pub key: String,
    /// Other namespaces it agrees to share with; `*` means every namespace.
    pub namespaces: BTreeSet<String>,
    /// Agrees to share under traffic policy Local with services that select other pods.
    pub permit_different_pods: bool,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

/// A port that a service answers on. Two services that share an address must not have the same number and protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Port {
    /// 1 to 65535.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// Its name; empty when it has none.
    pub name: String,
}

/// `externalTrafficPolicy` and `internalTrafficPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TrafficPolicy {
    /// Any backend.
    #[default]
    Cluster,
    /// Only backends on the node that took the packet.
    Local,
}

/// An inline backend of a native service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Backend {
    /// Where it is.
    pub address: IpAddr,
    /// Its port; `None` for the service's own.
    pub port: Option<u16>,
    /// Its share, 0 to 65535; 0 drains it.
    pub weight: u16,
}

/// A backend from an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// The pod's address.
    pub address: IpAddr,
    /// The node it runs on.
    pub node: Option<NodeName>,
    /// Takes new connections.
    pub ready: bool,
    /// Could still take them; with `terminating` it is the fallback when none is ready.
    pub serving: bool,
    /// Shutting down.
    pub terminating: bool,
}

/// How inline backends are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What is tried.
    pub probe: HealthProbe,
    /// Milliseconds between tries, 100 to 3,600,000.
    pub interval_ms: u64,
    /// Successes in a row that make a backend ready, 1 to 100.
    pub rise: u32,
    /// Failures in a row that make it not ready, 1 to 100.
    pub fall: u32,
}

/// What a health check tries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthProbe {
    /// A TCP connection opens.
    Tcp {
        /// `None` for the backend's port.
        port: Option<u16>,
    },
    /// `GET path` gives a 2xx or 3xx status.
    Http {
        /// Starts with `/`.
        path: String,
        /// `None` for the backend's port.
        port: Option<u16>,
    },
}

/// A service's labels as a selector of Cilium's or our kinds sees them: with the pseudo labels
/// `io.kubernetes.service.namespace` and `io.kubernetes.service.name`, which no label of the user's can replace.
#[derive(Clone, Copy, Debug)]
pub struct ServiceLabels<'a>(pub &'a Service);

impl LabelLookup for ServiceLabels<'_> {
    fn label(&self, key: &str) -> Option<&str> {
        match key {
            "io.kubernetes.service.namespace" => Some(&self.0.key.namespace),
            "io.kubernetes.service.name" => Some(&self.0.key.name),
            _ => self.0.labels.label(key),
        }
    }
}

impl Service {
    /// A `LoadBalancer` service that asks for nothing in particular: any address of any family, policy Cluster.
    pub fn bare(key: ServiceKey) -> Self {
        Self {
            key,
            age: Age::default(),
            labels: Labels::new(),
            kind: ServiceKind::LoadBalancer,
            class: None,
            family_policy: FamilyPolicy::default(),
            families: Vec::new(),
            cluster_ips: Vec::new(),
            external_ips: Vec::new(),
            ports: Ports::default(),
            external_policy: TrafficPolicy::default(),
            internal_policy: TrafficPolicy::default(),
            pod_selector: Labels::new(),
            requests: Requests::default(),
            status_addresses: Vec::new(),
            backends: None,
            health_check: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Selector;
    use super::*;

    #[test]
    fn pseudo_labels_cannot_be_spoofed() {
        let mut service = Service::bare(ServiceKey::new("default", "web"));
        service.labels.insert("io.kubernetes.service.namespace".into(), "kube-system".into());
        let selector = |namespace| Selector::label("io.kubernetes.service.namespace", namespace);
        assert!(selector("default").matches(&ServiceLabels(&service)));
        assert!(!selector("kube-system").matches(&ServiceLabels(&service)));
    }
}
