//! What the admin side may ask of a node. The node implements it; tests put their own in its place.

use std::future::Future;
use std::time::Duration;

use quorumlb_raft_store::machine::{Command, Outcome};
use quorumlb_raft_store::net::ProposeError;
use quorumlb_raft_store::replica::View;

use crate::status::StatusBoard;

/// The node, as the admin side sees it.
pub trait Desk: Clone + Send + Sync + 'static {
    /// What the node knows of itself.
    fn status(&self) -> StatusBoard;

    /// The replicated state as this node has applied it; `None` while it is not part of the group, or stands aside.
    fn view(&self) -> Option<View>;

    /// Proposes a command in this node's name; resolves when it is applied, at most after `patience`.
    fn propose(
        &self,
        command: Command,
        patience: Duration,
    ) -> impl Future<Output = Result<Outcome, ProposeError>> + Send;

    /// The node hands over, leaves the group for good and stops; resolves when it has handed over.
    ///
    /// # Errors
    /// In words, when it cannot.
    fn leave(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// The wall clock, milliseconds since 1970; for display only.
    fn wall_ms(&self) -> u64;
}
