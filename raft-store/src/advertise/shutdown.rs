//! A node that is drained first makes its routes unattractive, then takes them back.

use std::time::Duration;

/// How a node tells its services' routes. Its pod networks and interface addresses are told in every phase: no other node
/// could take their traffic over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// As they are wanted.
    #[default]
    Serving,
    /// Marked with GRACEFUL_SHUTDOWN and with LOCAL_PREF 0, so that routers move traffic to other nodes while this one
    /// still takes it (RFC 8326).
    GracefulShutdown,
    /// Not at all.
    Withdrawn,
}

/// Leads a node through the phases. Times are since any fixed moment, by a clock that does not go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulShutdown {
    /// How long routers get to move.
    grace: Duration,
    since: Option<Duration>,
}

impl GracefulShutdown {
    /// What routers usually need to choose other paths and program them.
    pub const GRACE: Duration = Duration::from_secs(3);

    /// Of a node that serves. `grace` is how long its routes stay, marked, before they are withdrawn.
    pub fn new(grace: Duration) -> Self {
        Self { grace, since: None }
    }

    /// Whether the node is drained, as of `now`. A drain that goes on goes on from where it was.
    pub fn follow(&mut self, draining: bool, now: Duration) {
        self.since = draining.then(|| self.since.unwrap_or(now));
    }

    /// The phase at `now`.
    pub fn phase(&self, now: Duration) -> Phase {
        match self.since {
            None => Phase::Serving,
            Some(since) if now < since + self.grace => Phase::GracefulShutdown,
            Some(_) => Phase::Withdrawn,
        }
    }

    /// When the phase changes by itself, if it will after `now`.
    pub fn next_deadline(&self, now: Duration) -> Option<Duration> {
        self.since.map(|since| since + self.grace).filter(|deadline| now < *deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_marks_then_withdraws_and_can_be_taken_back() {
        let at = Duration::from_secs;
        let mut shutdown = GracefulShutdown::new(at(3));
        assert_eq!((shutdown.phase(at(5)), shutdown.next_deadline(at(5))), (Phase::Serving, None));
        shutdown.follow(true, at(10));
        shutdown.follow(true, at(12));
        assert_eq!((shutdown.phase(at(12)), shutdown.next_deadline(at(12))), (Phase::GracefulShutdown, Some(at(13))));
        assert_eq!((shutdown.phase(at(13)), shutdown.next_deadline(at(13))), (Phase::Withdrawn, None));
        shutdown.follow(false, at(14));
        assert_eq!(shutdown.phase(at(14)), Phase::Serving);
        shutdown.follow(true, at(20));
        assert_eq!(shutdown.phase(at(20)), Phase::GracefulShutdown, "a new drain begins anew");
    }
}
