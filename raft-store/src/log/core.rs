//! The queue of writes, and the commit that serves it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::LogIdOptionExt;
use openraft::alias::{EntryOf, LogIdOf, VoteOf};
use openraft::storage::IOFlushed;
use redb::{Database, ReadTransaction, ReadableDatabase};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::health::{Health, HealthWatch};
use super::tables::{self, Loaded, Write};
use super::tail::{Sequence, Tail};
use super::weight::Weight;
use super::{LogOptions, error};
use crate::types::TypeConfig;

/// The note of how far the log is committed may be so many entries behind: it costs pages of its own in each write, and
/// only spares a node that starts anew a moment's wait for the leader's word.
const NOTE_EVERY: u64 = 64;

/// What a permit of [`Core::room`] stands for, in bytes.
const ROOM_UNIT: usize = 1024;

/// A store without the port that runs its commits.
pub(super) struct Core {
    database: Database,
    shared: Mutex<Shared>,
    /// Held while a commit runs: one at a time, in the queue's order.
    committing: Mutex<()>,
    health: Health,
    /// Bounds the bytes of entries in the queue.
    room: Arc<Semaphore>,
    room_units: u32,
}

/// What is true once all that waits is committed.
struct Shared {
    tail: Tail,
    weight: Weight,
    queue: VecDeque<Job>,
    last_sequence: Sequence,
    /// The vote on disk: it counts only when it is durable.
    vote: Option<VoteOf<TypeConfig>>,
    committed: Committed,
    /// Why nothing is written any more.
    failed: Option<io::Error>,
}

#[derive(Clone, Copy)]
struct Committed {
    log_id: Option<LogIdOf<TypeConfig>>,
    /// The one on disk.
    stored: Option<LogIdOf<TypeConfig>>,
}

struct Job {
    sequence: Sequence,
    write: Write,
    done: IOFlushed<TypeConfig>,
    _room: Option<OwnedSemaphorePermit>,
}

impl Core {
    pub(super) fn new(database: Database, loaded: Loaded, options: LogOptions) -> Self {
        let room_units = u32::try_from(options.queue_bytes / ROOM_UNIT).unwrap_or(u32::MAX).max(1);
        let units = usize::try_from(room_units).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
        Self {
            database,
            shared: Mutex::new(Shared {
                tail: Tail::new(options.tail_bytes, loaded.begin, loaded.purged, loaded.last),
                weight: loaded.weight,
                queue: VecDeque::new(),
                last_sequence: 0,
                vote: loaded.vote,
                committed: Committed { log_id: loaded.committed, stored: loaded.committed },
                failed: None,
            }),
            committing: Mutex::new(()),
            health: Health::new(),
            room: Arc::new(Semaphore::new(units)),
            room_units,
        }
    }

    pub(super) fn health(&self) -> HealthWatch {
        self.health.watch()
    }

    /// Waits until the queue has room for so many bytes of entries.
    pub(super) async fn reserve(&self, bytes: usize) -> io::Result<OwnedSemaphorePermit> {
        let units = u32::try_from(bytes.div_ceil(ROOM_UNIT)).unwrap_or(u32::MAX).min(self.room_units);
        Arc::clone(&self.room).acquire_many_owned(units).await.map_err(io::Error::other)
    }

    /// Puts entries at the end of the log and into the queue. On an error nothing was done and `done` is not called.
    pub(super) fn append(
        &self,
        entries: Vec<(EntryOf<TypeConfig>, Vec<u8>)>,
        done: IOFlushed<TypeConfig>,
        room: OwnedSemaphorePermit,
    ) -> io::Result<()> {
        let mut shared = self.lock_writable()?;
        if let Some((first, _)) = entries.first() {
            shared.tail.check_next(first.log_id.index)?;
        }
        let sequence = shared.last_sequence + 1;
        let mut records = Vec::with_capacity(entries.len());
        for (entry, record) in entries {
            let index = entry.log_id.index;
            shared.weight.append(index, record.len());
            shared.tail.push(sequence, record.len(), entry);
            records.push((index, record));
        }
        shared.push(Write::Append(records), done, Some(room));
        Ok(())
    }

    /// Puts a write other than an append into the queue.
    pub(super) fn submit(&self, write: Write, done: IOFlushed<TypeConfig>) -> io::Result<()> {
        let mut shared = self.lock_writable()?;
        match &write {
            Write::Truncate(after) => {
                shared.tail.truncate(*after);
                shared.weight.truncate(after.next_index());
            }
            Write::Purge(upto) => {
                shared.tail.purge(*upto);
                shared.weight.purge(upto.index);
            }
            Write::Append(_) | Write::Vote(_) | Write::Note | Write::Local { .. } | Write::Snapshot { .. } => {}
        }
        shared.push(write, done, None);
        Ok(())
    }

