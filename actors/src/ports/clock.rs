//! Time and randomness.

use quorumlb_raft_store::session::BootTime;

/// The node's clocks, and its randomness. Timers are tokio's own.
pub trait Clock {
    /// CLOCK_BOOTTIME: goes on while the machine is suspended.
    fn boot_now(&self) -> BootTime;

    /// The wall clock, in milliseconds since 1970: shown to people, never decided on.
    fn wall_ms(&self) -> u64;

    /// 64 random bits.
    fn random(&self) -> u64;
}
