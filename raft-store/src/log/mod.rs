//! The replicated log, the vote and what a node keeps for itself, in one file on disk.
//!
//! [`LogStore`] is openraft's log storage on redb. Every write goes through one queue, in order, so that votes, appends,
//! truncations and snapshots never overtake one another. Whoever serves the queue (a [`CommitPort`]) takes all that
//! waits and commits it in one transaction with one fsync: writes that come while a commit is under way share the next
//! one. An append is acknowledged only after its commit.
//!
//! The end of the log stays in memory, so that replication does not read the disk. What is not committed yet is always
//! in it.
//!
//! # When the disk fails
//!
//! The first failed commit ends the store: that write and all later ones fail with what happened, [`StorageHealth`]
//! tells the reason, and openraft stops its core with `Fatal::StorageError` (it then neither votes nor leads nor
//! acknowledges anything, and every call on `Raft` fails). Nothing that was acknowledged is lost by it. The way back:
//! drop the `Raft`, the [`LogStore`] and what was made from it, wait until [`probe`] succeeds, and open the store again.
//! A file left by a crash at any moment is repaired when it is opened.
//!
//! # What is not fsynced
//!
//! How far the log is committed is written along with some write that comes anyway, or by [`LogStore::note_committed`],
//! and the applied state never: after a restart the log is applied again from the last snapshot on.

mod commit;
mod core;
mod directory;
mod error;
mod health;
mod local;
mod snapshot;
mod storage;
mod tables;
mod tail;
mod weight;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{Builder, Database, StorageBackend};

pub use self::commit::{CommitPort, Pump, dedicated_thread, inline};
pub use self::directory::{is_free, make as make_directory};
pub use self::error::OpenError;
pub use self::health::{HealthWatch, StorageHealth, probe};
pub use self::local::{Local, LocalStore};
pub use self::snapshot::{SnapshotStore, StoredSnapshot};

use self::core::Core;

/// The database's name within a data directory.
pub const FILE_NAME: &str = "raft.redb";

/// Bytes of database pages kept in memory.
const PAGE_CACHE: usize = 8 << 20;

/// How much a store may hold in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogOptions {
    /// Bytes of committed entries kept at the log's end, for replication; in memory they take several times as much.
    pub tail_bytes: usize,
    /// Bytes of entries that may wait for their commit; further appends wait. At least [`crate::codec::ENTRY_LIMIT`]
    /// to be of use.
    pub queue_bytes: usize,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { tail_bytes: 1 << 20, queue_bytes: 64 << 20 }
    }
}

/// The log storage of one node. Clones are handles to the same store; the file is closed when the last one is dropped.
#[derive(Clone)]
pub struct LogStore {
    handle: Arc<Handle>,
}

struct Handle {
    // Before `core`: dropping the port waits for the commit that is under way.
    port: Box<dyn CommitPort>,
    core: Arc<Core>,
}

impl LogStore {
    /// Opens or creates the store in `directory`, which must exist. Commits run on a thread of their own.
    ///
    /// # Errors
    /// See [`OpenError`]: each says what to do.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let file = directory.join(FILE_NAME);
        let private = directory::private_file(&file).map_err(|error| OpenError::from_io(&file, error))?;
        let database = FileBackend::new(private).and_then(|backend| builder().create_with_backend(backend));
        let database = database.map_err(|error| OpenError::from_database(&file, error))?;
        // The new file's name must be as durable as what it holds.
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(|error| OpenError::from_io(&file, error))?;
        Self::start(database, &file, LogOptions::default(), dedicated_thread)
    }

    /// Opens or creates the store on any storage, with any way to run its commits.
    ///
    /// # Errors
    /// As [`LogStore::open`].
    pub fn with_backend(
        backend: impl StorageBackend,
        options: LogOptions,
        commits: impl FnOnce(Pump) -> std::io::Result<Box<dyn CommitPort>>,
    ) -> Result<Self, OpenError> {
        let name = Path::new("the given storage");
        let database = builder().create_with_backend(backend).map_err(|error| OpenError::from_database(name, error))?;
        Self::start(database, name, options, commits)
    }

    fn start(
        database: Database,
        file: &Path,
        options: LogOptions,
        commits: impl FnOnce(Pump) -> std::io::Result<Box<dyn CommitPort>>,
    ) -> Result<Self, OpenError> {
        let loaded = tables::load(&database).map_err(|error| OpenError::from_redb(file, error))?;
        let core = Arc::new(Core::new(database, loaded, options));
        let port = commits(Pump::new(Arc::clone(&core))).map_err(|error| OpenError::from_io(file, error))?;
        Ok(Self { handle: Arc::new(Handle { port, core }) })
    }

    /// Tells of the disk's health, from now on.
    pub fn health(&self) -> HealthWatch {
        self.handle.core.health()
    }

    /// Bytes of the entries after this index, or of all without one.
    pub fn bytes_after(&self, index: Option<u64>) -> u64 {
        self.handle.core.weigh(|weight| weight.after(index))
    }

    /// The last index behind which more than `keep` bytes of entries follow, if there are that many.
    pub fn behind(&self, keep: u64) -> Option<u64> {
        self.handle.core.weigh(|weight| weight.behind(keep))
    }

    /// Has the disk learn how far the log is committed, if it does not know: a node that starts without a quorum knows no
    /// more than that. To be called now and then.
    pub fn note_committed(&self) {
        if self.handle.core.note_is_due() {
            // A disk that fails says so by its health.
            let _ = self.write_later(tables::Write::Note);
        }
    }

    /// What this node keeps for itself.
    pub fn local(&self) -> LocalStore {
        LocalStore::new(self.clone())
    }

    /// Where snapshots are kept.
    pub fn snapshots(&self) -> SnapshotStore {
        SnapshotStore::new(self.clone())
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(PAGE_CACHE);
    builder
}

#[cfg(test)]
mod tests;
