//! What a session has seen.

use serde::{Deserialize, Serialize};

use super::super::message::Kind;

/// What went over a session with a peer since it was configured; the last two since it is up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// How often it came up.
    pub established: u64,
    /// Messages received, by type: OPEN, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE-REFRESH.
    pub received: [u64; 5],
    /// Messages sent, by type.
    pub sent: [u64; 5],
    /// UPDATEs received with a flaw that did not end the session (RFC 7606).
    pub flawed: u64,
    /// Prefixes that the peer announced; none is imported.
    pub announced: u64,
    /// Prefixes that the peer withdrew.
    pub withdrawn: u64,
}

impl Counters {
    pub(super) const fn count_received(&mut self, kind: Kind) {
        self.received[kind as usize - 1] += 1;
    }

    pub(super) const fn count_sent(&mut self, kind: Kind, count: u64) {
        self.sent[kind as usize - 1] += count;
    }
}
