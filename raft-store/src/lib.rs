//! What the cluster knows and decides.
//!
//! The pure part: [`model`] (pools, services, nodes, policies), [`ipam`] (which address a service gets), [`placement`]
//! (which node answers for an address), [`advertise`] (what each node tells its routers) and [`machine`] (a command and a state give a state and events). The part that
//! touches the world: the replicated log on an embedded database, and its network on QUIC.

pub mod advertise;
pub mod bootstrap;
pub mod codec;
pub mod group;
pub mod ipam;
pub mod log;
pub mod machine;
pub mod model;
pub mod net;
pub mod pki;
pub mod placement;
pub mod plan;
pub mod replica;
pub mod restore;
pub mod runtime;
pub mod session;
pub mod types;
pub mod voters;
