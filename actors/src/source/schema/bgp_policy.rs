//! `BGPPolicy`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::{IntOrString, Selector, Span, Status};

/// Sessions with routers, and what they are told.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct BgpPolicy {
    /// What is wanted.
    pub spec: Spec,
    /// What the group made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
}

/// What is wanted.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Spec {
    /// Nodes that have the sessions; any of the selectors may match. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub node_selectors: Option<Vec<Selector>>,
    /// The nodes' own autonomous system.
    #[serde(rename = "localASN")]
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub local_asn: u32,
    /// The nodes' BGP identifier, an IPv4 address. Left out: each node's own choice.
    #[serde(default, rename = "routerID", skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15), regex(pattern = r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"))]
    pub router_id: Option<String>,
    /// The TCP port on which the nodes listen for their peers. Left out: they do not listen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub listen_port: Option<u16>,
    /// The routers. Each needs its own name.
    #[schemars(length(min = 1, max = 128))]
    pub peers: Vec<Peer>,
    /// What they are told, each entry about one thing. Left out: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub advertise: Option<Vec<Advertisement>>,
}

/// A router.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": "has(self.address) != has(self.interface)",
        "message": "a peer has exactly one of address and interface (unnumbered)",
    },
    {
        "rule": "!(has(self.multihop) && has(self.minimumTTL))",
        "message": "multihop and minimumTTL exclude each other; keep one of them",
    },
    {
        "rule": "!has(self.sourceAddress) || !has(self.address) || \
                 self.sourceAddress.contains(':') == self.address.contains(':')",
        "message": "sourceAddress cannot reach address: the families differ",
    },
]))]
pub(super) struct Peer {
    /// What entries of `advertise` call it. Left out: its address or interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// Its IP address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45), regex(pattern = r"^[0-9a-fA-F:.]+$"))]
    pub address: Option<String>,
    /// For an unnumbered session: the interface that it is behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[^/\s]+$"))]
    pub interface: Option<String>,
    /// Its autonomous system.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub asn: u32,
    /// Its TCP port.
    #[serde(default = "bgp_port")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: u16,
    /// The address that the session comes from. Left out: what the kernel chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 45), regex(pattern = r"^[0-9a-fA-F:.]+$"))]
    pub source_address: Option<String>,
    /// The Secret with the password for TCP MD5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret: Option<SecretRef>,
    /// The session's timers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers: Option<Timers>,
    /// For how long the router keeps our routes while a node restarts, 1s to 4095s. Left out: graceful restart is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graceful_restart: Option<Span<1_000, 4_095_000>>,
    /// How many hops away an eBGP peer may be. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 255))]
    pub multihop: Option<u8>,
    /// Packets with a smaller TTL are refused (RFC 5082).
    #[serde(default, rename = "minimumTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 255))]
    pub minimum_ttl: Option<u8>,
    /// Address families. Left out: that of the address; both when unnumbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2))]
    pub families: Option<Vec<Family>>,
    /// Liveness by BFD. Left out: off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bfd: Option<Bfd>,
}

fn bgp_port() -> u16 {
    179
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) enum Family {
    IPv4,
    IPv6,
}

/// A Secret's key.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SecretRef {
    /// The Secret's namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// The Secret's name.
    pub name: String,
    /// The key in it.
    #[serde(default = "password")]
    pub key: String,
}

fn default_namespace() -> String {
    "default".to_owned()
}

fn password() -> String {
    "password".to_owned()
}

/// A session's timers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.keepalive) || !has(self.hold) || duration(self.keepalive) <= duration(self.hold)",
    "message": "keepalive is longer than hold; usual is a third",
}]))]
pub(super) struct Timers {
    /// Between two attempts to connect, 1s to 65535s.
    #[serde(default = "connect_retry")]
    pub connect_retry: Span<1_000, 65_535_000>,
    /// A peer that is silent for longer is down, 3s to 65535s.
    #[serde(default = "hold")]
    pub hold: Span<3_000, 65_535_000>,
    /// Between two keepalives, 1s to 65535s. Left out: a third of hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keepalive: Option<Span<1_000, 65_535_000>>,
}

fn connect_retry() -> Span<1_000, 65_535_000> {
    Span("120s".to_owned())
}

fn hold() -> Span<3_000, 65_535_000> {
    Span("90s".to_owned())
}

/// BFD (RFC 5880).
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Bfd {
    /// Between two packets that we send, 10ms to 60s.
    #[serde(default = "bfd_interval")]
    pub transmit: Span<10, 60_000>,
    /// Between two packets that we take, 10ms to 60s.
    #[serde(default = "bfd_interval")]
    pub receive: Span<10, 60_000>,
    /// So many lost packets in a row mean down.
    #[serde(default = "bfd_multiplier")]
    #[schemars(range(min = 2, max = 255))]
    pub multiplier: u8,
    /// True: only the router begins.
    #[serde(default)]
    pub passive: bool,
    /// Packets with a smaller TTL are refused; for sessions over several hops.
    #[serde(default, rename = "minimumTTL", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 254))]
    pub minimum_ttl: Option<u8>,
}

fn bfd_interval() -> Span<10, 60_000> {
    Span("300ms".to_owned())
}

fn bfd_multiplier() -> u8 {
    3
}

/// What is told: exactly one of services, podCIDRs and interface.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "[has(self.services), has(self.podCIDRs), has(self.interface)].filter(given, given).size() == 1",
    "message": "an entry of advertise is about exactly one thing: services, podCIDRs or interface",
}]))]
pub(super) struct Advertisement {
    /// Addresses of services. Empty: the LoadBalancer addresses of every service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<Services>,
    /// True: the pod networks of the node that tells.
    #[serde(default, rename = "podCIDRs", skip_serializing_if = "Option::is_none")]
    pub pod_cidrs: Option<bool>,
    /// The addresses of this interface of the node that tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[^/\s]+$"))]
    pub interface: Option<String>,
    /// The peers that are told, by name. Left out: all of the policy's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), inner(length(max = 253)))]
    pub peers: Option<Vec<String>>,
    /// Prefix lengths to which addresses are summed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
    /// Communities: `65000:100`, `large:65000:1:2` or a well-known name such as `no-export`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub communities: Option<Vec<IntOrString>>,
    /// Local preference towards iBGP peers. Left out: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 4_294_967_295_u32))]
    pub local_pref: Option<u32>,
}

/// Which addresses of which services.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Services {
    /// Which addresses. Left out: LoadBalancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub addresses: Option<Vec<ServiceAddress>>,
    /// Services; any of the selectors may match. Left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub service_selectors: Option<Vec<Selector>>,
    /// Pools that the addresses are of, by name. With poolSelectors either may match; neither means all pools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), inner(length(max = 253)))]
    pub pools: Option<Vec<String>>,
    /// Pools that the addresses are of, by label; any of the selectors may match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub pool_selectors: Option<Vec<Selector>>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) enum ServiceAddress {
    LoadBalancer,
    External,
    Cluster,
}

/// Prefix lengths.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Aggregation {
    /// Of IPv4 prefixes.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 0, max = 32))]
    pub ipv4: u8,
    /// Of IPv6 prefixes.
    #[serde(default = "hundred_and_twenty_eight")]
    #[schemars(range(min = 0, max = 128))]
    pub ipv6: u8,
}

fn thirty_two() -> u8 {
    32
}

fn hundred_and_twenty_eight() -> u8 {
    128
}
