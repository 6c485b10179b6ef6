//! From what was decided to what the speaker takes. Pure.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use ipnetwork::IpNetwork;
use quorumlb_announcer::bfd::{self, Path, Timing};
use quorumlb_announcer::bgp::rib::{self, LargeCommunity, OwnAddresses, RouteNextHop};
use quorumlb_announcer::bgp::session::{GracefulRestart, PeerAs, Settings};
use quorumlb_announcer::bgp::transport::{Hops, Password, Target};
use quorumlb_announcer::bgp::{self as speaker, Prefix, PrefixError};
use quorumlb_raft_store::advertise::{self, NextHop, Session, SessionKind};
use quorumlb_raft_store::model::{BgpSource, Community, Family, RemoteAsn};

use crate::ports::LinkState;

/// TTL of packets for an iBGP router that may be anywhere in the network.
const ANY_DISTANCE: u8 = 255;

/// Where a router was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Its address.
    pub address: IpAddr,
    /// The interface that it was looked for on.
    pub interface: Option<NonZeroU32>,
    /// Whether it is in a network of one of the node's interfaces.
    pub on_link: bool,
}

/// The speaker's settings for a session.
///
/// # Errors
/// In words, when the session cannot be.
pub(super) fn settings(session: &Session) -> Result<Settings, String> {
    let identifier = session
        .router_id
        .ok_or("the node has no IPv4 address to take a router ID from: set one (spec.routerID, or an override)")?;
    let peer_as = match session.remote_asn {
        RemoteAsn::Number(number) => PeerAs::Given(number),
        RemoteAsn::Internal => PeerAs::Internal,
        RemoteAsn::External => PeerAs::External,
        RemoteAsn::FromOpen => PeerAs::Any,
    };
    let timers = session.timers;
    let settings = Settings {
        hold_time: timers.hold_seconds,
        keepalive: (timers.hold_seconds > 0).then_some(timers.keepalive_seconds),
        connect_retry: Duration::from_secs(timers.connect_retry_seconds.max(1).into()),
        families: session.families.iter().copied().map(family).collect(),
        extended_next_hop: session.families.contains(&Family::V4)
            && session.next_hop(Family::V4) == NextHop::ExtendedOrInterface,
        graceful_restart: session.graceful_restart_seconds.map(|restart_time| GracefulRestart {
            restart_time,
            notification: true,
            forwarding_preserved: true,
        }),
        ..Settings::new(session.local_asn, identifier, peer_as)
    };
    settings.check().map_err(|error| error.to_string())?;
    Ok(settings)
}

/// How connections with a router are made.
pub(super) fn target(session: &Session, found: Found, password: Option<Password>) -> Target {
    let mut peer = SocketAddr::new(found.address, session.port);
    if let (IpAddr::V6(address), Some(index)) = (found.address, found.interface)
        && address.is_unicast_link_local()
    {
        peer = SocketAddrV6::new(address, session.port, 0, index.get()).into();
    }
    let (source, interface) = match &session.source {
        BgpSource::Any => (None, None),
        BgpSource::Address(address) => (Some(*address), None),
        BgpSource::Interface(name) => (None, Some(name.clone())),
    };
    let hops = match (session.minimum_ttl, session.kind()) {
        (Some(least), _) => Hops::Secured(u8::MAX - least.max(1) + 1),
        (None, SessionKind::External) => Hops::Ttl(session.ebgp_hops),
        (None, SessionKind::Internal | SessionKind::FromOpen) => Hops::Ttl(ANY_DISTANCE),
    };
    Target { peer, source, interface, password, hops }
}

/// Between which addresses BFD runs, and how; `None` without BFD.
///
/// # Errors
/// In words, when it cannot.
pub(super) fn detection(session: &Session, found: Found) -> Result<Option<(Path, bfd::Settings)>, String> {
    let Some(wanted) = session.bfd else { return Ok(None) };
    let near = session.kind() == SessionKind::External && session.ebgp_hops == 1;
    let hops = if found.on_link || near { bfd::path::Hops::Single } else { bfd::path::Hops::Multi };
    let local = match session.source {
        BgpSource::Address(address) => Some(address),
        BgpSource::Any | BgpSource::Interface(_) => None,
    };
    let path = Path::new(found.address, hops, local, found.interface).map_err(|error| error.to_string())?;
    let milliseconds = |value: u32| Duration::from_millis(value.into());
    let multiplier = NonZeroU8::new(wanted.multiplier).ok_or("a BFD multiplier of 0 is not allowed")?;
    let timing = Timing::new(milliseconds(wanted.transmit_ms), milliseconds(wanted.receive_ms), multiplier)
        .map_err(|error| error.to_string())?;
    let least_ttl = wanted.minimum_ttl.unwrap_or(bfd::Settings::default().least_ttl);
    Ok(Some((path, bfd::Settings { timing, passive: wanted.passive, least_ttl })))
}

