//! Addresses that the node takes packets for a little longer than it owns them: forwarding outlives answering, so that
//! nothing is lost while the network turns to the new owner.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long. Stations that hold on to a neighbour entry for a second after its last change hear the announcements that
/// come after one and two seconds.
const LINGER: Duration = Duration::from_secs(3);

/// How often to look.
pub(super) const TICK: Duration = Duration::from_secs(1);

/// What lingers, and until when.
#[derive(Debug, Default)]
pub(super) struct Lingering(BTreeMap<IpAddr, Instant>);

impl Lingering {
    /// It is not owned any more.
    pub fn add(&mut self, address: IpAddr, now: Instant) {
        self.0.entry(address).or_insert(now + LINGER);
    }

    /// It is owned again.
    pub fn cancel(&mut self, address: IpAddr) {
        self.0.remove(&address);
    }

    /// What has lingered long enough.
    pub fn due(&mut self, now: Instant) -> Vec<IpAddr> {
        let due: Vec<IpAddr> = self.0.iter().filter(|(_, until)| **until <= now).map(|(address, _)| *address).collect();
        self.0.retain(|_, until| *until > now);
        due
    }

    /// Waits until everything has lingered long enough.
    pub async fn wait(&self) {
        if let Some(last) = self.0.values().max() {
            sleep_until(*last).await;
        }
    }

    /// All that lingers.
    pub fn all(&self) -> Vec<IpAddr> {
        self.0.keys().copied().collect()
    }
}
