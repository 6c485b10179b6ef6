//! The wanted state as a whole, and changes to it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Bgp, BgpAdvertisement, BgpOverride, BgpPeer, ClusterSettings, Dialect, Endpoint, L2Policy, Labels, Name, Node,
    NodeName, Pool, Service, ServiceKey,
};

/// Everything the operator asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Tunables.
    pub settings: ClusterSettings,
    /// The nodes.
    pub nodes: BTreeMap<NodeName, Node>,
    /// Namespaces that were described, for selectors on their labels.
    pub namespaces: BTreeMap<String, Namespace>,
    /// The pools.
    pub pools: BTreeMap<(Dialect, Name), Pool>,
    /// The L2 policies.
    pub l2_policies: BTreeMap<(Dialect, Name), L2Policy>,
    /// The services; boxed, since a map moves its values about and leaves room for more.
    pub services: BTreeMap<ServiceKey, Box<Service>>,
    /// Endpoints of core services, by service, all its slices merged.
    pub endpoints: BTreeMap<ServiceKey, BTreeSet<Endpoint>>,
    /// Whether the input tells of endpoints at all. If not, backends are taken to exist.
    pub endpoints_known: bool,
    /// Sessions and advertisements.
    pub bgp: Bgp,
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Labels,
}

/// One object of the wanted state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Object {
    /// Replaces the settings.
    Settings(ClusterSettings),
    /// A node.
    Node(Node),
    /// A namespace.
    Namespace(Namespace),
    /// A pool.
    Pool(Box<Pool>),
    /// An L2 policy.
    L2Policy(Box<L2Policy>),
    /// A service.
    Service(Box<Service>),
    /// The endpoints of a service.
    Endpoints(ServiceKey, BTreeSet<Endpoint>),
    /// Whether endpoints are known.
    EndpointsKnown(bool),
    /// A BGP session.
    BgpPeer(Box<BgpPeer>),
    /// Something told by BGP.
    BgpAdvertisement(Box<BgpAdvertisement>),
    /// What differs on a node.
    BgpOverride(Box<BgpOverride>),
}

/// Which object. Keys sort so that what others depend on comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ObjectKey {
    /// The settings.
    Settings,
    /// Whether endpoints are known.
    EndpointsKnown,
    /// A node.
    Node(NodeName),
    /// A namespace.
    Namespace(String),
    /// A pool.
    Pool(Dialect, Name),
    /// An L2 policy.
    L2Policy(Dialect, Name),
    /// What differs for BGP on a node.
    BgpOverride(NodeName),
    /// A BGP session.
    BgpPeer(Dialect, Name),
    /// Something told by BGP.
    BgpAdvertisement(Dialect, Name),
    /// The endpoints of a service.
    Endpoints(ServiceKey),
    /// A service.
    Service(ServiceKey),
}

/// A digest of a whole configuration, to tell whether two nodes have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ConfigDigest(pub [u8; 32]);

impl fmt::Display for ConfigDigest {
    /// The first 12 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ConfigDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for ObjectKey {
    /// The kind in small letters, and the name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings => f.write_str("the settings"),
            Self::EndpointsKnown => f.write_str("whether endpoints are known"),
            Self::Node(name) => write!(f, "node {name}"),
            Self::Namespace(name) => write!(f, "namespace {name}"),
            Self::Pool(_, name) => write!(f, "pool {name}"),
            Self::L2Policy(_, name) => write!(f, "L2 policy {name}"),
            Self::BgpOverride(node) => write!(f, "BGP override for {node}"),
            Self::BgpPeer(_, name) => write!(f, "BGP peer {name}"),
            Self::BgpAdvertisement(_, name) => write!(f, "BGP advertisement {name}"),
            Self::Endpoints(service) => write!(f, "endpoints of {service}"),
            Self::Service(service) => write!(f, "service {service}"),
        }
    }
}

