//! Bounds on what is sent: so much in each window of time.

use std::time::Duration;

use pnet_base::MacAddr;

use crate::BootTime;

/// At most so many frames in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Frames; at least 2, since an IPv4 announcement is two frames.
    pub limit: u32,
    /// Milliseconds; at least 1.
    pub period_ms: u32,
}

/// Counts what was sent in the current window. A window begins with the first frame after the last one ended.
#[derive(Debug)]
pub(super) struct Window {
    limit: u32,
    period: Duration,
    start: BootTime,
    used: u32,
}

impl Window {
    pub fn new(rate: Rate) -> Self {
        let period = Duration::from_millis(u64::from(rate.period_ms.max(1)));
        Self { limit: rate.limit.max(2), period, start: BootTime::ZERO, used: 0 }
    }

    /// Takes a part of the window, or nothing when not enough is left.
    pub fn take(&mut self, cost: u32, now: BootTime) -> bool {
        self.roll(now);
        if self.used.saturating_add(cost) > self.limit {
            return false;
        }
        self.used += cost;
        true
    }

    /// The earliest moment at which `cost` can be taken.
    pub fn ready_at(&self, cost: u32) -> BootTime {
        if self.used.saturating_add(cost) > self.limit { self.start + self.period } else { BootTime::ZERO }
    }

    fn roll(&mut self, now: BootTime) -> bool {
        let over = now >= self.start + self.period;
        if over {
            self.start = now;
            self.used = 0;
        }
        over
    }
}

/// Askers are told apart by this many bins.
const BINS: usize = 256;
/// One bin gets one part in this many of the window.
const SHARE: u32 = 4;

/// A window that no single asker can use up, so that one station gone wild does not keep the others from their answers.
/// Askers fall into bins by the last byte of their MAC: bounded, and without a table to fill.
#[derive(Debug)]
pub(super) struct FairWindow {
    window: Window,
    bins: [u32; BINS],
}

impl FairWindow {
    pub fn new(rate: Rate) -> Self {
        Self { window: Window::new(rate), bins: [0; BINS] }
    }

    /// Takes one frame for this asker.
    pub fn take(&mut self, asker: MacAddr, now: BootTime) -> bool {
        if self.window.roll(now) {
            self.bins = [0; BINS];
        }
        let share = (self.window.limit / SHARE).max(1);
        let bin = &mut self.bins[usize::from(asker.5)];
        if *bin >= share || !self.window.take(1, now) {
            return false;
        }
        *bin += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(millis))
    }

    #[test]
    fn a_window_gives_its_limit_and_then_waits() {
        let mut window = Window::new(Rate { limit: 5, period_ms: 10 });
        assert!(window.take(2, at(100)) && window.take(2, at(101)));
        assert!(!window.take(2, at(102)));
        assert!(window.take(1, at(109)));
        assert_eq!(window.ready_at(1), at(110));
        assert!(window.take(2, at(110)));
        assert_eq!(window.ready_at(1), BootTime::ZERO);
    }

    #[test]
    fn one_asker_leaves_room_for_others() {
        let mut window = FairWindow::new(Rate { limit: 8, period_ms: 10 });
        let asker = |last| MacAddr(2, 0, 0, 0, 0, last);
        let given = (0..100).filter(|_| window.take(asker(1), at(50))).count();
        assert_eq!(given, 2);
        assert!(window.take(asker(2), at(51)));
        assert!(window.take(asker(1), at(60)), "a new window");
    }
}
