//! Which services may share an address.
//!
//! Two services of one dialect share when their keys are the same, no port is used by both, and:
//! - Cilium and native: they are of one namespace, or each agrees to the other's; they have the same external traffic
//!   policy; and under `Local` both select pods, the same ones unless both permit others.
//! - MetalLB: both have policy `Cluster`, or both have `Local` and select the same pods. The key is consent enough across
//!   namespaces.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::request;
use crate::model::{Dialect, Labels, Protocol, Service, ServiceKey, TrafficPolicy};

/// A port as sharing sees it.
pub(super) type PortKey = (u16, Protocol);

/// What a service brings to an address that it may share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Terms {
    pub(super) dialect: Dialect,
    pub(super) key: String,
    pub(super) namespace: String,
    /// Other namespaces that it agrees to share with.
    consents: BTreeSet<String>,
    /// It agrees to every namespace.
    any_namespace: bool,
    pub(super) ports: BTreeSet<PortKey>,
    policy: TrafficPolicy,
    pods: Labels,
    permits_other_pods: bool,
}

/// Why services may not share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Key,
    Namespace,
    Port(PortKey),
    Policy,
    NoPods,
    OtherPods,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("has another sharing key or none; give both the same key"),
            Self::Namespace => {
                f.write_str("is of another namespace; each of the two must agree to share across namespaces")
            }
            Self::Port((number, protocol)) => {
                let protocol = format!("{protocol:?}").to_uppercase();
                write!(f, "already answers on port {number}/{protocol}; use another port or another address")
            }
            Self::Policy => f.write_str("has another externalTrafficPolicy; give both the same"),
            Self::NoPods => f.write_str("shares under externalTrafficPolicy Local, where both need a pod selector"),
            Self::OtherPods => f.write_str(
                "selects other pods, which externalTrafficPolicy Local does not allow; select the same pods, use policy \
                 Cluster, or let both permit different pods where their dialect can",
            ),
        }
    }
}

impl Terms {
    /// The terms of a service for pools of a dialect; `None` when it shares with nobody.
    pub(super) fn of(service: &Service, dialect: Dialect) -> Option<Self> {
        let sharing = request::sharing(service, dialect)?;
        let key_is_consent = dialect == Dialect::MetalLb;
        Some(Self {
            dialect,
            key: sharing.key.clone(),
            namespace: service.key.namespace.clone(),
            consents: sharing.namespaces.clone(),
            any_namespace: key_is_consent || sharing.namespaces.contains("*"),
            ports: service.ports.iter().map(|port| (port.number, port.protocol)).collect(),
            policy: service.external_policy,
            pods: service.pod_selector.clone(),
            permits_other_pods: !key_is_consent && sharing.permit_different_pods,
        })
    }

    fn agrees_to(&self, namespace: &str) -> bool {
        self.any_namespace || self.namespace == namespace || self.consents.contains(namespace)
    }

    /// Whether policy Local asks for a pod selector that is not there.
    fn lacks_pods(&self) -> bool {
        self.dialect != Dialect::MetalLb && self.policy == TrafficPolicy::Local && self.pods.is_empty()
    }
}

/// The services that share one address, and sums over them, so that one more is judged without asking each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pact {
    members: BTreeMap<ServiceKey, Terms>,
    ports: BTreeMap<PortKey, ServiceKey>,
    /// Members by namespace.
    namespaces: BTreeMap<String, usize>,
    /// Members that agree to a namespace by name, without those that agree to any.
    consents: BTreeMap<String, usize>,
    any_namespace: usize,
    /// Members by the pods that they select: how many, and how many of them permit other pods.
    pods: BTreeMap<Labels, (usize, usize)>,
    permits_other_pods: usize,
}

impl Pact {
    pub(super) fn new(first: ServiceKey, terms: Terms) -> Self {
        let mut pact = Self {
            members: BTreeMap::new(),
            ports: BTreeMap::new(),
            namespaces: BTreeMap::new(),
            consents: BTreeMap::new(),
            any_namespace: 0,
            pods: BTreeMap::new(),
            permits_other_pods: 0,
        };
        pact.join(first, terms);
        pact
    }

    /// The members, by name.
    pub(super) fn members(&self) -> impl Iterator<Item = &ServiceKey> {
        self.members.keys()
    }

