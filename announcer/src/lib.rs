//! Telling the network who answers for an address.
//!
//! [`arp`] and [`ndp`] (packet in, packet out) and [`segment`] (one state machine for each interface: what is owned, what
//! is announced when, what is answered), all behind a [`fence`]: these are pure. The edge to the kernel is [`socket`] (raw
//! frames in and out), [`link`] (interfaces and their addresses), [`hold`] (addresses on the loopback interface) and
//! [`clock`]; it decides nothing.
//!
//! Packets are read and written with `pnet_packet`. Time is [`BootTime`] everywhere, because the fence is.

pub mod arp;
pub mod clock;
mod ethernet;
pub mod fence;
pub mod hold;
pub mod link;
pub mod ndp;
mod netlink;
pub mod segment;
pub mod socket;
mod sysctl;
mod wire;

pub use clock::boot_now;
pub use fence::{BootTime, Fence, FencedFrame, Fencing};
pub use hold::Holder;
pub use link::{Link, LinkWatch};
pub use pnet_base::MacAddr;
pub use socket::SegmentSocket;
pub use wire::{Claim, Heard, Malformed, Question};
