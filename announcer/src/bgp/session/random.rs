//! Randomness for jitter, from a seed: the same seed gives the same times.

use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood 2014): small, and good enough to keep timers apart.
#[derive(Debug, Clone)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A time of 75 to 100 percent of the one given (RFC 4271 section 10).
    pub fn spread(&mut self, time: Duration) -> Duration {
        let permille = 750 + u32::try_from(self.next() % 251).unwrap_or(250);
        time * permille / 1000
    }
}
