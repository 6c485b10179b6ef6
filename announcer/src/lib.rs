//! Telling the network who answers for an address.
//!
//! [`arp`] and [`ndp`] (packet in, packet out) and [`segment`] (one state machine for each interface: what is owned, what
//! is announced when, what is answered), all behind a [`fence`]. All of it is pure; sockets belong to the caller.
//!
//! Packets are read and written with `pnet_packet`. Time is [`BootTime`] everywhere, because the fence is.

pub mod arp;
mod ethernet;
pub mod fence;
pub mod ndp;
pub mod segment;
mod wire;

pub use fence::{BootTime, Fence, FencedFrame, Fencing};
pub use pnet_base::MacAddr;
pub use wire::{Claim, Heard, Malformed, Question};
