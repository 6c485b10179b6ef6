//! Which address a service gets. Pure: the same book, wanted state and list of touched objects give the same result on
//! every node.
//!
//! [`AddressBook`] remembers who has what; [`AddressBook::reconcile`] brings it up to date with the wanted state. What
//! stands and is still valid is never changed (P2), and an address belongs to one service, or to services that agreed to
//! share it (P1).
//!
//! Pools of all dialects may stand side by side. A service is tried against native, then Cilium's, then MetalLB's pools,
//! each by its own rules; all its addresses come from pools of one dialect. A service that speaks to a dialect (by its
//! annotations) is served by that dialect alone, as long as that dialect has a pool. What a service has decides first.
//!
//! Addresses that nodes have for themselves ([`Reserved`]) are never given out.
//!
//! Free space is kept as intervals over the usable addresses of each block, so that the size of a pool does not matter.

mod book;
mod choose;
mod conflict;
mod dual;
mod explain;
mod family;
mod fit;
mod free;
mod keep;
mod ledger;
mod pools;
mod reason;
mod reconcile;
mod request;
mod reserved;
mod sharing;
mod space;
mod span;
mod usage;
mod waiting;

#[cfg(test)]
mod tests;

pub use book::{AddressBook, AllocationChange, Grant, Touched};
pub use fit::{is_served, serving_dialects};
pub use reason::{Pending, Reason};
pub use reserved::Reserved;
pub use usage::PoolUsage;
