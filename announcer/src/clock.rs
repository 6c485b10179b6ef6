//! The clock of the fence.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::BootTime;

/// The time since boot, with time asleep counted: a node that slept through the end of its session must see that it ended.
#[must_use]
pub fn boot_now() -> BootTime {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    BootTime::from_boot(Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_time_since_boot_and_never_goes_back() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
        let now = boot_now();
        assert!((now.since_boot().as_secs_f64() - uptime).abs() < 60.0, "{now:?} and {uptime} s of uptime");
        assert!(boot_now() >= now);
    }
}
