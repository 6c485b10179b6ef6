//! How the nodes reach each other.

use std::sync::Arc;

use quorumlb_raft_store::model::Liveness;
use quorumlb_raft_store::net::quic::WireCounters;
use quorumlb_raft_store::net::{Service, Wire};

/// Binds the node's wire.
pub trait Wires {
    /// The wire.
    type Wire: Wire;

    /// Listens, and hands what arrives to `service`.
    ///
    /// # Errors
    /// In words for the operator.
    fn bind(&self, service: Arc<impl Service>, liveness: Liveness) -> Result<Self::Wire, String>;

    /// What came of its connections so far.
    fn counters(wire: &Self::Wire) -> WireCounters;
}
