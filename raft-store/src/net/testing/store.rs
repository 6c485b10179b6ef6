//! A log and a state machine in memory.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex};

use futures::{Stream, TryStreamExt};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf, VoteOf};
use openraft::entry::RaftEntry;
use openraft::storage::{
    EntryResponder, IOFlushed, LogState, RaftLogReader, RaftLogStorage, RaftSnapshotBuilder, RaftStateMachine,
};
use openraft::{EntryPayload, OptionalSend};

use crate::machine::{Outcome, Proposal};
use crate::types::TypeConfig as T;

#[derive(Default)]
struct Stored {
    entries: BTreeMap<u64, EntryOf<T>>,
    vote: Option<VoteOf<T>>,
    committed: Option<LogIdOf<T>>,
    purged: Option<LogIdOf<T>>,
}

#[derive(Clone, Default)]
pub(crate) struct MemoryLog(Arc<Mutex<Stored>>);

impl RaftLogReader<T> for MemoryLog {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> io::Result<Vec<EntryOf<T>>> {
        Ok(self.0.lock().unwrap().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> io::Result<Option<VoteOf<T>>> {
        Ok(self.0.lock().unwrap().vote)
    }
}

impl RaftLogStorage<T> for MemoryLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<T>> {
        let stored = self.0.lock().unwrap();
        let last = stored.entries.values().next_back().map(|entry| entry.log_id()).or(stored.purged);
        Ok(LogState { last_purged_log_id: stored.purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<T>) -> io::Result<()> {
        self.0.lock().unwrap().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<T>>) -> io::Result<()> {
        self.0.lock().unwrap().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogIdOf<T>>> {
        Ok(self.0.lock().unwrap().committed)
    }

    async fn append<I>(&mut self, entries: I, flushed: IOFlushed<T>) -> io::Result<()>
    where
        I: IntoIterator<Item = EntryOf<T>> + OptionalSend,
    {
        self.0.lock().unwrap().entries.extend(entries.into_iter().map(|entry| (entry.index(), entry)));
        flushed.io_completed(Ok(()));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogIdOf<T>>) -> io::Result<()> {
        self.0.lock().unwrap().entries.split_off(&last.map_or(0, |last| last.index() + 1));
        Ok(())
    }

    async fn purge(&mut self, upto: LogIdOf<T>) -> io::Result<()> {
        let mut stored = self.0.lock().unwrap();
        stored.entries = stored.entries.split_off(&(upto.index() + 1));
        stored.purged = Some(upto);
        Ok(())
    }
}

#[derive(Default)]
struct Applied {
    last: Option<LogIdOf<T>>,
    membership: StoredMembershipOf<T>,
    proposals: Vec<Proposal>,
    snapshot: Option<(SnapshotMetaOf<T>, Vec<u8>)>,
    installed: usize,
}

#[derive(Clone, Default)]
pub(crate) struct MemoryMachine(Arc<Mutex<Applied>>);

impl MemoryMachine {
    pub(crate) fn proposals(&self) -> Vec<Proposal> {
        self.0.lock().unwrap().proposals.clone()
    }

    /// How many snapshots came from elsewhere.
    pub(crate) fn installed(&self) -> usize {
        self.0.lock().unwrap().installed
    }
}

impl RaftSnapshotBuilder<T> for MemoryMachine {
    type SnapshotData = Vec<u8>;

    async fn build_snapshot(&mut self) -> io::Result<SnapshotOf<T, Vec<u8>>> {
        let mut applied = self.0.lock().unwrap();
        let meta = SnapshotMetaOf::<T> { last_log_id: applied.last, last_membership: applied.membership.clone() };
        let snapshot =
            bincode::serde::encode_to_vec(&applied.proposals, bincode::config::standard()).map_err(io::Error::other)?;
        applied.snapshot = Some((meta.clone(), snapshot.clone()));
        Ok(SnapshotOf::<T, Vec<u8>> { meta, snapshot })
    }
}

impl RaftStateMachine<T> for MemoryMachine {
    type SnapshotData = Vec<u8>;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> io::Result<(Option<LogIdOf<T>>, StoredMembershipOf<T>)> {
        let applied = self.0.lock().unwrap();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<T>>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            {
                let mut applied = self.0.lock().unwrap();
                applied.last = Some(entry.log_id);
                match &entry.payload {
                    EntryPayload::Blank => {}
                    EntryPayload::Normal(proposal) => applied.proposals.push(proposal.clone()),
                    EntryPayload::Membership(membership) => {
                        applied.membership = StoredMembershipOf::<T>::new(Some(entry.log_id), membership.clone());
                    }
                }
            }
            if let Some(responder) = responder {
                responder.send(Outcome::Done);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<T>, snapshot: Vec<u8>) -> io::Result<()> {
        let (proposals, _) =
            bincode::serde::decode_from_slice(&snapshot, bincode::config::standard()).map_err(io::Error::other)?;
        let mut applied = self.0.lock().unwrap();
        applied.last = meta.last_log_id;
        applied.membership = meta.last_membership.clone();
        applied.proposals = proposals;
        applied.snapshot = Some((meta.clone(), snapshot));
        applied.installed += 1;
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<T, Vec<u8>>>> {
        let snapshot = self.0.lock().unwrap().snapshot.clone();
        Ok(snapshot.map(|(meta, snapshot)| SnapshotOf::<T, Vec<u8>> { meta, snapshot }))
    }
}
