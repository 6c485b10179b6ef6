//! Which sessions a node keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use super::reason::NoSession;
use crate::model::{
    BfdSettings, Bgp, BgpPeer, BgpRemote, BgpSource, BgpTimers, Dialect, Family, InstanceOverride, Name, RemoteAsn,
    SecretRef, any_selects,
};
use crate::placement::NodeView;

/// Names a peer.
pub type PeerKey = (Dialect, Name);

/// A session that a node keeps: all that a speaker needs, overrides for the node applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The peer that describes it.
    pub peer: PeerKey,
    /// Where the router is.
    pub remote: BgpRemote,
    /// The router's TCP port.
    pub port: u16,
    /// Our AS number.
    pub local_asn: u32,
    /// The router's AS number; see [`Session::kind_with`].
    pub remote_asn: RemoteAsn,
    /// The TCP port to listen on; `None` for dialling only.
    pub listen_port: Option<u16>,
    /// Where our side of the connection starts.
    pub source: BgpSource,
    /// The BGP identifier: that of the override, of the peer, or the node's first IPv4 address; `None` where none of them
    /// is known.
    pub router_id: Option<Ipv4Addr>,
    /// Its timers.
    pub timers: BgpTimers,
    /// How many hops away an eBGP router may be, 1 to 255; no matter for iBGP.
    pub ebgp_hops: u8,
    /// Generalised TTL security (RFC 5082): only packets with at least this TTL count, and ours go out with 255.
    pub minimum_ttl: Option<u8>,
    /// Restart time in seconds of graceful restart (RFC 4724), 1 to 4095; `None` for off.
    pub graceful_restart_seconds: Option<u16>,
    /// The TCP MD5 password (RFC 2385), by reference.
    pub password: Option<SecretRef>,
    /// BFD with the router; `None` for off.
    pub bfd: Option<BfdSettings>,
    /// Address families (unicast) to offer.
    pub families: BTreeSet<Family>,
}

/// Whether a router is of our AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SessionKind {
    /// It is (iBGP).
    Internal,
    /// It is not (eBGP).
    External,
    /// Its OPEN will tell.
    FromOpen,
}

/// Which of the node's addresses a route names as its next hop. It is always the node itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NextHop {
    /// The session's own local address, or for IPv6 over a link-local session a global one beside it where the interface
    /// has one (RFC 2545, section 3).
    Session,
    /// An address of this family of the interface that the session runs over.
    OfInterface(Family),
    /// For IPv4 routes on an IPv6 session: the session's own address where the router agreed to RFC 8950, else an IPv4
    /// address of the interface that the session runs over.
    ExtendedOrInterface,
}

/// The sessions of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    /// Those that it keeps, by where the router is.
    pub kept: Vec<Session>,
    /// Those that select the node and that it does not keep all the same. They are worth a warning.
    pub refused: BTreeMap<PeerKey, NoSession>,
}

impl Sessions {
    /// The sessions of a node.
    pub fn of(bgp: &Bgp, node: &NodeView) -> Self {
        let mut peers: Vec<&BgpPeer> =
            bgp.peers.values().filter(|peer| any_selects(&peer.node_selectors, &node.node.labels)).collect();
        // Of two that exclude each other the older one stands.
        peers.sort_by_key(|peer| (peer.age, &peer.policy, peer.dialect, &peer.name));
        let mut sessions = Self::default();
        let followed = peers.iter().find(|peer| peer.dialect == Dialect::Cilium).map(|peer| &peer.policy);
        let mut routers: BTreeMap<(&BgpRemote, u16), &Name> = BTreeMap::new();
        for peer in peers {
            let key = (peer.dialect, peer.name.clone());
            match admit(peer, followed, routers.get(&(&peer.remote, peer.port)).copied(), bgp, node) {
                Ok(session) => {
                    routers.insert((&peer.remote, peer.port), &peer.name);
                    sessions.kept.push(session);
                }
                Err(why) => drop(sessions.refused.insert(key, why)),
            }
        }
        sessions
            .kept
            .sort_by(|one, other| (&one.remote, one.port, &one.peer).cmp(&(&other.remote, other.port, &other.peer)));
        sessions
    }

    /// The session with a peer.
    ///
    /// # Errors
    /// With why there is none.
    pub fn get(&self, bgp: &Bgp, peer: &PeerKey) -> Result<&Session, NoSession> {
        let kept = self.kept.iter().find(|session| session.peer == *peer);
        kept.ok_or_else(|| match self.refused.get(peer) {
            Some(why) => why.clone(),
            None if bgp.peers.contains_key(peer) => NoSession::NotSelected,
            None => NoSession::NoPeer,
        })
    }
}

