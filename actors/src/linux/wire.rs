use std::sync::Arc;

use quorumlb_raft_store::model::Liveness;
use quorumlb_raft_store::net::Service;
use quorumlb_raft_store::net::quic::{QuicConfig, QuicWire, WireCounters};

use super::Linux;
use crate::ports::{Clock, Wires};

impl Wires for Linux {
    type Wire = QuicWire;

    fn bind(&self, service: Arc<impl Service>, liveness: Liveness) -> Result<QuicWire, String> {
        let config = QuicConfig::new(self.options.listen, self.options.identity.clone(), self.random());
        QuicWire::bind(QuicConfig { liveness, ..config }, service).map_err(|error| error.to_string())
    }

    fn counters(wire: &QuicWire) -> WireCounters {
        wire.counters()
    }
}
