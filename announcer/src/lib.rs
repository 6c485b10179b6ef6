//! Telling the network who answers for an address.
//!
//! [`arp`] and [`ndp`] (packet in, packet out) and [`segment`] (one state machine for each interface: what is owned, what
//! is announced when, what is answered), all behind a [`fence`]: these are pure. The edge to the kernel is [`socket`] (raw
//! frames in and out), [`link`] (interfaces and their addresses), [`hold`] (addresses on the loopback interface) and
//! [`clock`]; it decides nothing. [`bgp`] and [`bfd`] speak to routers, which [`router`] finds where none is configured.
//!
//! [`bgp`] tells routers: codec, sessions and routes are pure, too, with a driver and sockets at its own edge.
//!
//! Packets are read and written with `pnet_packet`. Time is [`BootTime`] everywhere, because the fence is.

pub mod arp;
pub mod bfd;
pub mod bgp;
pub mod clock;
mod ethernet;
pub mod fence;
pub mod hold;
pub mod link;
pub mod ndp;
mod netlink;
pub mod router;
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
