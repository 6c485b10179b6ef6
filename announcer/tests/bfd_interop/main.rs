//! BFD with FRR's bfdd and with BIRD, each in a network namespace of its own. Needs root.
//!
//! ```text
//!   ours  net0 ---- peer0  the peer's  far0 ---- near0  (a second peer behind it, for multihop)
//!   10.0.5.1         10.0.5.20   10.0.6.1    10.0.6.2
//! ```

mod bird;
mod daemon;
mod frr;
mod net;
mod node;
#[path = "../support/mod.rs"]
mod support;

mod detection;
mod with_bird;
mod with_frr;
