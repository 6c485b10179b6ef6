//! Our speaker and the routers of others: FRR, BIRD, GoBGP and ExaBGP, each in a namespace of its own.

#[path = "../support/mod.rs"]
mod support;

mod bird;
mod exabgp;
mod frr;
mod garbage;
mod gobgp;
mod restart;
mod router;
mod sockets;
mod speaker;
mod unnumbered;
