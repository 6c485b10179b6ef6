//! BGP as it is wanted: who peers with whom, and what is told. One shape for every dialect, references resolved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{Age, Dialect, Family, Labels, Name, NodeName, PoolMatch, Selector};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bgp {
    /// Sessions that are wanted.
    pub peers: BTreeMap<(Dialect, Name), BgpPeer>,
    /// What is told to them.
    pub advertisements: BTreeMap<(Dialect, Name), BgpAdvertisement>,
    /// What differs on single nodes.
    pub overrides: BTreeMap<NodeName, BgpOverride>,
}

/// A session that every selected node keeps with one router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpPeer {
    /// Unique in its dialect. Where a manifest nests peers: `policy/instance/peer`.
    pub name: Name,
    /// Whose rules hold for it.
    pub dialect: Dialect,
    /// Creation time of its manifest: of two policies that exclude each other the older one stands.
    pub age: Age,
    /// The manifest that it came from; Cilium allows a node only one.
    pub policy: Name,
    /// The BGP instance (a router of its own) within the policy; empty where a dialect has none.
    pub instance: String,
    /// Its name within the instance.
    pub short_name: String,
    /// Nodes that keep it; any may match, empty means all.
    pub node_selectors: Vec<Selector>,
    /// Our AS number; `None` when only a node override gives it.
    pub local_asn: Option<u32>,
    /// Where the router is.
    pub remote: BgpRemote,
    /// The router's AS number.
    pub remote_asn: RemoteAsn,
    /// The router's TCP port.
    pub port: u16,
    /// The TCP port that the instance listens on; `None` for not at all.
    pub listen_port: Option<u16>,
    /// Where our side of the connection starts.
    pub source: BgpSource,
    /// The BGP identifier; `None` for the node's own choice.
    pub router_id: Option<Ipv4Addr>,
    /// Its timers.
    pub timers: BgpTimers,
    /// How many hops away an eBGP router may be, 1 to 255; 1 is directly connected.
    pub ebgp_hops: u8,
    /// Generalised TTL security (RFC 5082): only packets with at least this TTL count.
    pub minimum_ttl: Option<u8>,
    /// Restart time in seconds of graceful restart (RFC 4724), 1 to 4095; `None` for off.
    pub graceful_restart_seconds: Option<u16>,
    /// The TCP MD5 password (RFC 2385), by reference only.
    pub password: Option<SecretRef>,
    /// BFD with the router; `None` for off.
    pub bfd: Option<BfdSettings>,
    /// Address families, at least one.
    pub families: Vec<PeerFamily>,
}

/// Where a router is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum BgpRemote {
    /// At this address.
    Address(IpAddr),
    /// Whoever answers on this interface (RFC 8950, unnumbered).
    Interface(String),
    /// The node's default gateway of this family.
    DefaultGateway(Family),
}

impl fmt::Display for BgpRemote {
    /// The address, the interface's name, or `default-gateway/IPv4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Interface(name) => f.write_str(name),
            Self::DefaultGateway(family) => write!(f, "default-gateway/{family}"),
        }
    }
}

/// The AS number of a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RemoteAsn {
    /// This one.
    Number(u32),
    /// The same as ours.
    Internal,
    /// Any but ours.
    External,
    /// Whatever its OPEN says.
    FromOpen,
}

/// Where our side of a connection starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BgpSource {
    /// The kernel's choice.
    #[default]
    Any,
    /// This address.
    Address(IpAddr),
    /// An address of this interface.
    Interface(String),
}

/// Timers of a session, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpTimers {
    /// Between two attempts to connect, 1 or more.
    pub connect_retry_seconds: u32,
    /// Hold time, 0 (never) or 3 to 65535.
    pub hold_seconds: u16,
    /// Between two KEEPALIVE messages, at most `hold_seconds`.
    pub keepalive_seconds: u16,
}

