//! The fence: a frame leaves a node only while the node's session is valid, checked at the moment of sending (promise P3).
//!
//! Bytes of a [`FencedFrame`] come out only against the current [`BootTime`]. The frame looks at the fence as it is then,
//! not as it was when the frame was made: a fence that was closed in between, and an ownership that ended in between, both
//! hold the frame back.

use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Time since boot, with time asleep counted (CLOCK_BOOTTIME). Never goes back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootTime(Duration);

impl BootTime {
    /// The moment of boot.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The moment this long after boot.
    #[must_use]
    pub const fn from_boot(since: Duration) -> Self {
        Self(since)
    }

    /// How long after boot.
    #[must_use]
    pub const fn since_boot(self) -> Duration {
        self.0
    }

    /// How long after another moment; zero if that one is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Nanoseconds since boot, at most 584 years.
    pub(crate) fn nanos(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Add<Duration> for BootTime {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(rhs))
    }
}

/// What the node's session with the quorum allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fence {
    /// Nothing may be sent: no session yet, or it was ended on purpose. Closes in both modes of [`Fencing`].
    #[default]
    Closed,
    /// Frames may be sent before this moment, not at it.
    ValidUntil(BootTime),
}

/// What happens when the session runs out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fencing {
    /// Nothing is sent any more. At no instant do two nodes answer.
    #[default]
    Strict,
    /// What is owned is answered on, and yielded to the first other station that claims it.
    Soft,
}

/// In the shared word: nothing may be sent.
const CLOSED: u64 = 0;
/// In the shared word: no end (soft fencing).
const UNLIMITED: u64 = u64::MAX;

/// The fence of one interface: what was last said, and the word that frames under way look at.
#[derive(Debug)]
pub(crate) struct Gate {
    fencing: Fencing,
    fence: Fence,
    word: Arc<AtomicU64>,
}

impl Gate {
    pub fn new(fencing: Fencing) -> Self {
        Self { fencing, fence: Fence::Closed, word: Arc::new(AtomicU64::new(CLOSED)) }
    }

    pub fn set(&mut self, fence: Fence) {
        self.fence = fence;
        let word = match (fence, self.fencing) {
            (Fence::Closed, _) => CLOSED,
            (Fence::ValidUntil(_), Fencing::Soft) => UNLIMITED,
            (Fence::ValidUntil(until), Fencing::Strict) => until.nanos(),
        };
        self.word.store(word, Ordering::Release);
    }

    /// Whether a frame may be sent now.
    pub fn permits(&self, now: BootTime) -> bool {
        now.nanos() < self.word.load(Ordering::Acquire)
    }

    /// Whether the quorum's word is good now, whatever the mode.
    pub fn quorum_holds(&self, now: BootTime) -> bool {
        matches!(self.fence, Fence::ValidUntil(until) if now < until)
    }

    /// Whether waiting makes sense: a closed fence opens only by a new word.
    pub fn is_closed(&self) -> bool {
        self.word.load(Ordering::Acquire) == CLOSED
    }

    /// Closes a fence that has run out, so that nobody waits for it.
    pub fn close_if_run_out(&mut self, now: BootTime) {
        if !self.permits(now) {
            self.set(Fence::Closed);
        }
    }

    pub fn frame(&self, bytes: Vec<u8>, ownership: &Ownership) -> FencedFrame {
        FencedFrame { bytes, valid_until: Arc::clone(&self.word), ended: Arc::clone(&ownership.ended) }
    }
}

/// One ownership of one address. Its end holds back every frame that was made for it.
#[derive(Debug, Default)]
pub(crate) struct Ownership {
    ended: Arc<AtomicBool>,
}

impl Drop for Ownership {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
    }
}

/// A frame whose bytes come out only while it may be sent.
#[derive(Debug)]
pub struct FencedFrame {
    bytes: Vec<u8>,
    valid_until: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl FencedFrame {
    /// The bytes, if the fence is open at `now` and the ownership that the frame speaks for has not ended. Call it with the
    /// current time right before the send.
    #[must_use]
    pub fn release(&self, now: BootTime) -> Option<&[u8]> {
        let open = now.nanos() < self.valid_until.load(Ordering::Acquire);
        (open && !self.ended.load(Ordering::Acquire)).then_some(self.bytes.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(millis))
    }

    #[test]
    fn a_frame_comes_out_before_the_end_and_not_at_it() {
        let mut gate = Gate::new(Fencing::Strict);
        let ownership = Ownership::default();
        let frame = gate.frame(vec![7], &ownership);
        assert_eq!(frame.release(at(0)), None);
        gate.set(Fence::ValidUntil(at(100)));
        assert_eq!(frame.release(at(99)), Some(&[7][..]));
        assert_eq!(frame.release(at(100)), None);
    }

    #[test]
    fn a_later_word_reaches_frames_already_made() {
        let mut gate = Gate::new(Fencing::Strict);
        gate.set(Fence::ValidUntil(at(100)));
        let ownership = Ownership::default();
        let frame = gate.frame(vec![7], &ownership);
        gate.set(Fence::ValidUntil(at(200)));
        assert!(frame.release(at(150)).is_some());
        gate.set(Fence::Closed);
        assert!(frame.release(at(50)).is_none());
    }

    #[test]
    fn the_end_of_an_ownership_holds_its_frames_back() {
        let mut gate = Gate::new(Fencing::Soft);
        gate.set(Fence::ValidUntil(at(100)));
        let ownership = Ownership::default();
        let frame = gate.frame(vec![7], &ownership);
        assert!(frame.release(at(1)).is_some());
        drop(ownership);
        assert!(frame.release(at(1)).is_none());
    }

    #[test]
    fn soft_outlives_the_session_but_not_an_order_to_close() {
        let mut gate = Gate::new(Fencing::Soft);
        assert!(!gate.permits(at(0)), "nothing before a first word");
        gate.set(Fence::ValidUntil(at(100)));
        assert!(gate.permits(at(5000)) && !gate.quorum_holds(at(5000)) && gate.quorum_holds(at(99)));
        gate.set(Fence::Closed);
        assert!(!gate.permits(at(50)));
    }
}
