//! What routers are told, and why they are not told of an address.

use std::net::IpAddr;

use quorumlb_raft_store::advertise::{Announcer, Explanation, LiveSession, Session};
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::Family;
use serde::Serialize;

use crate::bgp::PeerStatus;
use crate::status::NodeStatus;

/// A route for a router, or the reason why there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdvertisementRow {
    /// The node.
    pub node: String,
    /// The router: its address, the interface where it is unnumbered, `default-gateway/IPv4` where it is found out.
    pub peer: String,
    /// The route; the address that was asked for where no route leads to it.
    pub prefix: String,
    /// LOCAL_PREF; `None` towards eBGP peers.
    #[serde(rename = "localPref")]
    pub local_pref: Option<u32>,
    /// As numbers: `65000:100`, `1:2:3`.
    pub communities: Vec<String>,
    /// Whether the router is told it.
    pub told: bool,
    /// Why it is told, or why it is not.
    pub why: String,
}

/// What this node tells its routers: every route, or, with an address, what leads to it or stands against it.
pub fn advertisements(state: &State, status: &NodeStatus, address: Option<IpAddr>) -> Vec<AdvertisementRow> {
    let mut announcer = Announcer::new(status.node.clone());
    announcer.follow(state);
    announcer.set_phase(status.bgp.phase);
    announcer.set_unprogrammed(state, status.bgp.unprogrammed.clone());
    let Some(sessions) = announcer.sessions() else { return Vec::new() };
    let mut rows = Vec::new();
    for session in &sessions.kept {
        let live = status.bgp.sessions.iter().find(|live| live.peer == session.peer);
        match address {
            None => rows.extend(told(&announcer, status, session, live)),
            Some(address) => {
                let known = live.map_or(LiveSession::Down, |live| match live.is_up() {
                    true => LiveSession::Up(live.families.clone()),
                    false => LiveSession::Down,
                });
                let explanation = announcer.explain(state, &session.peer, address, &known);
                rows.extend(explained(status, session, live, address, &explanation));
            }
        }
    }
    rows
}

fn local_pref(session: &Session, live: Option<&PeerStatus>, value: u32) -> Option<u32> {
    let internal = live.and_then(|live| live.remote_asn).map(|asn| asn == session.local_asn);
    let internal = internal.unwrap_or_else(|| session.kind() == quorumlb_raft_store::advertise::SessionKind::Internal);
    internal.then_some(value)
}

fn told<'a>(
    announcer: &'a Announcer,
    status: &'a NodeStatus,
    session: &'a Session,
    live: Option<&'a PeerStatus>,
) -> impl Iterator<Item = AdvertisementRow> + 'a {
    let routes = announcer.table(&session.peer).into_iter().flat_map(|table| table.routes());
    routes.map(move |route| {
        let family = Family::of(route.prefix.ip());
        let why = match live {
            Some(live) if live.is_up() && live.families.contains(&family) => String::new(),
            Some(live) if live.is_up() => format!("the router did not agree to {family}"),
            Some(live) => format!("the session is not established ({})", live.state),
            None => "the session begins".to_owned(),
        };
        AdvertisementRow {
            node: status.node.to_string(),
            peer: session.remote.to_string(),
            prefix: route.prefix.to_string(),
            local_pref: local_pref(session, live, route.attributes.local_pref),
            communities: route.attributes.communities.iter().map(ToString::to_string).collect(),
            told: why.is_empty(),
            why,
        }
    })
}

fn explained(
    status: &NodeStatus,
    session: &Session,
    live: Option<&PeerStatus>,
    address: IpAddr,
    explanation: &Explanation,
) -> Vec<AdvertisementRow> {
    let row = |prefix: String, told: bool, why: String| AdvertisementRow {
        node: status.node.to_string(),
        peer: session.remote.to_string(),
        prefix,
        local_pref: None,
        communities: Vec::new(),
        told,
        why,
    };
    let told = explanation.told.iter().map(|route| {
        let because: Vec<String> = route
            .because
            .iter()
            .map(|cause| match &cause.service {
                Some(service) => format!("advertisement {} for service {service}", cause.advertisement),
                None => format!("advertisement {}", cause.advertisement),
            })
            .collect();
        AdvertisementRow {
            local_pref: local_pref(session, live, route.attributes.local_pref),
            communities: route.attributes.communities.iter().map(ToString::to_string).collect(),
            ..row(route.prefix.to_string(), true, because.join("; "))
        }
    });
    let mut rows: Vec<AdvertisementRow> = told.collect();
    rows.extend(explanation.obstacles.iter().map(|obstacle| row(address.to_string(), false, obstacle.to_string())));
    rows
}
