//! How the nodes talk: the wire port and QUIC behind it, the messages, and openraft's network on top.
//!
//! Layers, from the bottom: [`Wire`] carries bytes to a named node and proves who sent what (the simulator puts its own
//! fabric in the place of [`quic::QuicWire`]); [`crate::codec`] turns messages into bytes in the version that both ends
//! speak; [`RaftNetwork`] is openraft's view of it; [`Dispatcher`] is the receiving side; [`Forwarder`] brings proposals to the
//! leader.

mod call;
mod dispatch;
mod forward;
mod group;
mod message;
mod network;
pub mod quic;
mod snapshot;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod wire;

pub use call::{CallError, call};
pub use dispatch::{Dispatcher, Hooks};
pub use forward::{Forwarder, Group, Leader, ProposeError, Written, repeatable};
pub use group::RaftGroup;
pub use message::{JoinAnswer, ProposeAnswer, RaftAnswer, RaftCall, Refusal, Request, Response, SnapshotPart};
pub use network::{RaftNetwork, RaftNetworks};
pub use snapshot::SNAPSHOT_LIMIT;
pub use wire::{Lane, Service, Wire, WireError, WireVersion};
