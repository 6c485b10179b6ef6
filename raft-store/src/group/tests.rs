//! A group of one over real QUIC.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::bootstrap::founding_id;
use crate::log::LogStore;
use crate::model::Liveness;
use crate::net::quic::QuicWire;
use crate::net::testing::{Lab, NoHooks, until};
use crate::session::BootTime;
use crate::types::Member;

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_voter_is_its_own_majority_at_every_moment() {
    let lab = Lab::new();
    let folder = tempfile::tempdir().unwrap();
    let dispatcher = NodeDispatcher::new("lab", BTreeSet::new(), NoHooks);
    let wire = QuicWire::bind(lab.config("a"), dispatcher.clone()).unwrap();
    let member = Member { name: "a".into(), address: wire.local_addr().unwrap() };
    let (id, store) = (founding_id("lab", &member.name), LogStore::open(folder.path()).unwrap());
    let liveness = Liveness { ping: Duration::from_millis(10), hold: Duration::from_millis(60) };
    let alone = Participant::start("lab", id, store, wire, &dispatcher, liveness).await.unwrap();
    alone.found(BTreeMap::from([(id, member)])).await.unwrap();
    let now = BootTime(Duration::from_secs(100));
    until("it leads", || alone.leadership(now).is_some_and(|leadership| leadership.ready)).await;
    for _ in 0..20 {
        tokio::time::sleep(liveness.hold / 4).await;
        assert_eq!(alone.leadership(now).unwrap().acknowledged, Some(now));
    }
    alone.shutdown(&dispatcher).await;
}
