//! Node liveness and fencing, without I/O.
//!
//! Every node pings the leader ([`Pinger`]); the leader keeps a ledger of what it promised ([`Ledger`]). Three rules make
//! promise P3 (one answer) hold whatever is partitioned, paused or killed:
//!
//! 1. A node counts an answer from the moment it *sent* the ping, so delay only shortens a session.
//! 2. The leader answers only while a quorum has lately acknowledged it, and takes the age of that acknowledgement off
//!    the promise. So every promise ends at most `hold` after the send time of a heartbeat that a quorum acknowledged.
//! 3. The leader expires a session only when its promise, plus a margin for clocks that run up to 1 % apart, has run
//!    out. A new leader did not hear the promises of the old one; it waits as if the last heartbeat that any majority
//!    of voters *received* from an older leader had given a full promise ([`Witness`]). A majority that acknowledged the
//!    old leader shares a voter with the majority that reports, so no acknowledged heartbeat is later than that.
//!
//! No clocks are compared between nodes. All times are [`BootTime`]: they go on while the machine is suspended.

mod boot;
mod ledger;
mod message;
mod pinger;
mod witness;

pub use boot::BootTime;
pub use ledger::{Leadership, Ledger, LedgerSettings, SessionView};
pub use message::{Answer, Notice, Ping, Pong};
pub use pinger::{Fence, Pinger, PingerOutput};
pub use witness::Witness;