/// A session by a peer that selects the node, unless an older one stands against it.
fn admit(
    peer: &BgpPeer,
    followed: Option<&Name>,
    same_router: Option<&Name>,
    bgp: &Bgp,
    node: &NodeView,
) -> Result<Session, NoSession> {
    if let Some(stands) = followed.filter(|stands| peer.dialect == Dialect::Cilium && **stands != peer.policy) {
        return Err(NoSession::OtherPolicy { stands: stands.clone() });
    }
    if let Some(stands) = same_router {
        return Err(NoSession::SameRouter { stands: stands.clone() });
    }
    let own = bgp.overrides.get(&node.node.name).filter(|_| peer.dialect == Dialect::Cilium);
    let own = own.and_then(|own| own.instances.get(&peer.instance));
    let local_asn = own.and_then(|own| own.local_asn).or(peer.local_asn).ok_or(NoSession::NoLocalAsn)?;
    Ok(session(peer, local_asn, own, node))
}

fn session(peer: &BgpPeer, local_asn: u32, own: Option<&InstanceOverride>, node: &NodeView) -> Session {
    let source = own.and_then(|own| own.local_addresses.get(&peer.short_name));
    Session {
        peer: (peer.dialect, peer.name.clone()),
        remote: peer.remote.clone(),
        port: peer.port,
        local_asn,
        remote_asn: peer.remote_asn,
        listen_port: own.and_then(|own| own.listen_port).or(peer.listen_port),
        source: source.map_or_else(|| peer.source.clone(), |address| BgpSource::Address(*address)),
        router_id: own.and_then(|own| own.router_id).or(peer.router_id).or_else(|| first_ipv4(node)),
        timers: peer.timers,
        ebgp_hops: peer.ebgp_hops,
        minimum_ttl: peer.minimum_ttl,
        graceful_restart_seconds: peer.graceful_restart_seconds,
        password: peer.password.clone(),
        bfd: peer.bfd,
        families: peer.families.iter().map(|family| family.family).collect(),
    }
}

/// The node's IPv4 address that Kubernetes or the configuration knows it by, else the lowest of its interfaces.
fn first_ipv4(node: &NodeView) -> Option<Ipv4Addr> {
    let v4 = |address: IpAddr| match address {
        IpAddr::V4(v4) if super::prefix::is_routable(address) => Some(v4),
        _ => None,
    };
    let known = node.node.addresses.iter().copied().chain(node.node.address.map(|address| address.ip()));
    let of_interfaces = || {
        let interfaces = node.interfaces.unwrap_or_default().iter();
        interfaces.flat_map(|interface| &interface.addresses).filter_map(|network| v4(network.ip())).min()
    };
    known.filter_map(v4).next().or_else(of_interfaces)
}

impl Session {
    /// Whether it is iBGP or eBGP, as far as the configuration tells.
    pub fn kind(&self) -> SessionKind {
        match self.remote_asn {
            RemoteAsn::Internal => SessionKind::Internal,
            RemoteAsn::External => SessionKind::External,
            RemoteAsn::Number(number) => self.kind_with(number),
            RemoteAsn::FromOpen => SessionKind::FromOpen,
        }
    }

    /// Whether it is iBGP or eBGP with a router of this AS.
    pub fn kind_with(&self, remote_asn: u32) -> SessionKind {
        if remote_asn == self.local_asn { SessionKind::Internal } else { SessionKind::External }
    }

    /// Whether a router that calls itself so in its OPEN is the one that is meant; if not, "bad peer AS" (RFC 4271,
    /// section 6.2).
    pub fn accepts(&self, remote_asn: u32) -> bool {
        match self.remote_asn {
            RemoteAsn::Number(number) => number == remote_asn,
            RemoteAsn::Internal => remote_asn == self.local_asn,
            RemoteAsn::External => remote_asn != self.local_asn,
            RemoteAsn::FromOpen => true,
        }
    }

    /// The next hop of routes of a family.
    pub fn next_hop(&self, family: Family) -> NextHop {
        let carrier = match self.remote {
            BgpRemote::Address(address) => Family::of(address),
            BgpRemote::DefaultGateway(family) => family,
            BgpRemote::Interface(_) => Family::V6,
        };
        match (carrier, family) {
            (Family::V6, Family::V4) => NextHop::ExtendedOrInterface,
            (Family::V4, Family::V6) => NextHop::OfInterface(Family::V6),
            (Family::V4, Family::V4) | (Family::V6, Family::V6) => NextHop::Session,
        }
    }
}