impl Default for BgpTimers {
    fn default() -> Self {
        Self { connect_retry_seconds: 120, hold_seconds: 90, keepalive_seconds: 30 }
    }
}

/// A value in a Kubernetes Secret, or in a manifest that carries it inline. The value itself is never part of the
/// wanted state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which of its values.
    pub key: String,
}

/// BFD (RFC 5880) with a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BfdSettings {
    /// Between two packets that we send, 10 to 60000 ms.
    pub transmit_ms: u32,
    /// Between two packets that we can take, 10 to 60000 ms.
    pub receive_ms: u32,
    /// Packets missed until the session is down, 2 to 255.
    pub multiplier: u8,
    /// Waits for the router to start.
    pub passive: bool,
    /// The least TTL of a received packet on multihop sessions, 1 to 254.
    pub minimum_ttl: Option<u8>,
}

/// An address family (unicast) of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFamily {
    /// Which.
    pub family: Family,
    /// For advertisements with [`PeerMatch::ByLabels`]: those whose labels match. `None` matches none.
    pub advertisements: Option<Selector>,
}

/// Something that is told to routers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpAdvertisement {
    /// Unique in its dialect. Where a manifest holds several: `manifest/number`.
    pub name: Name,
    /// Whose rules hold for it.
    pub dialect: Dialect,
    /// Labels of its manifest.
    pub labels: Labels,
    /// Which peers are told.
    pub peers: PeerMatch,
    /// Nodes that tell it; any may match, empty means all.
    pub node_selectors: Vec<Selector>,
    /// What is told.
    pub what: Advertised,
    /// Prefix length of IPv4 routes, 0 to 32; 32 is no aggregation.
    pub aggregation_v4: u8,
    /// Prefix length of IPv6 routes, 0 to 128; 128 is no aggregation.
    pub aggregation_v6: u8,
    /// Communities on its routes.
    pub communities: BTreeSet<Community>,
    /// LOCAL_PREF towards iBGP peers; `None` for the default, 100.
    pub local_pref: Option<u32>,
}

/// Which peers of its dialect an advertisement is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PeerMatch {
    /// All of them.
    All,
    /// By [`BgpPeer::name`].
    Names(BTreeSet<Name>),
    /// Those with a [`PeerFamily`] that selects the advertisement's labels.
    ByLabels,
}

/// What an advertisement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Advertised {
    /// Addresses of services.
    Services {
        /// Which addresses, at least one kind.
        kinds: BTreeSet<ServiceAddressKind>,
        /// Which services; any may match. `None` means none, an empty list all.
        selectors: Option<Vec<Selector>>,
        /// The pools that the addresses come from.
        pools: PoolMatch,
    },
    /// The node's pod networks.
    PodCidrs,
    /// The addresses of one of the node's interfaces.
    Interface(String),
}

/// A kind of address of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ServiceAddressKind {
    /// Given by a pool.
    LoadBalancer,
    /// One of `spec.externalIPs`.
    External,
    /// One of `spec.clusterIPs`.
    Cluster,
}

/// A community: standard (RFC 1997) or large (RFC 8092).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Community {
    /// Shown as `65000:100`.
    Standard(u16, u16),
    /// Shown as `65000:1:2`.
    Large(u32, u32, u32),
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(high, low) => write!(f, "{high}:{low}"),
            Self::Large(global, one, two) => write!(f, "{global}:{one}:{two}"),
        }
    }
}

/// What differs on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BgpOverride {
    /// The node.
    pub node: NodeName,
    /// By [`BgpPeer::instance`].
    pub instances: BTreeMap<String, InstanceOverride>,
}

/// What differs for one instance on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceOverride {
    /// The BGP identifier.
    pub router_id: Option<Ipv4Addr>,
    /// The port to listen on.
    pub listen_port: Option<u16>,
    /// Our AS number.
    pub local_asn: Option<u32>,
    /// Our address towards a peer, by [`BgpPeer::short_name`].
    pub local_addresses: BTreeMap<String, IpAddr>,
}