/// A family in the speaker's words.
pub(super) const fn family(family: Family) -> speaker::Family {
    match family {
        Family::V4 => speaker::Family::Ipv4Unicast,
        Family::V6 => speaker::Family::Ipv6Unicast,
    }
}

/// A family in the model's words.
pub(super) const fn model_family(family: speaker::Family) -> Family {
    match family {
        speaker::Family::Ipv4Unicast => Family::V4,
        speaker::Family::Ipv6Unicast => Family::V6,
    }
}

/// A prefix in the speaker's words.
///
/// # Errors
/// When it is none: an address that no route can lead to.
pub(super) fn prefix(network: IpNetwork) -> Result<Prefix, PrefixError> {
    Prefix::new(network.network(), network.prefix())
}

/// Attributes in the speaker's words.
pub(super) fn attributes(decided: &advertise::Attributes) -> rib::Attributes {
    let mut told = rib::Attributes {
        local_pref: Some(decided.local_pref),
        next_hop: RouteNextHop::Own,
        ..rib::Attributes::default()
    };
    for community in &decided.communities {
        match *community {
            Community::Standard(high, low) => drop(told.communities.insert(u32::from(high) << 16 | u32::from(low))),
            Community::Large(global, local1, local2) => {
                told.large_communities.insert(LargeCommunity { global, local1, local2 });
            }
        }
    }
    told
}

/// This node's next hops on the interface that has the session's own address: what routes of the other family, and of
/// link-local sessions, are sent with.
pub(super) fn own_addresses(links: &[LinkState], local: IpAddr) -> OwnAddresses {
    let has = |link: &&LinkState| link.addresses.iter().any(|network| network.ip() == local);
    let Some(link) = links.iter().find(has) else { return OwnAddresses::default() };
    let addresses: BTreeSet<IpAddr> = link.addresses.iter().map(|network| network.ip()).collect();
    let mut own = OwnAddresses::default();
    for address in addresses {
        match address {
            IpAddr::V4(v4) => own.v4 = own.v4.or(Some(v4)),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => own.link_local = own.link_local.or(Some(v6)),
            IpAddr::V6(v6) => own.v6 = own.v6.or(Some(v6)),
        }
    }
    own
}

/// This node's next hops towards a router before there is a session: those of the interface that is nearest to it.
pub(super) fn own_towards(links: &[LinkState], router: IpAddr) -> OwnAddresses {
    let near = |network: &&IpNetwork| network.contains(router);
    let ours = links.iter().flat_map(|link| &link.addresses).find(near).map(|network| network.ip());
    ours.map_or_else(OwnAddresses::default, |ours| own_addresses(links, ours))
}

/// Whether a router is in a network of one of the interfaces.
pub(super) fn is_on_link(links: &[LinkState], router: IpAddr) -> bool {
    links.iter().any(|link| link.addresses.iter().any(|network| network.contains(router)))
}

#[cfg(test)]
mod tests {
    use quorumlb_raft_store::model::{BfdSettings, BgpRemote, BgpTimers, Dialect};

    use super::*;

    fn session(remote: &str) -> Session {
        Session {
            peer: (Dialect::Native, "leaf".to_owned()),
            remote: BgpRemote::Address(remote.parse().unwrap()),
            port: 179,
            local_asn: 65005,
            remote_asn: RemoteAsn::Number(65001),
            listen_port: None,
            source: BgpSource::Any,
            router_id: Some("10.0.5.11".parse().unwrap()),
            timers: BgpTimers::default(),
            ebgp_hops: 1,
            minimum_ttl: None,
            graceful_restart_seconds: None,
            password: None,
            bfd: None,
            families: [Family::V4].into(),
        }
    }

    fn found(address: &str, on_link: bool) -> Found {
        Found { address: address.parse().unwrap(), interface: None, on_link }
    }

