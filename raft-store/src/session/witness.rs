//! What a voter can testify about earlier leaders.

use std::time::Duration;

use super::BootTime;

/// Remembers when this voter last heard from a leader, told apart by term.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    /// The newest term a leader was heard of.
    term: u64,
    /// When that leader was last heard.
    heard: BootTime,
    /// When any leader of an older term was last heard.
    older: BootTime,
}

impl Witness {
    /// A process that starts knows nothing of what an earlier run acknowledged, but that it was before now.
    pub fn new(started: BootTime) -> Self {
        Self { term: 0, heard: started, older: started }
    }

    /// A leader of `term` was heard. Call it before the acknowledgement can leave this node; and, on the leader
    /// itself, before each promise.
    pub fn heard(&mut self, term: u64, now: BootTime) {
        if term > self.term {
            self.older = self.older.max(self.heard);
            self.term = term;
        }
        if term == self.term {
            self.heard = self.heard.max(now);
        }
    }

    /// How long ago a leader of a term older than `term` was last heard, at least.
    pub fn older_than(&self, term: u64, now: BootTime) -> Duration {
        now.since(if self.term < term { self.heard.max(self.older) } else { self.older })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> BootTime {
        BootTime(Duration::from_millis(ms))
    }

    #[test]
    fn tells_older_leaders_from_the_present_one() {
        let mut witness = Witness::new(at(100));
        witness.heard(3, at(200));
        witness.heard(3, at(300));
        assert_eq!(witness.older_than(3, at(1000)), Duration::from_millis(900), "the run started at 100");
        assert_eq!(witness.older_than(4, at(1000)), Duration::from_millis(700), "term 3 was heard at 300");
        witness.heard(4, at(500));
        witness.heard(3, at(600));
        assert_eq!(witness.older_than(4, at(1000)), Duration::from_millis(700), "a stale leader is not acknowledged");
    }
}
