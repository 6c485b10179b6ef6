//! Waiting by a timer of the kernel.
//!
//! Tokio's own timers fire at full milliseconds, up to one late. This one (a timerfd on CLOCK_BOOTTIME) fires at the
//! nanosecond, and wakes the runtime like a socket does, so what is left is how long the machine takes to run the task.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use tokio::io::unix::AsyncFd;

use super::register::register;
use crate::bfd::wire::Timer;
use crate::{BootTime, boot_now};

/// The machine's clock, and a timer on it.
#[derive(Debug)]
pub struct BootTimer {
    fd: AsyncFd<OwnedFd>,
    /// When it fires.
    armed: Option<BootTime>,
}

impl BootTimer {
    /// Opens a timer. Must be called inside a tokio runtime with I/O enabled.
    ///
    /// # Errors
    /// When the process has too many files open.
    pub fn open() -> io::Result<Self> {
        let fd =
            rustix::time::timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { fd: register(fd)?, armed: None })
    }

    fn arm(&mut self, at: BootTime) -> io::Result<()> {
        if self.armed != Some(at) {
            let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
            let since_boot = at.since_boot();
            let value = Timespec {
                tv_sec: i64::try_from(since_boot.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: since_boot.subsec_nanos().into(),
            };
            let once = Itimerspec { it_interval: zero, it_value: value };
            rustix::time::timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::ABSTIME, &once)?;
            self.armed = Some(at);
        }
        Ok(())
    }

    async fn fired(&mut self) -> io::Result<()> {
        let mut ready = self.fd.readable().await?;
        ready.clear_ready();
        let mut expirations = [0; 8];
        match rustix::io::read(self.fd.get_ref(), &mut expirations) {
            Ok(_) => self.armed = None,
            // What woke us was an earlier setting.
            Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

impl Timer for BootTimer {
    fn now(&self) -> BootTime {
        boot_now()
    }

    async fn wait_until(&mut self, deadline: Option<BootTime>) {
        let Some(deadline) = deadline else { return std::future::pending().await };
        while boot_now() < deadline {
            let fired = match self.arm(deadline) {
                Ok(()) => self.fired().await,
                Err(error) => Err(error),
            };
            if fired.is_err() {
                // Not seen with a valid descriptor; a later packet is better than none.
                tokio::time::sleep(deadline.since(boot_now()).max(Duration::from_millis(1))).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_never_fires_early_and_can_be_set_again() {
        let mut timer = BootTimer::open().unwrap();
        for micros in [0, 300, 2500, 100] {
            let deadline = boot_now() + Duration::from_micros(micros);
            timer.wait_until(Some(deadline)).await;
            assert!(boot_now() >= deadline);
        }
    }

    #[tokio::test]
    async fn a_wait_that_was_given_up_does_not_disturb_the_next() {
        let mut timer = BootTimer::open().unwrap();
        let far = boot_now() + Duration::from_secs(3600);
        for _ in 0..3 {
            tokio::select! {
                biased;
                () = timer.wait_until(Some(far)) => panic!("an hour early"),
                () = tokio::task::yield_now() => {}
            }
            let near = boot_now() + Duration::from_millis(1);
            timer.wait_until(Some(near)).await;
            assert!(boot_now() >= near);
        }
    }
}