    #[test]
    fn a_router_is_as_far_as_it_was_configured() {
        let here = found("10.0.5.1", true);
        let hops = |session: &Session| target(session, here, None).hops;
        let external = session("10.0.5.1");
        assert_eq!(hops(&external), Hops::Ttl(1), "an external router is on the link");
        assert_eq!(hops(&Session { ebgp_hops: 3, ..external.clone() }), Hops::Ttl(3));
        assert_eq!(hops(&Session { minimum_ttl: Some(254), ..external.clone() }), Hops::Secured(2));
        assert_eq!(hops(&Session { minimum_ttl: Some(255), ..external.clone() }), Hops::Secured(1));
        assert_eq!(hops(&Session { remote_asn: RemoteAsn::Internal, ..external }), Hops::Ttl(255));
    }

    #[test]
    fn detection_is_single_hop_to_a_router_on_the_link() {
        let bfd = BfdSettings { transmit_ms: 50, receive_ms: 50, multiplier: 3, passive: false, minimum_ttl: None };
        let external = Session { bfd: Some(bfd), ..session("10.0.9.1") };
        let internal = Session { remote_asn: RemoteAsn::Internal, ..external.clone() };
        let hops = |session: &Session, on_link| {
            detection(session, found("10.0.9.1", on_link)).unwrap().map(|(path, _)| path.hops())
        };
        use bfd::path::Hops::{Multi, Single};
        assert_eq!(hops(&external, false), Some(Single), "one hop, by its configuration");
        assert_eq!(hops(&internal, true), Some(Single));
        assert_eq!(hops(&internal, false), Some(Multi));
        assert_eq!(hops(&Session { ebgp_hops: 2, ..external.clone() }, false), Some(Multi));
        assert_eq!(hops(&session("10.0.9.1"), true), None);
        let wrong = Session { bfd: Some(BfdSettings { transmit_ms: 1, ..bfd }), ..external };
        assert!(detection(&wrong, found("10.0.9.1", true)).unwrap_err().contains("transmit"));
    }

    #[test]
    fn a_session_without_a_router_id_says_what_to_do() {
        let without = Session { router_id: None, ..session("10.0.5.1") };
        assert!(settings(&without).unwrap_err().contains("set one"));
        let settings = settings(&session("10.0.5.1")).unwrap();
        assert_eq!((settings.hold_time, settings.keepalive, settings.extended_next_hop), (90, Some(30), false));
    }

    #[test]
    fn ipv4_over_a_link_local_session_offers_ipv6_next_hops() {
        let unnumbered = Session { remote: BgpRemote::Interface("swp1".to_owned()), ..session("10.0.5.1") };
        assert!(settings(&unnumbered).unwrap().extended_next_hop);
        let index = NonZeroU32::new(7);
        let found = Found { address: "fe80::1".parse().unwrap(), interface: index, on_link: true };
        assert_eq!(target(&unnumbered, found, None).peer.to_string(), "[fe80::1%7]:179");
    }

    #[test]
    fn next_hops_are_those_of_the_sessions_interface() {
        let link = |name: &str, addresses: &[&str]| LinkState {
            name: name.to_owned(),
            up: true,
            speaks: true,
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let links = [link("net1", &["10.9.0.1/24"]), link("net0", &["fe80::5/64", "fd00::11/64", "10.0.5.11/24"])];
        let own = own_addresses(&links, "10.0.5.11".parse().unwrap());
        assert_eq!(own.v4, Some("10.0.5.11".parse().unwrap()));
        assert_eq!((own.v6, own.link_local), (Some("fd00::11".parse().unwrap()), Some("fe80::5".parse().unwrap())));
        assert_eq!(own_addresses(&links, "10.0.7.1".parse().unwrap()), OwnAddresses::default());
        assert_eq!(own_towards(&links, "10.0.5.1".parse().unwrap()), own);
        assert!(is_on_link(&links, "10.0.5.1".parse().unwrap()) && !is_on_link(&links, "10.0.6.1".parse().unwrap()));
    }

    #[test]
    fn communities_keep_their_numbers() {
        let decided = advertise::Attributes {
            local_pref: 150,
            communities: [Community::Standard(65000, 100), Community::Large(65000, 1, 2)].into(),
        };
        let told = attributes(&decided);
        assert_eq!(told.communities, [65000 << 16 | 100].into());
        assert_eq!(told.large_communities.iter().map(ToString::to_string).collect::<Vec<_>>(), ["65000:1:2"]);
        assert_eq!(told.local_pref, Some(150));
    }
}
