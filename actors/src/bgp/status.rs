//! How the sessions stand, for operators.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use quorumlb_announcer::BootTime;
use quorumlb_announcer::bfd::Report;
use quorumlb_announcer::bgp::driver;
use quorumlb_announcer::bgp::session::{Negotiated, State};
use quorumlb_raft_store::advertise::{PeerKey, Phase};
use quorumlb_raft_store::model::Family;

use super::peer::{Peer, Stand};
use super::{Speaking, translate};
use crate::ports::World;

/// All of a node's sessions.
#[derive(Clone, Debug, Default)]
pub struct BgpStatus {
    /// Those that it keeps, by peer.
    pub sessions: Vec<PeerStatus>,
    /// Peers that select the node and that it keeps no session with, and why.
    pub refused: Vec<(PeerKey, String)>,
    /// How routes are told just now.
    pub phase: Phase,
    /// Addresses that routers are not told of, because packets for them cannot be taken.
    pub unprogrammed: BTreeSet<IpAddr>,
}

/// One session.
#[derive(Clone, Debug)]
pub struct PeerStatus {
    /// The peer that describes it.
    pub peer: PeerKey,
    /// The router: its address, or where it is looked for.
    pub router: String,
    /// Our AS number.
    pub local_asn: u32,
    /// The router's AS number, once it is known.
    pub remote_asn: Option<u32>,
    /// In RFC 4271's words.
    pub state: String,
    /// For how long it is up.
    pub up_for: Option<Duration>,
    /// Hold time and time between KEEPALIVEs as agreed on, in seconds.
    pub timers: Option<(u16, u16)>,
    /// Families as agreed on; as configured while it is down.
    pub families: BTreeSet<Family>,
    /// The router keeps the routes while this process restarts.
    pub graceful_restart: bool,
    /// Routes that it is told, or is to be told.
    pub routes: usize,
    /// Whether it was told all of them.
    pub told: bool,
    /// How often it came up.
    pub established: u64,
    /// Messages received and sent.
    pub messages: (u64, u64),
    /// Routes that the router announced. None is imported.
    pub received_routes: u64,
    /// UPDATEs of the router with a flaw that did not end the session.
    pub flawed: u64,
    /// Why it cannot run, or what was last wrong, and how long ago; empty when nothing was.
    pub last_error: String,
    /// How long ago that was.
    pub last_error_ago: Option<Duration>,
    /// BFD with the router, in words; empty without.
    pub bfd: String,
}

impl BgpStatus {
    pub(super) fn of<W: World>(speaking: &Speaking<W>, detection: Option<&Report>, now: BootTime) -> Self {
        let announcer = &speaking.announcer;
        let refused = announcer.sessions().into_iter().flat_map(|sessions| &sessions.refused);
        let sessions = speaking.peers.iter().map(|(key, peer)| {
            let routes = announcer.table(key).map_or(0, |table| table.len());
            PeerStatus::of(key, peer, if announcer.phase() == Phase::Withdrawn { 0 } else { routes }, detection, now)
        });
        Self {
            sessions: sessions.collect(),
            refused: refused.map(|(key, why)| (key.clone(), why.to_string())).collect(),
            phase: announcer.phase(),
            unprogrammed: speaking.failed.keys().copied().collect(),
        }
    }
}

impl PeerStatus {
    fn of<W: World>(key: &PeerKey, peer: &Peer<W>, routes: usize, detection: Option<&Report>, now: BootTime) -> Self {
        let session = &peer.session;
        let mut status = Self {
            peer: key.clone(),
            router: router(peer),
            local_asn: session.local_asn,
            remote_asn: None,
            state: State::Idle.to_string(),
            up_for: None,
            timers: None,
            families: session.families.clone(),
            graceful_restart: false,
            routes,
            told: false,
            established: 0,
            messages: (0, 0),
            received_routes: 0,
            flawed: 0,
            last_error: String::new(),
            last_error_ago: None,
            bfd: bfd(peer, detection),
        };
        if let Some(seen) = &peer.seen {
            status.take(seen, now);
        }
        if let Stand::Waiting(why) = &peer.stand {
            (status.state, status.up_for, status.told) = (State::Idle.to_string(), None, false);
            (status.last_error, status.last_error_ago) = (why.clone(), None);
        }
        status
    }

    fn take(&mut self, seen: &driver::Status, now: BootTime) {
        self.state = seen.state.to_string();
        self.told = seen.told;
        if let Some((negotiated, since)) = &seen.established {
            self.agreed(negotiated);
            self.up_for = Some(now.since(*since));
        }
        let counters = &seen.counters;
        self.established = counters.established;
        self.messages = (counters.received.iter().sum(), counters.sent.iter().sum());
        (self.received_routes, self.flawed) = (counters.announced, counters.flawed);
        if let Some((at, failure)) = &seen.last_failure {
            (self.last_error, self.last_error_ago) = (failure.to_string(), Some(now.since(*at)));
        }
    }

    fn agreed(&mut self, negotiated: &Negotiated) {
        self.remote_asn = Some(negotiated.peer_as);
        self.timers = Some((negotiated.hold_time, negotiated.keepalive));
        self.families = negotiated.families.iter().copied().map(translate::model_family).collect();
        self.graceful_restart = negotiated.graceful_restart;
    }

    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.up_for.is_some()
    }
}

fn router<W: World>(peer: &Peer<W>) -> String {
    match &peer.stand {
        Stand::Running(running) => running.plan.target.peer.ip().to_string(),
        Stand::Waiting(_) => peer.session.remote.to_string(),
    }
}

fn bfd<W: World>(peer: &Peer<W>, detection: Option<&Report>) -> String {
    let Stand::Running(running) = &peer.stand else { return String::new() };
    if !running.no_detection.is_empty() {
        return running.no_detection.clone();
    }
    let Some((path, _)) = &running.detection else { return String::new() };
    let row = detection.and_then(|report| report.rows.iter().find(|row| row.path == *path));
    let Some(row) = row else { return "it begins".to_owned() };
    let detection = row.status.detection_time.map_or_else(String::new, |time| format!(", {} ms", time.as_millis()));
    format!("{:?}{detection}", row.status.state)
}
