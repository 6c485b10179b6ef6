//! The router at the other end of an interface, for BGP sessions over link-local addresses ("unnumbered").
//!
//! ```text
//!   solicitations, own advertisements <── Discovery <── advertisements, solicitations
//!                                            │
//!                                            v
//!                                         Outcome
//! ```
//!
//! Routers are found by their advertisements (RFC 4861), asked for by solicitations. One with a router lifetime of 0 is
//! a router, too: it only does not want to be a host's default router.
//!
//! Such sessions need both ends to know each other, and a router that has `neighbor eth0 interface` learns this node in
//! the same way: FRR refuses connections from an address from which it has heard no advertisement. So this node
//! advertises itself, with a router lifetime of 0, no prefixes and no flags: no host sends it packets for that.
//!
//! [`Discovery`] is pure; [`NeighbourWatch`] joins it to an ICMPv6 socket.

mod advertiser;
mod discovery;
mod options;
mod outcome;
mod packet;
mod socket;
#[cfg(test)]
mod tests;
mod watch;

pub use discovery::{Counters, Discovery, Router, Settings, Transmit};
pub use outcome::{LocalEnd, Outcome};
pub use packet::{Arrival, Discard};
pub use watch::NeighbourWatch;
