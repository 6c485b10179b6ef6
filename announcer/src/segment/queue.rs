//! Which address is announced next: those never announced first, in the order in which they came; then repeats by time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::BootTime;

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Never announced; its number in line.
    First(u64),
    /// To be announced again at this time.
    Repeat(BootTime),
}

/// Addresses that wait to be announced. Every operation costs the logarithm of their number.
#[derive(Debug, Default)]
pub(super) struct Queue {
    numbers: u64,
    first: BTreeMap<u64, IpAddr>,
    repeats: BTreeSet<(BootTime, IpAddr)>,
}

impl Queue {
    pub fn push_first(&mut self, address: IpAddr) -> Turn {
        let number = self.numbers;
        self.numbers += 1;
        self.first.insert(number, address);
        Turn::First(number)
    }

    pub fn push_repeat(&mut self, at: BootTime, address: IpAddr) -> Turn {
        self.repeats.insert((at, address));
        Turn::Repeat(at)
    }

    pub fn cancel(&mut self, turn: Turn, address: IpAddr) {
        match turn {
            Turn::First(number) => drop(self.first.remove(&number)),
            Turn::Repeat(at) => drop(self.repeats.remove(&(at, address))),
        }
    }

    /// Who is next, and when.
    pub fn head(&self) -> Option<(BootTime, IpAddr)> {
        let first = self.first.first_key_value().map(|(_, &address)| (BootTime::ZERO, address));
        first.or_else(|| self.repeats.first().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn first_announcements_go_before_repeats_that_are_due() {
        let address = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        let mut queue = Queue::default();
        let due = BootTime::from_boot(Duration::from_millis(1));
        let repeat = queue.push_repeat(due, address(1));
        let third = queue.push_first(address(3));
        let second = queue.push_first(address(2));
        assert_eq!(queue.head(), Some((BootTime::ZERO, address(3))));
        queue.cancel(third, address(3));
        assert_eq!(queue.head(), Some((BootTime::ZERO, address(2))));
        queue.cancel(second, address(2));
        assert_eq!(queue.head(), Some((due, address(1))));
        queue.cancel(repeat, address(1));
        assert_eq!(queue.head(), None);
    }
}
