//! The store as openraft sees it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};

use openraft::OptionalSend;
use openraft::alias::{EntryOf, LogIdOf, OneshotReceiverOf, VoteOf};
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::type_config::TypeConfigExt;

use super::LogStore;
use super::tables::{self, Write};
use crate::codec;
use crate::types::TypeConfig;

/// About how many bytes of entries are read for one message to a follower.
const READ_LIMIT: usize = 2 << 20;

impl LogStore {
    /// Waits until a write is durable.
    pub(super) async fn write(&self, write: Write) -> io::Result<()> {
        let (done, written): (_, OneshotReceiverOf<TypeConfig, io::Result<()>>) = TypeConfig::oneshot();
        self.handle.core.submit(write, IOFlushed::signal(done))?;
        self.handle.port.wake();
        written.await.map_err(|_| io::Error::other("the log was closed before this was written"))?
    }

    /// Has a write done in its order, without waiting for it.
    pub(super) fn write_later(&self, write: Write) -> io::Result<()> {
        self.handle.core.submit(write, IOFlushed::noop())?;
        self.handle.port.wake();
        Ok(())
    }

    /// Looks at the disk.
    pub(super) fn read_disk<R>(&self, read: impl FnOnce(&redb::ReadTransaction) -> io::Result<R>) -> io::Result<R> {
        read(&self.handle.core.disk()?)
    }

    fn read_entries(&self, range: Range<u64>, limit: usize) -> io::Result<Vec<EntryOf<TypeConfig>>> {
        let (found, disk) = self.handle.core.with_tail(|tail| tail.find(range, limit))?;
        if found.stored.is_empty() {
            return Ok(found.cached);
        }
        let wanted = found.stored.end - found.stored.start;
        let mut entries = tables::entries(&disk, found.stored, limit)?;
        // When the limit ended the read, what is in memory does not follow.
        if u64::try_from(entries.len()) == Ok(wanted) {
            entries.extend(found.cached);
        }
        Ok(entries)
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> io::Result<Vec<EntryOf<TypeConfig>>> {
        self.read_entries(half_open(&range), usize::MAX)
    }

    async fn read_vote(&mut self) -> io::Result<Option<VoteOf<TypeConfig>>> {
        Ok(self.handle.core.vote())
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<EntryOf<TypeConfig>>> {
        self.read_entries(start..end, READ_LIMIT)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<TypeConfig>> {
        let ((last_purged_log_id, last_log_id), _) = self.handle.core.with_tail(|tail| (tail.purged(), tail.last()))?;
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &VoteOf<TypeConfig>) -> io::Result<()> {
        self.write(Write::Vote(*vote)).await
    }

    async fn save_committed(&mut self, committed: Option<LogIdOf<TypeConfig>>) -> io::Result<()> {
        self.handle.core.note_committed(committed)
    }

    async fn read_committed(&mut self) -> io::Result<Option<LogIdOf<TypeConfig>>> {
        Ok(self.handle.core.committed())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> io::Result<()>
    where
        I: IntoIterator<Item = EntryOf<TypeConfig>> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut sealed = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let record = codec::seal(&entry)?;
            bytes += record.len();
            sealed.push((entry, record));
        }
        let room = self.handle.core.reserve(bytes).await?;
        self.handle.core.append(sealed, callback, room)?;
        self.handle.port.wake();
        Ok(())
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogIdOf<TypeConfig>>) -> io::Result<()> {
        // Whatever is appended next is behind it in the queue, and so is its acknowledgement.
        self.write_later(Write::Truncate(last_log_id))
    }

    async fn purge(&mut self, log_id: LogIdOf<TypeConfig>) -> io::Result<()> {
        self.write_later(Write::Purge(log_id))
    }
}

fn half_open(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
