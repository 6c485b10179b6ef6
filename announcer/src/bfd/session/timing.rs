//! What a session wants of time, and the arithmetic of RFC 5880 sections 6.8.2, 6.8.4 and 6.8.7.

use std::num::NonZeroU8;
use std::time::Duration;

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::bfd::packet::Micros;

/// The shortest interval that can be asked for.
pub const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// The longest interval that can be asked for.
pub const MAX_INTERVAL: Duration = Duration::from_secs(60);
/// A session that is not Up does not offer to send more often than this (RFC 5880 section 6.8.3).
pub const SLOW: Micros = Micros(1_000_000);

/// The intervals and the multiplier of a session, as configured. What is in use is negotiated with the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct Timing {
    transmit: Duration,
    receive: Duration,
    multiplier: NonZeroU8,
}

/// An interval that is out of range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the {which} interval of {} ms is not between {} ms and {} ms", .interval.as_secs_f64() * 1e3, MIN_INTERVAL.as_millis(), MAX_INTERVAL.as_millis())]
pub struct TimingError {
    /// `transmit` or `receive`.
    pub which: &'static str,
    /// The interval.
    pub interval: Duration,
}

#[derive(Serialize, Deserialize)]
struct Unchecked {
    transmit: Duration,
    receive: Duration,
    multiplier: NonZeroU8,
}

impl Timing {
    /// Wants to send every `transmit`, can receive every `receive`, and the peer gives up after `multiplier` intervals
    /// without a packet.
    ///
    /// # Errors
    /// When an interval is not within [`MIN_INTERVAL`] and [`MAX_INTERVAL`].
    pub fn new(transmit: Duration, receive: Duration, multiplier: NonZeroU8) -> Result<Self, TimingError> {
        for (which, interval) in [("transmit", transmit), ("receive", receive)] {
            if !(MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) {
                return Err(TimingError { which, interval });
            }
        }
        Ok(Self { transmit, receive, multiplier })
    }

    /// How often it wants to send.
    #[must_use]
    pub const fn transmit(&self) -> Duration {
        self.transmit
    }

    /// How often it can receive.
    #[must_use]
    pub const fn receive(&self) -> Duration {
        self.receive
    }

    /// Intervals without a packet after which the peer gives up.
    #[must_use]
    pub const fn multiplier(&self) -> NonZeroU8 {
        self.multiplier
    }

    pub(super) fn desired_min_tx(&self, up: bool) -> Micros {
        let wanted = Micros::from_duration(self.transmit);
        if up { wanted } else { wanted.max(SLOW) }
    }

    pub(super) fn required_min_rx(&self) -> Micros {
        Micros::from_duration(self.receive)
    }
}

impl Default for Timing {
    /// 300 ms, 300 ms and 3, as FRR and MetalLB have it.
    fn default() -> Self {
        let interval = Duration::from_millis(300);
        Self { transmit: interval, receive: interval, multiplier: const { NonZeroU8::new(3).unwrap() } }
    }
}

impl TryFrom<Unchecked> for Timing {
    type Error = TimingError;

    fn try_from(Unchecked { transmit, receive, multiplier }: Unchecked) -> Result<Self, TimingError> {
        Self::new(transmit, receive, multiplier)
    }
}

impl From<Timing> for Unchecked {
    fn from(Timing { transmit, receive, multiplier }: Timing) -> Self {
        Self { transmit, receive, multiplier }
    }
}

/// The part of an interval after which the next packet is sent, in millionths: 75 to 100 %, or 75 to 90 % when a single late
/// packet would already end the session (RFC 5880 section 6.8.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Jitter(u32);

impl Jitter {
    pub fn draw(multiplier: NonZeroU8, randomness: &mut dyn Rng) -> Self {
        let most = if multiplier.get() == 1 { 900_000 } else { 1_000_000 };
        Self(randomness.random_range(750_000..=most))
    }

    pub fn of(self, interval: Micros) -> Duration {
        // A millionth of a microsecond is a thousandth of a nanosecond; 2^32 times a million fits.
        Duration::from_nanos(u64::from(interval.0) * u64::from(self.0) / 1000)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::SmallRng;

    use super::*;

    #[test]
    fn intervals_out_of_range_are_refused() {
        let ms = Duration::from_millis;
        let three = NonZeroU8::new(3).unwrap();
        assert!(Timing::new(ms(10), ms(60_000), three).is_ok());
        let error = Timing::new(ms(9), ms(10), three).unwrap_err();
        assert_eq!(error.to_string(), "the transmit interval of 9 ms is not between 10 ms and 60000 ms");
        assert_eq!(Timing::new(ms(10), ms(60_001), three).unwrap_err().which, "receive");
    }

    #[test]
    fn only_an_established_session_sends_often() {
        assert_eq!(Timing::default().desired_min_tx(false), SLOW);
        assert_eq!(Timing::default().desired_min_tx(true), Micros(300_000));
        let slower = Timing { transmit: Duration::from_secs(5), ..Timing::default() };
        assert_eq!(slower.desired_min_tx(false), Micros(5_000_000));
    }

    proptest! {
        #[test]
        fn jitter_stays_in_its_range(seed: u64, interval: u32, multiplier: NonZeroU8) {
            let jitter = Jitter::draw(multiplier, &mut SmallRng::seed_from_u64(seed));
            let full = Duration::from(Micros(interval));
            let most = if multiplier.get() == 1 { full.mul_f64(0.9) } else { full };
            let wait = jitter.of(Micros(interval));
            prop_assert!(wait + Duration::from_nanos(1) >= full.mul_f64(0.75));
            prop_assert!(wait <= most + Duration::from_nanos(1));
        }
    }

    #[test]
    fn jitter_uses_all_of_its_range() {
        let mut randomness = SmallRng::seed_from_u64(1);
        let mut draws = |multiplier| {
            let draw = |_| Jitter::draw(NonZeroU8::new(multiplier).unwrap(), &mut randomness).0;
            let all: Vec<u32> = (0..1000).map(draw).collect();
            (all.iter().min().unwrap() / 10_000, all.iter().max().unwrap() / 10_000)
        };
        assert_eq!(draws(3), (75, 99));
        assert_eq!(draws(1), (75, 89));
    }
}