impl Object {
    /// Which object this is.
    pub fn key(&self) -> ObjectKey {
        match self {
            Self::Settings(_) => ObjectKey::Settings,
            Self::Node(node) => ObjectKey::Node(node.name.clone()),
            Self::Namespace(namespace) => ObjectKey::Namespace(namespace.name.clone()),
            Self::Pool(pool) => ObjectKey::Pool(pool.dialect, pool.name.clone()),
            Self::L2Policy(policy) => ObjectKey::L2Policy(policy.dialect, policy.name.clone()),
            Self::Service(service) => ObjectKey::Service(service.key.clone()),
            Self::Endpoints(service, _) => ObjectKey::Endpoints(service.clone()),
            Self::EndpointsKnown(_) => ObjectKey::EndpointsKnown,
            Self::BgpPeer(peer) => ObjectKey::BgpPeer(peer.dialect, peer.name.clone()),
            Self::BgpAdvertisement(told) => ObjectKey::BgpAdvertisement(told.dialect, told.name.clone()),
            Self::BgpOverride(own) => ObjectKey::BgpOverride(own.node.clone()),
        }
    }
}

impl Wanted {
    /// Puts one object in its place.
    pub fn put(&mut self, object: Object) {
        match object {
            Object::Settings(settings) => self.settings = settings,
            Object::EndpointsKnown(known) => self.endpoints_known = known,
            Object::Node(node) => drop(self.nodes.insert(node.name.clone(), node)),
            Object::Namespace(namespace) => drop(self.namespaces.insert(namespace.name.clone(), namespace)),
            Object::Pool(pool) => drop(self.pools.insert((pool.dialect, pool.name.clone()), *pool)),
            Object::L2Policy(policy) => {
                drop(self.l2_policies.insert((policy.dialect, policy.name.clone()), *policy));
            }
            Object::Service(service) => drop(self.services.insert(service.key.clone(), service)),
            Object::Endpoints(service, endpoints) => drop(self.endpoints.insert(service, endpoints)),
            Object::BgpPeer(peer) => drop(self.bgp.peers.insert((peer.dialect, peer.name.clone()), *peer)),
            Object::BgpAdvertisement(told) => {
                drop(self.bgp.advertisements.insert((told.dialect, told.name.clone()), *told));
            }
            Object::BgpOverride(own) => drop(self.bgp.overrides.insert(own.node.clone(), *own)),
        }
    }

    /// Whether there is such an object.
    pub fn has(&self, key: &ObjectKey) -> bool {
        match key {
            ObjectKey::Settings | ObjectKey::EndpointsKnown => true,
            ObjectKey::Node(name) => self.nodes.contains_key(name),
            ObjectKey::Namespace(name) => self.namespaces.contains_key(name),
            ObjectKey::Pool(dialect, name) => self.pools.contains_key(&(*dialect, name.clone())),
            ObjectKey::L2Policy(dialect, name) => self.l2_policies.contains_key(&(*dialect, name.clone())),
            ObjectKey::Service(service) => self.services.contains_key(service),
            ObjectKey::Endpoints(service) => self.endpoints.contains_key(service),
            ObjectKey::BgpPeer(dialect, name) => self.bgp.peers.contains_key(&(*dialect, name.clone())),
            ObjectKey::BgpAdvertisement(dialect, name) => {
                self.bgp.advertisements.contains_key(&(*dialect, name.clone()))
            }
            ObjectKey::BgpOverride(node) => self.bgp.overrides.contains_key(node),
        }
    }

    /// Takes one object away; settings fall back to their defaults.
    pub fn remove(&mut self, key: &ObjectKey) {
        match key {
            ObjectKey::Settings => self.settings = ClusterSettings::default(),
            ObjectKey::EndpointsKnown => self.endpoints_known = false,
            ObjectKey::Node(name) => drop(self.nodes.remove(name)),
            ObjectKey::Namespace(name) => drop(self.namespaces.remove(name)),
            ObjectKey::Pool(dialect, name) => drop(self.pools.remove(&(*dialect, name.clone()))),
            ObjectKey::L2Policy(dialect, name) => drop(self.l2_policies.remove(&(*dialect, name.clone()))),
            ObjectKey::Service(service) => drop(self.services.remove(service)),
            ObjectKey::Endpoints(service) => drop(self.endpoints.remove(service)),
            ObjectKey::BgpPeer(dialect, name) => drop(self.bgp.peers.remove(&(*dialect, name.clone()))),
            ObjectKey::BgpAdvertisement(dialect, name) => {
                drop(self.bgp.advertisements.remove(&(*dialect, name.clone())));
            }
            ObjectKey::BgpOverride(node) => drop(self.bgp.overrides.remove(node)),
        }
    }
}
