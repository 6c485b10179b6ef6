//! Notices that the machine was suspended: CLOCK_BOOTTIME goes on then, the clock of [`Instant`] does not.

use std::time::Duration;

use tokio::time::Instant;

use crate::session::BootTime;

/// The two clocks may be read this far apart without a suspend.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Both clocks as they were read last, and when the machine was last seen to wake up.
#[derive(Debug, Default)]
pub(super) struct Suspends {
    last: Option<(Instant, BootTime)>,
    woke: Option<Instant>,
}

impl Suspends {
    /// How long the machine has been awake by now, as far as this has watched. Stamps of [`Instant`] that are older may
    /// hide a suspend.
    pub(super) fn awake_for(&mut self, now: Instant, boot: BootTime) -> Duration {
        if let Some((last_now, last_boot)) = self.last {
            let (passed, really) = (now.saturating_duration_since(last_now), boot.since(last_boot));
            if really > passed + TOLERANCE {
                self.woke = Some(now);
            }
        }
        // The older pair is kept while no suspend shows, or many small differences would add up unseen.
        if self.last.is_none() || self.woke == Some(now) {
            self.last = Some((now, boot));
        }
        self.woke.map_or(Duration::MAX, |woke| now.saturating_duration_since(woke))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(ms: u64) -> BootTime {
        BootTime(Duration::from_millis(ms))
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspend_shows_as_boot_time_that_went_on_alone() {
        let mut suspends = Suspends::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(suspends.awake_for(at(0), boot(1000)), Duration::MAX);
        assert_eq!(suspends.awake_for(at(100), boot(1101)), Duration::MAX, "a reading apart is no suspend");
        assert_eq!(suspends.awake_for(at(200), boot(9000)), Duration::ZERO);
        assert_eq!(suspends.awake_for(at(300), boot(9100)), Duration::from_millis(100));
    }
}
