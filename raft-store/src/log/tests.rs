//! The log against openraft's conformance suite, against `kill -9` and against a disk that fails.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::process::{Command as Process, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use openraft::alias::{EntryOf, LogIdOf, OneshotReceiverOf};
use openraft::entry::RaftEntry;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftLogStorageExt};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::{EntryPayload, StorageError};

use super::*;
use crate::machine::{Command, Proposal};
use crate::model::NodeName;
use crate::replica::Replica;
use crate::types::TypeConfig;

/// Set in the child that appends until it is killed: the data directory.
const CHILD: &str = "QUORUMLB_TEST_APPEND";
const ROUNDS: u64 = 100;

fn log_id(index: u64) -> LogIdOf<TypeConfig> {
    openraft::testing::log_id::<TypeConfig>(1, 1, index)
}

fn entry(index: u64) -> EntryOf<TypeConfig> {
    let node = NodeName(format!("node{index}"));
    let command = Command::Forget { node: node.clone() };
    EntryOf::<TypeConfig>::new(log_id(index), EntryPayload::Normal(Proposal { at_ms: index, by: node, command }))
}

struct Fresh;

impl StoreBuilder<TypeConfig, LogStore, Replica, tempfile::TempDir> for Fresh {
    async fn build(&self) -> Result<(tempfile::TempDir, LogStore, Replica), StorageError<TypeConfig>> {
        let directory = tempfile::tempdir().unwrap();
        let store = LogStore::open(directory.path()).unwrap();
        let replica = Replica::new(&store);
        Ok((directory, store, replica))
    }
}

#[tokio::test]
async fn openrafts_conformance_suite_passes() {
    Suite::test_all(Fresh).await.unwrap();
}

#[tokio::test]
async fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open(directory.path()).unwrap();
    let error = LogStore::open(directory.path()).err().expect("a second open must fail");
    assert!(matches!(error, OpenError::Locked { .. }), "{error}");
    assert!(error.to_string().contains("another process"), "{error}");
    drop(store);
    LogStore::open(directory.path()).unwrap();
}

#[tokio::test]
async fn what_a_node_keeps_for_itself_survives() {
    let directory = tempfile::tempdir().unwrap();
    let kept = Local { identity: Some(7), cluster: "lab".into(), generation: 2, ..Local::default() };
    let store = LogStore::open(directory.path()).unwrap();
    assert_eq!(store.local().node().unwrap(), Local::default());
    store.local().set_node(&kept).await.unwrap();
    drop(store);
    assert_eq!(LogStore::open(directory.path()).unwrap().local().node().unwrap(), kept);
}

/// Not a test of its own: what [`kill_nine_loses_nothing_acknowledged`] runs and kills.
#[tokio::test]
async fn append_until_killed() {
    let Some(directory) = std::env::var_os(CHILD) else { return };
    let mut store = LogStore::open(Path::new(&directory)).unwrap();
    let begin = store.get_log_state().await.unwrap().last_log_id.map_or(0, |last| last.index + 1);
    for index in begin.. {
        store.blocking_append([entry(index)]).await.unwrap();
        println!("acknowledged {index}");
    }
}

#[tokio::test]
async fn kill_nine_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let mut acknowledged = None;
    for round in 0..ROUNDS {
        let mut child = Process::new(&program)
            .args(["--exact", "log::tests::append_until_killed", "--nocapture"])
            .env(CHILD, directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // A different number of appends each round, so that the kill comes at different moments.
        let mut left = 1 + round % 7;
        for line in lines.map_while(Result::ok) {
            let Some(index) = line.split("acknowledged ").nth(1).and_then(|index| index.parse::<u64>().ok()) else {
                continue;
            };
            acknowledged = acknowledged.max(Some(index));
            left = left.saturating_sub(1);
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        let mut store = LogStore::open(directory.path()).unwrap();
        let last = store.get_log_state().await.unwrap().last_log_id.map(|last| last.index);
        assert!(last >= acknowledged, "round {round}: {acknowledged:?} was acknowledged, {last:?} is the last");
        let all = store.try_get_log_entries(0..).await.unwrap();
        assert!((0_u64..).zip(&all).all(|(index, found)| *found == entry(index)), "round {round}");
    }
    assert!(acknowledged >= Some(ROUNDS));
}

/// A disk in memory that can be told to fail.
#[derive(Clone, Debug, Default)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    fault: Arc<AtomicU8>,
}

