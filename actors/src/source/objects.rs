//! Everything that was read, before it is put together.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use quorumlb_raft_store::model::{
    BgpAdvertisement, BgpOverride, BgpPeer, ClusterSettings, Community, Dialect, Endpoint, L2Policy, Namespace, Node,
    Pool, SecretRef, Service, ServiceKey,
};

use super::cilium_bgp::{PeerConfig, UnresolvedPeer};
use super::decode::{Cx, Meta};
use super::diagnostic::Place;
use super::metallb_bgp::BfdProfile;

/// What stands around the `spec` of a manifest.
pub(super) struct Head {
    pub kind: &'static str,
    pub version: String,
    pub meta: Meta,
}

impl Head {
    /// The namespace, `default` where none is given.
    pub fn namespace(&self) -> String {
        self.meta.namespace.clone().unwrap_or_else(|| "default".to_owned())
    }
}

/// A pool, and where each of its blocks stands.
pub(super) struct PlacedPool {
    pub pool: Pool,
    pub places: Vec<Place>,
}

/// A name that one manifest uses for another.
#[derive(Clone)]
pub(super) struct Reference {
    pub to: Target,
    pub name: String,
    pub place: Place,
    pub object: Option<String>,
}

/// What a reference may point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Pool(Dialect),
    PeerConfig,
    BgpPeer,
    BfdProfile,
    Community,
    Secret,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pool(Dialect::Native) => "IPPool",
            Self::Pool(Dialect::Cilium) => "CiliumLoadBalancerIPPool",
            Self::Pool(Dialect::MetalLb) => "IPAddressPool",
            Self::PeerConfig => "CiliumBGPPeerConfig",
            Self::BgpPeer => "BGPPeer",
            Self::BfdProfile => "BFDProfile",
            Self::Community => "Community alias",
            Self::Secret => "Secret",
        })
    }
}

/// A BGPAdvertisement of MetalLB whose aliases are not yet resolved.
pub(super) struct PlacedAdvertisement {
    pub advertisement: BgpAdvertisement,
    pub aliases: BTreeSet<String>,
    pub place: Place,
    /// Where the aggregation lengths stand, IPv4 then IPv6.
    pub lengths: [Place; 2],
}

/// A BGPPeer of MetalLB whose BFD profile is not yet resolved.
pub(super) struct PlacedPeer {
    pub peer: BgpPeer,
    pub bfd_profile: Option<String>,
}

/// Passwords that the input holds. They are kept out of the wanted state and never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(pub(super) BTreeMap<SecretRef, String>);

impl Secrets {
    /// The value that is meant, if the input holds it.
    pub fn get(&self, reference: &SecretRef) -> Option<&str> {
        self.0.get(reference).map(String::as_str)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} not shown)", self.0.len())
    }
}

/// Everything that was read.
#[derive(Default)]
pub(super) struct Objects {
    claims: BTreeMap<(&'static str, String), Place>,
    pub settings: Option<ClusterSettings>,
    /// The name of the `Cluster`.
    pub cluster: Option<String>,
    pub nodes: Vec<Node>,
    pub namespaces: Vec<Namespace>,
    pub pools: Vec<PlacedPool>,
    pub l2_policies: Vec<L2Policy>,
    pub services: Vec<(Box<Service>, Place)>,
    pub endpoints: BTreeMap<ServiceKey, BTreeSet<Endpoint>>,
    pub endpoints_known: bool,
    pub secret_names: BTreeSet<(String, String)>,
    pub secrets: Secrets,
    pub references: Vec<Reference>,
    pub peers: Vec<PlacedPeer>,
    pub advertisements: Vec<PlacedAdvertisement>,
    pub overrides: Vec<BgpOverride>,
    pub unresolved_peers: Vec<UnresolvedPeer>,
    pub peer_configs: BTreeMap<String, PeerConfig>,
    pub bfd_profiles: BTreeMap<String, BfdProfile>,
    pub communities: BTreeMap<String, Community>,
}

impl Objects {
    /// Takes a name for an object of a kind; a second taker is an error that names both places.
    pub fn claim(&mut self, kind: &'static str, name: &str, place: Place, cx: Cx) -> bool {
        let key = (kind, name.to_owned());
        if let Some(first) = self.claims.get(&key) {
            let hint = format!("the first one is at {}; rename or remove one of them", cx.report.locate(*first));
            cx.report.error(place, format!("there are two {kind} objects with the name `{name}`"), hint);
            return false;
        }
        self.claims.insert(key, place);
        true
    }

    /// Whether an object of this kind and name was read.
    pub fn has(&self, kind: &'static str, name: &str) -> bool {
        self.claims.contains_key(&(kind, name.to_owned()))
    }

    /// Notes that one object names another.
    pub fn refer(&mut self, to: Target, name: impl Into<String>, place: Place, cx: Cx) {
        self.references.push(Reference { to, name: name.into(), place, object: cx.report.object() });
    }
}
