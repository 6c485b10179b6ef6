//! Peers that do not take this node's certificate, or show one that it does not take: told to the log once, and kept for
//! people while it lasts.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use quinn::ConnectionError;
use tokio::time::Instant;

use super::counters::{Count, Side, alert_of};
use super::lock;

/// So many are kept; strangers can make more, which are counted only.
const KEPT: usize = 64;

/// What did not come again within this is over. Peers try again each second.
const LASTS: Duration = Duration::from_secs(30);

/// A peer and this node do not take each other for one of the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The node's name, where one is known: it was dialled, or a node at that address is.
    pub name: Option<String>,
    /// Where it is.
    pub address: SocketAddr,
    /// Why, in words.
    pub reason: &'static str,
    /// How often, since it began.
    pub count: u64,
}

/// Whom a refusal is about: who dials has another port each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Dialled(SocketAddr),
    Serving(std::net::IpAddr),
}

/// The last refusal of each peer and cause, and when it was told.
type Known = BTreeMap<(Key, &'static str), (Refusal, Instant)>;

#[derive(Debug, Default)]
pub(super) struct Refusals(Mutex<Known>);

impl Refusals {
    /// A handshake failed. Nothing happens when the certificates are not to blame.
    pub(super) fn note(
        &self,
        side: Side,
        address: SocketAddr,
        name: Option<&str>,
        count: Count,
        error: Option<&ConnectionError>,
    ) {
        let Some(reason) = reason(side, count, error) else { return };
        let now = Instant::now();
        let key = (key(side, address), reason);
        let mut kept = lock(&self.0);
        kept.retain(|_, (_, last)| now.duration_since(*last) < LASTS);
        if let Some((known, last)) = kept.get_mut(&key) {
            (known.count, known.address, *last) = (known.count + 1, address, now);
            return;
        }
        if kept.len() >= KEPT {
            return;
        }
        let refusal = Refusal { name: name.map(str::to_owned), address, reason, count: 1 };
        match name {
            Some(name) => tracing::warn!("no connection with {name} ({address}): {reason}"),
            None => tracing::warn!("no connection with {address}: {reason}"),
        }
        kept.insert(key, (refusal, now));
    }

    /// Both sides took each other.
    pub(super) fn agreed(&self, side: Side, address: SocketAddr) {
        let key = key(side, address);
        lock(&self.0).retain(|(known, _), _| *known != key);
    }

    /// What lasts, by address.
    pub(super) fn read(&self) -> Vec<Refusal> {
        let now = Instant::now();
        let kept = lock(&self.0);
        let lasting = kept.values().filter(|(_, last)| now.duration_since(*last) < LASTS);
        lasting.map(|(refusal, _)| refusal.clone()).collect()
    }
}

fn key(side: Side, address: SocketAddr) -> Key {
    let ip = address.ip().to_canonical();
    match side {
        Side::Dialling => Key::Dialled(SocketAddr::new(ip, address.port())),
        Side::Serving => Key::Serving(ip),
    }
}

/// What is wrong between the two; `None` when it is not about who they are.
fn reason(side: Side, count: Count, error: Option<&ConnectionError>) -> Option<&'static str> {
    let alert = error.and_then(alert_of);
    Some(match (count, side) {
        (Count::NoCertificate, _) => "it shows no certificate",
        (Count::OtherAuthority, _) => "its certificate is from another authority than the one that this node trusts",
        (Count::WrongName, Side::Dialling) => "its certificate is for another node",
        (Count::WrongName, Side::Serving) => "its certificate does not name one node",
        (Count::BadCertificate, _) if alert == Some(45) => "its certificate has expired, or its or this clock is wrong",
        (Count::BadCertificate, _) => "its certificate is not good",
        (Count::NoCommonVersion, _) => "it speaks no message version that this node speaks",
        (Count::RefusedByPeer, _) => match alert {
            Some(48 | 51) => "it refuses this node's certificate: it trusts another authority",
            Some(45) => "it refuses this node's certificate: expired, or one of the clocks is wrong",
            Some(42) => "it refuses this node's certificate: not for the name that it expects",
            Some(116) => "it refuses this node, which showed no certificate",
            Some(120) => "it speaks no message version that this node speaks",
            _ => "it refuses this node's certificate",
        },
        _ => return None,
    })
}
