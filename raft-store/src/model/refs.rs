//! The objects of the wanted state, borrowed.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{
    BgpAdvertisement, BgpOverride, BgpPeer, ClusterSettings, Endpoint, L2Policy, Namespace, Node, Object, ObjectKey,
    Pool, Service, ServiceKey, Wanted,
};

/// An [`Object`] that stays where it is; written out it looks the same.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename = "Object")]
#[expect(missing_docs, reason = "each is the variant of `Object` with the same name")]
pub enum ObjectRef<'a> {
    Settings(&'a ClusterSettings),
    Node(&'a Node),
    Namespace(&'a Namespace),
    Pool(&'a Pool),
    L2Policy(&'a L2Policy),
    Service(&'a Service),
    Endpoints(&'a ServiceKey, &'a BTreeSet<Endpoint>),
    EndpointsKnown(bool),
    BgpPeer(&'a BgpPeer),
    BgpAdvertisement(&'a BgpAdvertisement),
    BgpOverride(&'a BgpOverride),
}

impl ObjectRef<'_> {
    /// Which object this is.
    pub fn key(self) -> ObjectKey {
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

    /// A copy of the object.
    pub fn to_object(self) -> Object {
        match self {
            Self::Settings(settings) => Object::Settings(*settings),
            Self::Node(node) => Object::Node(node.clone()),
            Self::Namespace(namespace) => Object::Namespace(namespace.clone()),
            Self::Pool(pool) => Object::Pool(Box::new(pool.clone())),
            Self::L2Policy(policy) => Object::L2Policy(Box::new(policy.clone())),
            Self::Service(service) => Object::Service(Box::new(service.clone())),
            Self::Endpoints(service, endpoints) => Object::Endpoints(service.clone(), endpoints.clone()),
            Self::EndpointsKnown(known) => Object::EndpointsKnown(known),
            Self::BgpPeer(peer) => Object::BgpPeer(Box::new(peer.clone())),
            Self::BgpAdvertisement(told) => Object::BgpAdvertisement(Box::new(told.clone())),
            Self::BgpOverride(own) => Object::BgpOverride(Box::new(own.clone())),
        }
    }
}

impl Wanted {
    /// Every object where it stands, what others depend on first.
    pub fn refs(&self) -> impl Iterator<Item = ObjectRef<'_>> {
        [ObjectRef::Settings(&self.settings), ObjectRef::EndpointsKnown(self.endpoints_known)]
            .into_iter()
            .chain(self.nodes.values().map(ObjectRef::Node))
            .chain(self.namespaces.values().map(ObjectRef::Namespace))
            .chain(self.pools.values().map(ObjectRef::Pool))
            .chain(self.l2_policies.values().map(ObjectRef::L2Policy))
            .chain(self.bgp.overrides.values().map(ObjectRef::BgpOverride))
            .chain(self.bgp.peers.values().map(ObjectRef::BgpPeer))
            .chain(self.bgp.advertisements.values().map(ObjectRef::BgpAdvertisement))
            .chain(self.endpoints.iter().map(|(key, set)| ObjectRef::Endpoints(key, set)))
            .chain(self.services.values().map(|service| ObjectRef::Service(service)))
    }

    /// A copy of every object, what others depend on first.
    pub fn objects(&self) -> impl Iterator<Item = Object> {
        self.refs().map(ObjectRef::to_object)
    }
}
