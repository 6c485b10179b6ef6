//! What each node tells its BGP routers. Pure functions from the wanted state, the book of addresses and what is known of
//! the nodes.
//!
//! [`Sessions`] says which sessions a node keeps, and with what settings: selectors, overrides and conflicts resolved.
//! [`Offering`] says what the services offer to be told, the same for every node. [`Announcer`] brings both together for
//! one node: a [`Table`] of routes for each audience (sessions that are told the same share one), kept up with every
//! change of a service, and [`Announcer::explain`] for the operator's question why an address is not told.
//!
//! An advertisement of a dialect is for peers of the same dialect, and for addresses from pools of that dialect or of
//! ours; a native one is for all pools. Advertisements that give the same prefix are merged: communities united, of local
//! preferences the highest. An aggregate stands beside the exact routes that others give for the same addresses and
//! leaves these untouched: routers take the longest match. A service with traffic policy Local is told by exact routes
//! only, from the nodes that have a ready backend, whatever aggregation says: an aggregate would draw in traffic for
//! addresses that the node has no backend for.
//!
//! BGP is not exclusive, so neither the node's place in the group nor a quorum is asked for (P11).

mod announcer;
mod attributes;
mod audience;
mod explain;
mod given;
mod node_tables;
mod offering;
mod prefix;
mod reason;
mod session;
mod shutdown;
mod stance;
mod table;
#[cfg(test)]
mod tests;
mod warnings;

pub use announcer::{Announcer, SessionChange, Turned, Update};
pub use attributes::{Attributes, DEFAULT_LOCAL_PREF, GRACEFUL_SHUTDOWN};
pub use explain::{Cause, Explanation, LiveSession, Obstacle, ToldRoute};
pub use reason::{NoSession, Untold};
pub use session::{NextHop, PeerKey, Session, SessionKind, Sessions};
pub use shutdown::{GracefulShutdown, Phase};
pub use table::{Route, RouteChange, Table};
pub use warnings::Caution;

pub(crate) use node_tables::NodeTables;
pub(crate) use offering::{Offering, with_grants};
pub(crate) use warnings::cautions;