    /// Notes how far the log is committed, for the next write to take along.
    pub(super) fn note_committed(&self, log_id: Option<LogIdOf<TypeConfig>>) -> io::Result<()> {
        self.lock_writable()?.committed.log_id = log_id;
        Ok(())
    }

    /// Whether how far the log is committed is not on disk, and nothing waits that would take it along.
    pub(super) fn note_is_due(&self) -> bool {
        let shared = self.lock();
        shared.queue.is_empty() && shared.failed.is_none() && shared.committed.log_id > shared.committed.stored
    }

    pub(super) fn committed(&self) -> Option<LogIdOf<TypeConfig>> {
        self.lock().committed.log_id
    }

    /// Looks at how many bytes the log's entries have.
    pub(super) fn weigh<R>(&self, look: impl FnOnce(&Weight) -> R) -> R {
        look(&self.lock().weight)
    }

    pub(super) fn vote(&self) -> Option<VoteOf<TypeConfig>> {
        self.lock().vote
    }

    /// Looks into the log's end, with a view of the disk that holds whatever the end says is on disk.
    pub(super) fn with_tail<R>(&self, look: impl FnOnce(&Tail) -> R) -> io::Result<(R, ReadTransaction)> {
        let shared = self.lock();
        let seen = look(&shared.tail);
        let disk = self.database.begin_read().map_err(error::to_io)?;
        Ok((seen, disk))
    }

    /// A view of the disk.
    pub(super) fn disk(&self) -> io::Result<ReadTransaction> {
        self.database.begin_read().map_err(error::to_io)
    }

    /// Commits until the queue is empty.
    pub(super) fn pump(&self) {
        let _one_at_a_time = self.committing.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let (jobs, noted) = self.take_batch();
            let Some(last) = jobs.last().map(|job| job.sequence) else { return };
            let result = match self.failure() {
                Some(error) => Err(error),
                None => tables::commit(&self.database, jobs.iter().map(|job| &job.write), noted),
            };
            match result {
                Ok(()) => self.report_durable(jobs, last),
                Err(error) => self.report_failed(jobs, error),
            }
        }
    }

    /// What waits, and how far the log is committed if that is to be noted along with it.
    fn take_batch(&self) -> (Vec<Job>, Option<LogIdOf<TypeConfig>>) {
        let mut shared = self.lock();
        let jobs = Vec::from(std::mem::take(&mut shared.queue));
        let committed = &mut shared.committed;
        let ahead = committed.log_id.next_index().saturating_sub(committed.stored.next_index());
        let other = jobs.iter().any(|job| !matches!(job.write, Write::Append(_)));
        if jobs.is_empty() || (ahead < NOTE_EVERY && !other) {
            return (jobs, None);
        }
        committed.stored = committed.log_id;
        (jobs, committed.log_id)
    }

    fn report_durable(&self, jobs: Vec<Job>, last: Sequence) {
        {
            let mut shared = self.lock();
            shared.tail.committed(last);
            for job in &jobs {
                if let Write::Vote(vote) = &job.write {
                    shared.vote = Some(*vote);
                }
            }
        }
        for job in jobs {
            job.done.io_completed(Ok(()));
        }
    }

    fn report_failed(&self, jobs: Vec<Job>, error: io::Error) {
        let first = {
            let mut shared = self.lock();
            let first = shared.failed.is_none();
            shared.failed.get_or_insert_with(|| error::copy(&error));
            first
        };
        if first {
            self.health.fail(&error);
        }
        for job in jobs {
            job.done.io_completed(Err(error::copy(&error)));
        }
    }

    fn failure(&self) -> Option<io::Error> {
        self.lock().failed.as_ref().map(error::copy)
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // No code that holds this lock leaves the state half changed.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_writable(&self) -> io::Result<MutexGuard<'_, Shared>> {
        let shared = self.lock();
        match &shared.failed {
            None => Ok(shared),
            Some(error) => {
                Err(io::Error::new(error.kind(), format!("the log was stopped by an earlier error: {error}")))
            }
        }
    }
}

impl Shared {
    fn push(&mut self, write: Write, done: IOFlushed<TypeConfig>, room: Option<OwnedSemaphorePermit>) {
        self.last_sequence += 1;
        self.queue.push_back(Job { sequence: self.last_sequence, write, done, _room: room });
    }
}
