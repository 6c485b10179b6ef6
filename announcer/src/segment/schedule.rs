//! When an address is announced: soon and several times after a takeover, then rarely.

use std::net::IpAddr;
use std::time::Duration;

use crate::BootTime;

/// After the first announcement, which is made at once.
///
/// The default repeats after 50 and 150 ms (a frame was lost, or a switch was just learning), after 500 ms, 1 s and 2 s
/// (stations that hold on to an entry for a second after its last change, as Linux does with `locktime`, and devices that
/// limit how much ARP they take) and after 5 s (a port that only now forwards). Then once a minute, since some switches
/// forget stations that are silent; each address has its own moment in that minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Repeats after the first announcement, rising.
    pub repeats: Vec<Duration>,
    /// Time between later announcements; zero for none.
    pub refresh: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        let repeats = [50, 150, 500, 1000, 2000, 5000].map(Duration::from_millis).to_vec();
        Self { repeats, refresh: Duration::from_secs(60) }
    }
}

impl Schedule {
    /// When to announce next, after an announcement at `now` in a series that began at `first`. Repeats that are in the past
    /// by now are left out, not made up for.
    pub(super) fn next(&self, address: IpAddr, first: BootTime, now: BootTime) -> Option<BootTime> {
        let repeat = self.repeats.iter().map(|&after| first + after).find(|&due| due > now);
        repeat.or_else(|| self.next_refresh(address, now))
    }

    /// The first moment of the address's own that is at least half an interval away.
    fn next_refresh(&self, address: IpAddr, now: BootTime) -> Option<BootTime> {
        let interval = u64::try_from(self.refresh.as_nanos()).unwrap_or(u64::MAX);
        let phase = spread(address).checked_rem(interval)?;
        let earliest = now.nanos().saturating_add(interval / 2);
        let rounds = earliest.saturating_sub(phase).div_ceil(interval);
        let due = rounds.saturating_mul(interval).saturating_add(phase);
        Some(BootTime::from_boot(Duration::from_nanos(due)))
    }
}

/// FNV-1a with a last mixing step (from MurmurHash3): the same for an address on every node, and even over its range.
fn spread(address: IpAddr) -> u64 {
    let fold = |octets: &[u8]| {
        octets.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &octet| {
            (hash ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    };
    let hash = match address {
        IpAddr::V4(v4) => fold(&v4.octets()),
        IpAddr::V6(v6) => fold(&v6.octets()),
    };
    let mixed = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn at(millis: u64) -> BootTime {
        BootTime::from_boot(Duration::from_millis(millis))
    }

    #[test]
    fn repeats_come_in_order_and_late_ones_are_left_out() {
        let schedule = Schedule::default();
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 5, 100));
        assert_eq!(schedule.next(address, at(1000), at(1000)), Some(at(1050)));
        assert_eq!(schedule.next(address, at(1000), at(1050)), Some(at(1150)));
        assert_eq!(schedule.next(address, at(1000), at(1700)), Some(at(2000)));
        let later = schedule.next(address, at(1000), at(6000)).unwrap();
        assert!(later >= at(36_000) && later <= at(96_000), "{later:?}");
    }

    #[test]
    fn without_refresh_the_series_ends() {
        let schedule = Schedule { refresh: Duration::ZERO, ..Schedule::default() };
        assert_eq!(schedule.next(IpAddr::V4(Ipv4Addr::new(10, 0, 5, 100)), at(0), at(5000)), None);
    }

    /// 20,000 neighbouring addresses, refreshed in the 600 tenths of a second of a minute: 33 each on average.
    #[test]
    fn refreshes_are_spread_over_the_interval() {
        let schedule = Schedule { repeats: Vec::new(), ..Schedule::default() };
        let mut tenths = vec![0u32; 601];
        for n in 0..20_000u32 {
            let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 + n));
            let due = schedule.next(address, at(0), at(0)).unwrap().since_boot();
            tenths[usize::try_from((due.as_millis() / 100) % 600).unwrap()] += 1;
        }
        assert!(tenths.iter().max() <= Some(&80), "{:?}", tenths.iter().max());
    }

    proptest! {
        #[test]
        fn the_next_announcement_is_always_later(bits: u32, first in 0u64..1_000_000, passed in 0u64..1_000_000) {
            let now = at(first + passed);
            let due = Schedule::default().next(IpAddr::V4(Ipv4Addr::from_bits(bits)), at(first), now).unwrap();
            prop_assert!(due > now && due.since(now) <= Duration::from_secs(90));
        }
    }
}
