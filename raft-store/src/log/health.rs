//! Whether the disk takes what it is given, and whether it would again.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use openraft::alias::{WatchReceiverOf, WatchSenderOf};
use openraft::type_config::TypeConfigExt;
use openraft_rt::{WatchReceiver, WatchSender};

use crate::types::TypeConfig;

/// How the disk under a store does. Once it is not [`StorageHealth::Ok`] it stays so until the store is opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageHealth {
    /// It took everything.
    Ok,
    /// There is no room, or a quota is used up.
    Full,
    /// It may not be written.
    ReadOnly,
    /// Something else, in the system's words.
    Failed(String),
}

impl StorageHealth {
    /// What an error tells of the disk.
    pub fn of(error: &io::Error) -> Self {
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full,
            ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => Self::ReadOnly,
            _ => Self::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for StorageHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("the disk works"),
            Self::Full => f.write_str("the disk is full: free some space, the node comes back by itself"),
            Self::ReadOnly => f.write_str("the data directory cannot be written: mount it read-write"),
            Self::Failed(message) => write!(f, "the disk failed: {message}"),
        }
    }
}

/// Follows a store's [`StorageHealth`].
#[derive(Clone)]
pub struct HealthWatch {
    receiver: WatchReceiverOf<TypeConfig, StorageHealth>,
}

impl HealthWatch {
    /// The health now.
    pub fn current(&self) -> StorageHealth {
        self.receiver.borrow_watched().clone()
    }

    /// Waits for a change; `None` when the store was closed.
    pub async fn changed(&mut self) -> Option<StorageHealth> {
        self.receiver.changed().await.ok()?;
        Some(self.current())
    }
}

pub(super) struct Health {
    sender: WatchSenderOf<TypeConfig, StorageHealth>,
    receiver: WatchReceiverOf<TypeConfig, StorageHealth>,
}

impl Health {
    pub(super) fn new() -> Self {
        let (sender, receiver) = TypeConfig::watch_channel(StorageHealth::Ok);
        Self { sender, receiver }
    }

    pub(super) fn watch(&self) -> HealthWatch {
        HealthWatch { receiver: self.receiver.clone() }
    }

    pub(super) fn fail(&self, error: &io::Error) {
        let health = StorageHealth::of(error);
        tracing::error!(%error, "{health}");
        self.sender.send_if_modified(|current| {
            *current = health;
            true
        });
    }
}

/// How much [`probe`] writes: what a commit may need to grow the file.
const PROBE_BYTES: usize = 1 << 20;

/// Whether `directory` can be written: writes a file of 1 MiB, fsyncs and removes it. Cheap enough for once a second.
///
/// # Errors
/// Whatever the system says; [`StorageHealth::of`] sorts it.
pub fn probe(directory: &Path) -> io::Result<()> {
    let file = directory.join(".probe");
    let written = OpenOptions::new().write(true).create(true).truncate(true).open(&file).and_then(|mut probe| {
        probe.write_all(&vec![0; PROBE_BYTES])?;
        probe.sync_all()
    });
    // A failed write leaves a file that would take the room it was looking for.
    match fs::remove_file(&file) {
        Err(error) if error.kind() != ErrorKind::NotFound => written.and(Err(error)),
        _ => written,
    }
}
