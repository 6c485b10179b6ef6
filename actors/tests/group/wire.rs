//! The wire between simulated nodes: real messages in real framing, carried by the fabric.

use std::future::pending;
use std::time::Duration;

use quorumlb_raft_store::codec::WIRE_VERSION;
use quorumlb_raft_store::net::{Lane, Wire, WireError, WireVersion};
use quorumlb_raft_store::types::Member;
use tokio::time::timeout;

use super::fabric::Fabric;

#[derive(Clone)]
pub struct SimWire {
    pub me: String,
    pub fabric: Fabric,
}

impl Wire for SimWire {
    async fn version(&self, _: &Member, _: Lane, _: Duration) -> Result<WireVersion, WireError> {
        Ok(WIRE_VERSION)
    }

    async fn call(&self, to: &Member, _: Lane, request: Vec<u8>, ttl: Duration) -> Result<Vec<u8>, WireError> {
        let answered = self.fabric.ask(&self.me, &to.name.0, request);
        let answered = async {
            match answered.await {
                Ok(answer) => answer,
                Err(_) => pending().await,
            }
        };
        timeout(ttl, answered).await.map_err(|_| WireError::Timeout { to: to.clone(), ttl })
    }

    fn version_now(&self, _: &Member) -> Option<WireVersion> {
        Some(WIRE_VERSION)
    }

    fn notify(&self, to: &Member, datagram: Vec<u8>) -> Result<(), WireError> {
        self.fabric.notice(&self.me, &to.name.0, datagram);
        Ok(())
    }
}
