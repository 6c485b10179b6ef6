//! BGP as a speaker towards routers: what a node wants to be reached at is announced, nothing is imported.
//!
//! ```text
//!   routes ──> rib::AdjRibOut ──(packed UPDATEs)──┐
//!                                                 v
//!   session::Session <──(bytes, events, now)── driver ──> transport ──> router
//! ```
//!
//! [`message`] (octets in, octets out), [`session`] (RFC 4271's state machine, one for each peer) and [`rib`] (what is
//! announced, shared by all peers that get the same) are pure: time is an argument, randomness a seed, and nothing opens a
//! socket. [`driver`] joins the three in one task for each peer, over the ports of [`transport`], which has the real
//! sockets, too.

pub mod driver;
pub mod message;
pub mod rib;
pub mod session;
pub mod transport;
mod types;

pub use types::{AfiSafi, Family, NextHop, Prefix, PrefixError};
