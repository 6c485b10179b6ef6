use std::sync::Arc;

use quorumlb_raft_store::model::Liveness;
use quorumlb_raft_store::net::Service;
use quorumlb_raft_store::net::quic::{QuicConfig, QuicWire, Refusal, WireCounters};

use super::Linux;
use crate::ports::{Clock, Credentials, Wires};

impl Wires for Linux {
    type Wire = QuicWire;

    fn bind(&self, service: Arc<impl Service>, liveness: Liveness) -> Result<QuicWire, String> {
        let config = QuicConfig::new(self.options.listen, self.options.identity.clone(), self.random());
        QuicWire::bind(QuicConfig { liveness, ..config }, service).map_err(|error| error.to_string())
    }

    fn counters(wire: &QuicWire) -> WireCounters {
        wire.counters()
    }

    fn refusals(wire: &QuicWire) -> Vec<Refusal> {
        wire.refusals()
    }

    fn credentials(&self) -> Credentials {
        let identity = &self.options.identity;
        let until_ms = u64::try_from(identity.valid_until().unix_timestamp()).ok().map(|seconds| seconds * 1000);
        Credentials { authorities: identity.authorities().to_vec(), until_ms }
    }
}
