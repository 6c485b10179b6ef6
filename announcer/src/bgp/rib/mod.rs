//! What is announced: one table for all peers that get the same routes. Pure; `shared` adds waking for the driver's tasks.
//!
//! ```text
//!   announce, withdraw, replace ──> routes: prefix -> attributes, version of its last change
//!                                      log: version -> prefix          each prefix once, at its last change
//!                                        │
//!        peer's cursor (a version) ──────┴──> pull: the next changes, packed into UPDATEs
//! ```
//!
//! Each change gets the next version. A peer keeps only the version up to which it was told everything, and takes what comes
//! after it when it can send: a slow peer costs nothing, and what changed twice meanwhile is sent once. What was packed for
//! one peer is kept for a while for others of the same [`Profile`] at the same position, as the same bytes.
//!
//! | file | what |
//! |---|---|
//! | `route` | attributes of a route |
//! | `profile` | what UPDATEs to a peer depend on |
//! | `pack` | changes to UPDATEs |
//! | `table` | routes, log, cursors |
//! | `cache` | what was packed and may be shared |
//! | `saved` | a table that goes on in another process |
//! | `shared` | the table between tasks |

mod cache;
mod pack;
mod profile;
mod route;
mod saved;
mod shared;
mod table;

pub use pack::Batch;
pub use profile::{OwnAddresses, Profile};
pub use route::{Attributes, GRACEFUL_SHUTDOWN, LargeCommunity, RouteNextHop, TooLong};
pub use saved::{Position, Saved};
pub use shared::{SharedRib, Subscription};
pub use table::{AdjRibOut, Changed, PeerId};

#[cfg(test)]
mod tests;