const NO_ROOM: u8 = 1;
const SYNC_FAILS: u8 = 2;

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let bytes = self.bytes.lock().unwrap();
        let begin = usize::try_from(offset).unwrap();
        out.copy_from_slice(&bytes[begin..begin + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.bytes.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        match self.fault.load(Ordering::Relaxed) {
            SYNC_FAILS => Err(io::Error::other("the medium is gone")),
            _ => Ok(()),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.fault.load(Ordering::Relaxed) == NO_ROOM {
            return Err(ErrorKind::StorageFull.into());
        }
        let begin = usize::try_from(offset).unwrap();
        self.bytes.lock().unwrap()[begin..begin + data.len()].copy_from_slice(data);
        Ok(())
    }
}

async fn append(store: &mut LogStore, index: u64) -> io::Result<()> {
    let (done, flushed): (_, OneshotReceiverOf<TypeConfig, io::Result<()>>) = TypeConfig::oneshot();
    store.append([entry(index)], IOFlushed::signal(done)).await?;
    flushed.await.map_err(io::Error::other)?
}

#[tokio::test]
async fn a_failing_disk_is_told_and_nothing_acknowledged_is_lost() {
    let expected = BTreeMap::from([
        (NO_ROOM, StorageHealth::Full),
        (SYNC_FAILS, StorageHealth::Failed("the medium is gone".into())),
    ]);
    for (fault, health) in expected {
        let disk = Disk::default();
        let mut store = LogStore::with_backend(disk.clone(), LogOptions::default(), inline).unwrap();
        append(&mut store, 0).await.unwrap();
        append(&mut store, 1).await.unwrap();
        assert_eq!(store.health().current(), StorageHealth::Ok);
        disk.fault.store(fault, Ordering::Relaxed);
        append(&mut store, 2).await.unwrap_err();
        assert_eq!(store.health().current(), health);
        append(&mut store, 3).await.unwrap_err();
        disk.fault.store(0, Ordering::Relaxed);
        append(&mut store, 3).await.expect_err("a failed store stays failed until it is opened again");
        drop(store);
        let mut store = LogStore::with_backend(disk, LogOptions::default(), inline).unwrap();
        let last = store.get_log_state().await.unwrap().last_log_id.unwrap().index;
        assert!(last >= 1, "{fault}: entry 1 was acknowledged, {last} is the last");
        append(&mut store, last + 1).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_that_is_opened_again_weighs_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = LogStore::open(directory.path()).unwrap();
    assert_eq!(store.bytes_after(None), 0);
    for index in 0..20 {
        append(&mut store, index).await.unwrap();
    }
    let all = store.bytes_after(None);
    assert!(all > 20 * 10, "{all}");
    assert_eq!((store.bytes_after(Some(19)), store.behind(0)), (0, None), "nothing follows the last");
    drop(store);
    let mut store = LogStore::open(directory.path()).unwrap();
    assert_eq!(store.bytes_after(None), all);
    store.purge(log_id(19)).await.unwrap();
    assert_eq!(store.bytes_after(None), 0);
}

#[tokio::test]
async fn how_far_the_log_is_committed_is_noted_now_and_then() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = LogStore::open(directory.path()).unwrap();
    for index in 0..100 {
        append(&mut store, index).await.unwrap();
        store.save_committed(Some(log_id(index))).await.unwrap();
    }
    assert_eq!(store.read_committed().await.unwrap(), Some(log_id(99)));
    drop(store);
    let mut store = LogStore::open(directory.path()).unwrap();
    let noted = store.read_committed().await.unwrap().unwrap().index;
    assert!((99 - 64..99).contains(&noted), "{noted}");
}

#[test]
fn a_probe_tells_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    probe(directory.path()).unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "it leaves nothing behind");
    assert_eq!(probe(&directory.path().join("missing")).unwrap_err().kind(), ErrorKind::NotFound);
}
