//! Tunables of the group.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings from the native `Cluster` kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterSettings {
    /// How many nodes vote: 1, 3 or 5. Fewer nodes than that: the largest odd number that there is.
    pub voters: u8,
    /// How quickly a dead node is noticed.
    pub liveness: Liveness,
    /// How owners drift back to an even spread.
    pub rebalance: Rebalance,
    /// What happens without a quorum.
    pub fencing: Fencing,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self { voters: 3, liveness: Liveness::default(), rebalance: Rebalance::default(), fencing: Fencing::Strict }
    }
}

/// Timing of the sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// Between two pings, 10 ms to 10 s.
    pub ping: Duration,
    /// How long an answered ping keeps a session valid, 30 ms to 60 s, at least three times `ping`.
    pub hold: Duration,
}

impl Default for Liveness {
    fn default() -> Self {
        Self { ping: Duration::from_millis(100), hold: Duration::from_millis(500) }
    }
}

impl Liveness {
    /// What the leader waits beyond `hold` before it expires a session: 2 % of it (each clock may run 1 % off), and
    /// 2 ms for clock granularity.
    pub fn margin(&self) -> Duration {
        self.hold / 50 + Duration::from_millis(2)
    }
}

/// How owners drift back to an even spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebalance {
    /// How long the set of nodes must have been quiet first.
    pub after: Duration,
    /// Moves per second after that, 1 to 1000.
    pub pace_per_second: u32,
}

impl Default for Rebalance {
    fn default() -> Self {
        Self { after: Duration::from_secs(30), pace_per_second: 10 }
    }
}

/// What an owner does without a quorum's word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fencing {
    /// It stops answering: two nodes never answer for one address.
    #[default]
    Strict,
    /// It goes on, and yields at once to anyone who announces the address.
    Soft,
}