    /// Whether nobody is left.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Why a service that is no member may not join, and who stands against it.
    pub(super) fn refuses(&self, new: &Terms) -> Option<(Refusal, &ServiceKey)> {
        let (first, terms) = self.members.first_key_value()?;
        if terms.dialect != new.dialect || terms.key != new.key {
            return Some((Refusal::Key, first));
        }
        if let Some(port) = new.ports.iter().find(|port| self.ports.contains_key(port)) {
            return Some((Refusal::Port(*port), &self.ports[port]));
        }
        if !self.namespaces_agree(new) {
            let against = self
                .members
                .iter()
                .find(|(_, terms)| !terms.agrees_to(&new.namespace) || !new.agrees_to(&terms.namespace));
            return Some((Refusal::Namespace, against.map_or(first, |(member, _)| member)));
        }
        if terms.policy != new.policy {
            return Some((Refusal::Policy, first));
        }
        if new.policy == TrafficPolicy::Cluster {
            return None;
        }
        if new.lacks_pods() || terms.lacks_pods() {
            return Some((Refusal::NoPods, first));
        }
        if !self.pods_agree(new) {
            let against = self
                .members
                .iter()
                .find(|(_, terms)| terms.pods != new.pods && !(terms.permits_other_pods && new.permits_other_pods));
            return Some((Refusal::OtherPods, against.map_or(first, |(member, _)| member)));
        }
        None
    }

    /// Whether every member agrees to the newcomer's namespace, and it to theirs.
    fn namespaces_agree(&self, new: &Terms) -> bool {
        let own = self.namespaces.get(&new.namespace).copied().unwrap_or(0);
        let own_namespace_alone = own == self.members.len();
        let agrees = new.any_namespace || self.namespaces.keys().all(|namespace| new.agrees_to(namespace));
        // Where its namespace is in already, the others agreed to it then.
        let others_agree = own > 0
            || self.any_namespace + self.consents.get(&new.namespace).copied().unwrap_or(0) == self.members.len();
        own_namespace_alone || (agrees && others_agree)
    }

    /// Whether the newcomer selects what the members select, or all who differ permit it.
    fn pods_agree(&self, new: &Terms) -> bool {
        let (same, same_permits) = self.pods.get(&new.pods).copied().unwrap_or((0, 0));
        let (others, others_permit) = (self.members.len() - same, self.permits_other_pods - same_permits);
        others == 0 || (new.permits_other_pods && others == others_permit)
    }

    /// Adds a member that [`Pact::refuses`] has nothing against.
    pub(super) fn join(&mut self, service: ServiceKey, terms: Terms) {
        for port in &terms.ports {
            self.ports.insert(*port, service.clone());
        }
        *self.namespaces.entry(terms.namespace.clone()).or_default() += 1;
        if terms.any_namespace {
            self.any_namespace += 1;
        } else {
            for namespace in &terms.consents {
                *self.consents.entry(namespace.clone()).or_default() += 1;
            }
        }
        let pods = self.pods.entry(terms.pods.clone()).or_default();
        pods.0 += 1;
        if terms.permits_other_pods {
            pods.1 += 1;
            self.permits_other_pods += 1;
        }
        self.members.insert(service, terms);
    }

    /// Takes a member out and gives back its terms.
    pub(super) fn leave(&mut self, service: &ServiceKey) -> Option<Terms> {
        let terms = self.members.remove(service)?;
        for port in &terms.ports {
            self.ports.remove(port);
        }
        decrease(&mut self.namespaces, &terms.namespace);
        if terms.any_namespace {
            self.any_namespace -= 1;
        } else {
            terms.consents.iter().for_each(|namespace| decrease(&mut self.consents, namespace));
        }
        if let Some(pods) = self.pods.get_mut(&terms.pods) {
            pods.0 -= 1;
            pods.1 -= usize::from(terms.permits_other_pods);
            if pods.0 == 0 {
                self.pods.remove(&terms.pods);
            }
        }
        self.permits_other_pods -= usize::from(terms.permits_other_pods);
        Some(terms)
    }
}

fn decrease(counts: &mut BTreeMap<String, usize>, of: &str) {
    if let Some(count) = counts.get_mut(of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(of);
        }
    }
}

/// The rule for two services, as written in the module's head: what [`Pact::refuses`] must come to for each member.
#[cfg(test)]
pub(super) fn may_share(a: &Terms, b: &Terms) -> bool {
    let pods_fit = match a.policy {
        TrafficPolicy::Cluster => true,
        TrafficPolicy::Local if a.lacks_pods() || b.lacks_pods() => false,
        TrafficPolicy::Local => a.pods == b.pods || (a.permits_other_pods && b.permits_other_pods),
    };
    (a.dialect, &a.key, a.policy) == (b.dialect, &b.key, b.policy)
        && a.agrees_to(&b.namespace)
        && b.agrees_to(&a.namespace)
        && a.ports.is_disjoint(&b.ports)
        && pods_fit
}
