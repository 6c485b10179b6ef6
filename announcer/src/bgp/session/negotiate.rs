//! Our OPEN, and what follows from both.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::Family;
use super::super::message::{
    Capability, CapabilityList, MAX_EXTENDED_MESSAGE, MAX_MESSAGE, Message, Open, UpdateContext,
};
use super::failure::OpenError;
use super::settings::Settings;

/// What the peer said of graceful restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRestart {
    /// It has restarted.
    pub restarting: bool,
    /// RFC 8538.
    pub notification: bool,
    /// Its own restart time in seconds.
    pub restart_time: u16,
}

/// What both sides agreed on. Exists only once the peer's OPEN was found good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negotiated {
    /// Our AS.
    pub local_as: u32,
    /// Our BGP identifier.
    pub identifier: Ipv4Addr,
    /// The peer's AS.
    pub peer_as: u32,
    /// The peer's BGP identifier.
    pub peer_identifier: Ipv4Addr,
    /// Hold time in seconds; 0: none.
    pub hold_time: u16,
    /// Seconds between KEEPALIVEs, before jitter; 0: none.
    pub keepalive: u16,
    /// Families that both sides speak.
    pub families: BTreeSet<Family>,
    /// AS numbers have four octets (RFC 6793).
    pub wide_as: bool,
    /// Messages to the peer may be extended ones (RFC 8654).
    pub extended_messages: bool,
    /// IPv4 routes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// The peer can be asked for its routes again, and asks for ours.
    pub route_refresh: bool,
    /// We have asked for graceful restart, and the peer helps.
    pub graceful_restart: bool,
    /// Both sides take a NOTIFICATION for a restart (RFC 8538).
    pub graceful_notification: bool,
    /// What the peer said of graceful restart; it waits for End-of-RIB then.
    pub peer_restart: Option<PeerRestart>,
}

impl Negotiated {
    /// Whether the peer is in another AS.
    #[must_use]
    pub const fn external(&self) -> bool {
        self.peer_as != self.local_as
    }

    /// The longest message that may be sent, in octets.
    #[must_use]
    pub const fn max_message(&self) -> usize {
        if self.extended_messages { MAX_EXTENDED_MESSAGE } else { MAX_MESSAGE }
    }

    pub(super) const fn update_context(&self) -> UpdateContext {
        UpdateContext { wide_as: self.wide_as, external: self.external() }
    }

    pub(super) fn hold(&self) -> Option<Duration> {
        (self.hold_time > 0).then(|| Duration::from_secs(self.hold_time.into()))
    }
}

/// Our OPEN.
pub(super) fn own_open(settings: &Settings, restarting: bool) -> Vec<u8> {
    let capabilities = own_capabilities(settings, restarting);
    let open = Open {
        my_as: Open::narrow(settings.local_as),
        hold_time: settings.hold_time,
        identifier: settings.identifier,
        capabilities: capabilities.view(),
    };
    Message::Open(open).encode(MAX_MESSAGE).unwrap_or_default()
}

fn own_capabilities(settings: &Settings, restarting: bool) -> CapabilityList {
    let mut list = CapabilityList::default();
    for family in &settings.families {
        list.multiprotocol(family.wire());
    }
    list.push(2, &[]);
    if settings.extended_next_hop {
        list.extended_next_hop(Family::Ipv4Unicast.wire());
    }
    if settings.extended_messages {
        list.push(6, &[]);
    }
    if let Some(restart) = settings.graceful_restart {
        let families = settings.families.iter().map(|family| (family.wire(), restart.forwarding_preserved));
        list.graceful_restart(restarting, restart.notification, restart.restart_time, families);
    }
    list.push(65, &settings.local_as.to_be_bytes());
    list
}

/// What the peer's capabilities say of what is known here.
#[derive(Debug, Default)]
struct Theirs {
    families: BTreeSet<Family>,
    any_family: bool,
    wide_as: bool,
    extended_messages: bool,
    extended_next_hop: bool,
    route_refresh: bool,
    restart: Option<PeerRestart>,
}

impl Theirs {
    fn read(open: &Open<'_>) -> Self {
        let mut theirs = Self::default();
        open.capabilities.iter().for_each(|capability| theirs.add(capability));
        if !theirs.any_family {
            // A peer that says nothing of families speaks IPv4 (RFC 4760 section 8).
            theirs.families.insert(Family::Ipv4Unicast);
        }
        theirs
    }

    fn add(&mut self, capability: Capability<'_>) {
        match capability {
            Capability::Multiprotocol(family) => {
                self.any_family = true;
                self.families.extend(Family::from_wire(family));
            }
            Capability::RouteRefresh => self.route_refresh = true,
            Capability::ExtendedNextHop(families) => {
                let wanted = (Family::Ipv4Unicast.wire(), Family::Ipv6Unicast.wire().afi);
                self.extended_next_hop |= families.iter().any(|family| family == wanted);
            }
            Capability::ExtendedMessage => self.extended_messages = true,
            Capability::GracefulRestart { restarting, notification, restart_time, .. } => {
                self.restart = Some(PeerRestart { restarting, notification, restart_time });
            }
            Capability::FourOctetAs(_) => self.wide_as = true,
            Capability::Other { .. } => {}
        }
    }
}

/// Holds the peer's OPEN against the settings (RFC 4271 section 6.2).
pub(super) fn negotiate(settings: &Settings, open: &Open<'_>) -> Result<Negotiated, OpenError> {
    let (peer_as, ours) = (open.autonomous_system(), settings.local_as);
    if peer_as == 0 || !settings.peer_as.admits(peer_as, ours) {
        return Err(OpenError::PeerAs { got: peer_as, wanted: settings.peer_as, ours });
    }
    let identifier = open.identifier;
    if identifier.is_unspecified() || (peer_as == ours && identifier == settings.identifier) {
        return Err(OpenError::Identifier(identifier));
    }
    if matches!(open.hold_time, 1 | 2) {
        return Err(OpenError::HoldTime(open.hold_time));
    }
    let theirs = Theirs::read(open);
    let families: BTreeSet<_> = settings.families.intersection(&theirs.families).copied().collect();
    if families.is_empty() {
        return Err(OpenError::Families { ours: settings.families.clone(), theirs: theirs.families });
    }
    let hold_time = settings.hold_time.min(open.hold_time);
    let third = if hold_time == 0 { 0 } else { (hold_time / 3).max(1) };
    let restart = settings.graceful_restart.filter(|_| theirs.restart.is_some());
    Ok(Negotiated {
        local_as: ours,
        identifier: settings.identifier,
        peer_as,
        peer_identifier: identifier,
        hold_time,
        keepalive: settings.keepalive.map_or(third, |keepalive| keepalive.min(third)),
        extended_next_hop: settings.extended_next_hop && theirs.extended_next_hop,
        extended_messages: settings.extended_messages && theirs.extended_messages,
        wide_as: theirs.wide_as,
        route_refresh: theirs.route_refresh,
        graceful_restart: restart.is_some(),
        graceful_notification: restart.is_some_and(|restart| restart.notification)
            && theirs.restart.is_some_and(|restart| restart.notification),
        peer_restart: theirs.restart,
        families,
    })
}
