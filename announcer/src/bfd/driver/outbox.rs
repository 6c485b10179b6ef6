//! Events on their way out. They are few, and none may hold up the sessions, so they wait here, within bounds.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::BootTime;
use crate::bfd::path::Path;
use crate::bfd::session::Change;

/// Events of one session that wait at most. Of more, the oldest two go: one up and one down, so that what is told still
/// alternates and ends with how it is.
const MAX_OF_ONE: usize = 8;

/// A session came up, or went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Of which session.
    pub path: Path,
    /// What happened.
    pub change: Change,
    /// When it was seen.
    pub at: BootTime,
}

#[derive(Debug)]
pub(super) struct Outbox {
    waiting: VecDeque<Event>,
    events: mpsc::Sender<Event>,
}

impl Outbox {
    pub fn new(events: mpsc::Sender<Event>) -> Self {
        Self { waiting: VecDeque::new(), events }
    }

    /// Hands an event out at once where there is room, which is always unless nobody takes any.
    pub fn push(&mut self, event: Event) {
        if self.waiting.is_empty() && self.events.try_send(event).is_ok() {
            return;
        }
        if self.waiting.iter().filter(|other| other.path == event.path).count() >= MAX_OF_ONE {
            for _ in 0..2 {
                let oldest = self.waiting.iter().position(|other| other.path == event.path);
                oldest.and_then(|at| self.waiting.remove(at));
            }
        }
        self.waiting.push_back(event);
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands out as many as there is room for, when there is room for one. Cancel safe.
    pub async fn deliver(&mut self) {
        match self.events.reserve().await {
            Ok(permit) => {
                if let Some(event) = self.waiting.pop_front() {
                    permit.send(event);
                }
            }
            // Nobody wants to know any more.
            Err(_) => self.waiting.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::bfd::packet::Diagnostic;
    use crate::bfd::path::Hops;
    use crate::bfd::session::DownReason;

    fn event(peer: u8, round: u64, up: bool) -> Event {
        let peer = IpAddr::V4(Ipv4Addr::new(10, 0, 0, peer));
        let (reason, diagnostic) = (DownReason::DetectionTimeExpired, Diagnostic::DETECTION_TIME_EXPIRED);
        let down = Change::Down { reason, diagnostic, peer_diagnostic: Diagnostic::NONE };
        Event {
            path: Path::new(peer, Hops::Single, None, None).unwrap(),
            change: if up { Change::Up } else { down },
            at: BootTime::from_boot(std::time::Duration::from_secs(round)),
        }
    }

    #[tokio::test]
    async fn a_session_that_flaps_does_not_fill_the_memory_nor_hide_another() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        outbox.push(event(2, 0, true));
        for round in 1..1000 {
            outbox.push(event(1, round, true));
            outbox.push(event(1, round, false));
            assert!(outbox.waiting.len() <= MAX_OF_ONE + 1);
        }
        outbox.push(event(3, 0, true));
        let mut taken = Vec::new();
        while !outbox.is_empty() {
            taken.push(receiver.recv().await.unwrap());
            outbox.deliver().await;
        }
        taken.push(receiver.recv().await.unwrap());
        assert_eq!((taken[0], taken[taken.len() - 1]), (event(2, 0, true), event(3, 0, true)));
        let flaps = &taken[1..taken.len() - 1];
        assert_eq!(flaps.len(), MAX_OF_ONE);
        assert!(flaps.iter().enumerate().all(|(at, flap)| (flap.change == Change::Up) == (at % 2 == 0)));
        assert_eq!(flaps.last(), Some(&event(1, 999, false)));
    }
}
