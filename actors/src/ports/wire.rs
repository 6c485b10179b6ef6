//! How the nodes reach each other.

use std::sync::Arc;

use quorumlb_raft_store::model::Liveness;
use quorumlb_raft_store::net::quic::{Refusal, WireCounters};
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

    /// Nodes that there is no connection with because of a certificate.
    fn refusals(_wire: &Self::Wire) -> Vec<Refusal> {
        Vec::new()
    }

    /// What the node proves itself with.
    fn credentials(&self) -> Credentials {
        Credentials::default()
    }
}

/// What a node proves itself with, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The fingerprints (SHA-256) of the authorities that it trusts.
    pub authorities: Vec<String>,
    /// When its certificate ends, milliseconds since 1970; `None` where there are no certificates.
    pub until_ms: Option<u64>,
}
