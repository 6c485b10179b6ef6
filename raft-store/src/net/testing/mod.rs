//! What the tests of this room share.

mod store;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use time::OffsetDateTime;

use super::quic::{QuicConfig, QuicWire};
use super::{Hooks, Service, Wire};
use crate::codec::WIRE_VERSION;
use crate::model::NodeName;
use crate::pki::{AUTHORITY_CERTIFICATE, Identity, Validity, init, issue};
use crate::types::Member;

pub(crate) use store::{MemoryLog, MemoryMachine};

/// A cluster's authority in a folder of its own.
pub(crate) struct Lab {
    dir: tempfile::TempDir,
    now: OffsetDateTime,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self { dir: tempfile::tempdir().unwrap(), now: OffsetDateTime::now_utc() };
        init(lab.dir.path(), "lab", lab.validity()).unwrap();
        lab
    }

    fn validity(&self) -> Validity {
        Validity { from: self.now, days: 30 }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// A node's identity; the same one each time.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        let file = |ending: &str| self.dir.path().join(format!("{name}.{ending}"));
        if !file("crt").exists() {
            issue(self.dir.path(), &name.into(), self.dir.path(), self.validity()).unwrap();
        }
        let authority = self.dir.path().join(AUTHORITY_CERTIFICATE);
        Identity::load(&authority, &file("crt"), &file("key"), OffsetDateTime::now_utc()).unwrap()
    }

    pub(crate) fn config(&self, name: &str) -> QuicConfig {
        QuicConfig::new(([127, 0, 0, 1], 0).into(), self.identity(name), 1)
    }

    pub(crate) fn start(&self, name: &str) -> Peer {
        Peer::start(self.config(name))
    }
}

/// A node that answers with who asked and what.
pub(crate) struct Peer {
    pub(crate) wire: QuicWire,
    pub(crate) member: Member,
    pub(crate) service: Arc<Echo>,
}

impl Peer {
    pub(crate) fn start(config: QuicConfig) -> Self {
        let service = Arc::new(Echo::default());
        let name = config.identity.name().clone();
        let wire = QuicWire::bind(config, service.clone()).unwrap();
        let member = Member { name, address: wire.local_addr().unwrap() };
        Self { wire, member, service }
    }

    /// Asks, and says what came of it as text.
    pub(crate) async fn ask(&self, to: &Member, text: &str) -> Result<String, super::WireError> {
        let mut request = vec![b'M', WIRE_VERSION];
        request.extend_from_slice(text.as_bytes());
        let answer = self.wire.call(to, super::Lane::Client, request, Duration::from_secs(5)).await?;
        Ok(String::from_utf8(answer).unwrap())
    }
}

#[derive(Default)]
pub(crate) struct Echo {
    pub(crate) notices: Mutex<Vec<(NodeName, Vec<u8>)>>,
}

impl Service for Echo {
    async fn call(&self, from: NodeName, request: Vec<u8>) -> Vec<u8> {
        format!("{from}: {}", String::from_utf8_lossy(&request[2..])).into_bytes()
    }

    fn notify(&self, from: NodeName, datagram: Vec<u8>) {
        self.notices.lock().unwrap().push((from, datagram));
    }
}

/// Hears nothing and admits everyone.
pub(crate) struct NoHooks;

impl Hooks for NoHooks {
    fn notice(&self, _: NodeName, _: Vec<u8>) {}

    fn leader_heard(&self, _: u64) {}

    fn admits(&self, _: &Member) -> Result<(), String> {
        Ok(())
    }
}

/// Waits until `condition` holds; gives up, loudly, after a time that only a failure takes.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
