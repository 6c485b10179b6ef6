//! A replica that is restarted from its snapshot and the rest of the log equals one that applied everything.

use futures::stream;
use openraft::EntryPayload;
use openraft::alias::EntryOf;
use openraft::entry::RaftEntry;
use openraft::storage::{RaftSnapshotBuilder, RaftStateMachine};

use super::*;
use crate::machine::{Command, Event, Incarnation, Proposal};
use crate::model::{Delta, NodeName, Object, Service, ServiceKey};

fn entry(index: u64) -> EntryOf<TypeConfig> {
    let service = Service::bare(ServiceKey::new("default", format!("s{index}")));
    let command = match index {
        1 => Command::OpenSession { node: "node1".into(), incarnation: Incarnation(1) },
        _ => Command::Configure(Delta { put: vec![Object::Service(Box::new(service))], ..Delta::default() }),
    };
    let id = openraft::testing::log_id::<TypeConfig>(1, 1, index);
    EntryOf::<TypeConfig>::new(id, EntryPayload::Normal(Proposal { at_ms: index, by: NodeName::from("a"), command }))
}

async fn apply(replica: &mut Replica, indexes: std::ops::Range<u64>) {
    replica.apply(stream::iter(indexes.map(|index| Ok((entry(index), None))))).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_and_the_rest_of_the_log_give_the_same_state() {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open(directory.path()).unwrap();
    let mut first = Replica::new(&store);
    apply(&mut first, 1..10).await;
    first.get_snapshot_builder().await.build_snapshot().await.unwrap();
    apply(&mut first, 10..15).await;
    let expected = first.view().read(State::clone);
    drop((first, store));

    let store = LogStore::open(directory.path()).unwrap();
    let mut second = Replica::new(&store);
    let snapshot = second.get_current_snapshot().await.unwrap().expect("it was stored");
    second.install_snapshot(&snapshot.meta, snapshot.snapshot).await.unwrap();
    assert_eq!(second.view().applied().unwrap().index, 9);
    apply(&mut second, 10..15).await;
    assert_eq!(second.view().read(State::clone), expected);
}

#[tokio::test]
async fn followers_see_the_state_and_then_every_change() {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open(directory.path()).unwrap();
    let mut replica = Replica::new(&store);
    apply(&mut replica, 1..3).await;
    let view = replica.view();
    let (index, mut changes) = view.follow(|state, index| {
        assert_eq!(state.wanted.services.len(), 1);
        index
    });
    assert_eq!(index, Some(2));
    apply(&mut replica, 3..5).await;
    let Ok(Change::Records(records)) = changes.try_recv() else { panic!("no change was told") };
    assert!(records.iter().all(|record| record.index > 2));
    assert!(records.iter().any(|record| matches!(record.event, Event::Pending { .. })), "{records:?}");
    let all = view.events(None, 100);
    assert!(matches!(all[0].event, Event::SessionOpened { .. }), "{all:?}");
}
