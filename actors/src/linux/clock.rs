use quorumlb_raft_store::session::BootTime;
use rand::TryRng;
use rand::rngs::SysRng;

use super::Linux;
use crate::ports::Clock;

impl Clock for Linux {
    fn boot_now(&self) -> BootTime {
        BootTime(quorumlb_announcer::clock::boot_now().since_boot())
    }

    fn wall_ms(&self) -> u64 {
        let since = jiff::Timestamp::now().as_millisecond();
        u64::try_from(since).unwrap_or(0)
    }

    fn random(&self) -> u64 {
        // The kernel's generator does not fail once it is up; the boot time still tells two runs apart.
        SysRng.try_next_u64().unwrap_or_else(|_| u64::try_from(self.boot_now().0.as_nanos()).unwrap_or(0))
    }
}
