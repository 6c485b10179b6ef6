//! When this node advertises itself (RFC 4861 section 6.2).

use std::time::Duration;

use rand::{Rng, RngExt};

use crate::BootTime;

/// Between two advertisements to all nodes at least (MIN_DELAY_BETWEEN_RAS).
pub(super) const LEAST: Duration = Duration::from_secs(3);
/// Between two advertisements at most (MaxRtrAdvInterval). The one that is FRR's for such sessions: a router that was
/// restarted, and learns of this node only then, has not long to wait.
pub(super) const MOST: Duration = Duration::from_secs(10);
/// How many milliseconds later than asked for an answer comes at most (MAX_RA_DELAY_TIME).
const ANSWER_DELAY: u64 = 500;
/// Advertisements that follow each other quickly at first (MAX_INITIAL_RTR_ADVERTISEMENTS).
const INITIAL: u8 = 3;

/// When this node advertises itself.
#[derive(Debug, Clone)]
pub(super) struct Advertiser {
    next: BootTime,
    last: Option<BootTime>,
    sent: u8,
}

impl Advertiser {
    pub const fn new(now: BootTime) -> Self {
        Self { next: now, last: None, sent: 0 }
    }

    pub const fn next(&self) -> BootTime {
        self.next
    }

    /// Someone has to hear it: sooner than planned, but not too soon.
    pub fn soon(&mut self, now: BootTime, randomness: &mut dyn Rng) {
        let delayed = now + Duration::from_millis(randomness.random_range(0..=ANSWER_DELAY));
        let allowed = self.last.map_or(delayed, |last| last + LEAST);
        self.next = self.next.min(delayed.max(allowed));
    }

    /// It is being sent.
    pub fn sent(&mut self, now: BootTime, randomness: &mut dyn Rng) {
        self.last = Some(now);
        self.sent = self.sent.saturating_add(1);
        let wait = if self.sent < INITIAL { LEAST } else { MOST * randomness.random_range(75..=100) / 100 };
        self.next = now + wait;
    }

    /// It was not sent after all.
    pub fn again(&mut self, at: BootTime) {
        self.sent = self.sent.saturating_sub(1);
        self.next = at;
    }
}
