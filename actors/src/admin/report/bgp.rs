//! BGP sessions of this node.

use serde::Serialize;

use crate::bgp::PeerStatus;
use crate::status::NodeStatus;

/// A session with a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BgpRow {
    /// The node.
    pub node: String,
    /// The peer that describes it.
    pub peer: String,
    /// The router's address; the interface or `default-gateway/IPv4` while it is looked for.
    pub router: String,
    /// Our AS number; 0 where the session is refused.
    pub local_asn: u32,
    /// The router's AS number, once it is known.
    pub remote_asn: Option<u32>,
    /// The session's state, in RFC 4271's words; `Refused` when the node keeps none.
    pub state: String,
    /// For how long it is up, in seconds.
    pub up_seconds: Option<u64>,
    /// Hold time as agreed on, in seconds.
    pub hold_seconds: Option<u16>,
    /// Time between KEEPALIVEs as agreed on, in seconds.
    pub keepalive_seconds: Option<u16>,
    /// Families.
    pub families: Vec<String>,
    /// The router keeps the routes while this process restarts.
    pub graceful_restart: bool,
    /// Routes that it is told, or is to be told once the session is up.
    pub routes: usize,
    /// Whether it was told all of them.
    pub told: bool,
    /// How often it came up.
    pub established: u64,
    /// Messages received.
    pub messages_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Routes that the router announced; none is imported.
    pub routes_received: u64,
    /// Its UPDATEs with a flaw that did not end the session.
    pub flawed_updates: u64,
    /// BFD with the router: its state and detection time; empty without.
    pub bfd: String,
    /// Why it is not up, or what was last wrong; empty when nothing was.
    pub last_error: String,
    /// How many seconds ago that was.
    pub last_error_seconds_ago: Option<u64>,
}

/// All sessions.
pub fn bgp(status: &NodeStatus) -> Vec<BgpRow> {
    let node = status.node.to_string();
    let kept = status.bgp.sessions.iter().map(|session| row(&node, session));
    let refused = status.bgp.refused.iter().map(|((_, peer), why)| BgpRow {
        node: node.clone(),
        peer: peer.clone(),
        router: String::new(),
        local_asn: 0,
        remote_asn: None,
        state: "Refused".to_owned(),
        up_seconds: None,
        hold_seconds: None,
        keepalive_seconds: None,
        families: Vec::new(),
        graceful_restart: false,
        routes: 0,
        told: false,
        established: 0,
        messages_received: 0,
        messages_sent: 0,
        routes_received: 0,
        flawed_updates: 0,
        bfd: String::new(),
        last_error: why.clone(),
        last_error_seconds_ago: None,
    });
    kept.chain(refused).collect()
}

fn row(node: &str, session: &PeerStatus) -> BgpRow {
    BgpRow {
        node: node.to_owned(),
        peer: session.peer.1.clone(),
        router: session.router.clone(),
        local_asn: session.local_asn,
        remote_asn: session.remote_asn,
        state: session.state.clone(),
        up_seconds: session.up_for.map(|up| up.as_secs()),
        hold_seconds: session.timers.map(|(hold, _)| hold),
        keepalive_seconds: session.timers.map(|(_, keepalive)| keepalive),
        families: session.families.iter().map(ToString::to_string).collect(),
        graceful_restart: session.graceful_restart,
        routes: session.routes,
        told: session.told,
        established: session.established,
        messages_received: session.messages.0,
        messages_sent: session.messages.1,
        routes_received: session.received_routes,
        flawed_updates: session.flawed,
        bfd: session.bfd.clone(),
        last_error: session.last_error.clone(),
        last_error_seconds_ago: session.last_error_ago.map(|ago| ago.as_secs()),
    }
}
