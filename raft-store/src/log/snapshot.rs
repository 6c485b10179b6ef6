//! Where a node keeps its last snapshot: in the log's file, in parts.

use std::io;

use openraft::alias::SnapshotMetaOf;
use serde::{Deserialize, Serialize};

use super::LogStore;
use super::tables::{self, Write};
use crate::codec::{self, CodecError, Kind, STATE_LIMIT, Versioned};
use crate::types::TypeConfig;

/// A part's size, in bytes.
const PART_BYTES: usize = 1 << 20;

/// What a stored snapshot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotHeader {
    pub(super) meta: SnapshotMetaOf<TypeConfig>,
    /// Of all parts together.
    pub(super) bytes: u64,
}

impl Versioned for SnapshotHeader {
    const KIND: Kind = Kind::SnapshotHeader;
}

/// A snapshot as it lies on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// Up to where it goes.
    pub meta: SnapshotMetaOf<TypeConfig>,
    /// The state, encoded.
    pub bytes: Vec<u8>,
}

/// Holds one snapshot, the newest.
#[derive(Clone)]
pub struct SnapshotStore {
    store: LogStore,
}

impl SnapshotStore {
    pub(super) fn new(store: LogStore) -> Self {
        Self { store }
    }

    /// The stored snapshot.
    ///
    /// # Errors
    /// When it cannot be read, or was damaged.
    pub fn load(&self) -> io::Result<Option<StoredSnapshot>> {
        let stored = self.store.read_disk(tables::snapshot)?;
        Ok(stored.map(|(header, bytes)| StoredSnapshot { meta: header.meta, bytes }))
    }

    /// Stores a snapshot in the place of an older one; durable when it returns. One that is not newer than the stored
    /// one is passed over.
    ///
    /// # Errors
    /// When it is over the limit, or the disk does not take it.
    pub async fn save(&self, meta: &SnapshotMetaOf<TypeConfig>, bytes: &[u8]) -> io::Result<()> {
        // A state's frame is its body and two bytes; there is room for them and more.
        if bytes.len() > STATE_LIMIT + PART_BYTES {
            return Err(CodecError::TooLarge { kind: Kind::State, bytes: bytes.len() }.into());
        }
        let length = u64::try_from(bytes.len()).map_err(io::Error::other)?;
        let header = codec::seal(&SnapshotHeader { meta: meta.clone(), bytes: length })?;
        let parts = bytes.chunks(PART_BYTES).map(|part| codec::seal_bytes(Kind::SnapshotPart, part));
        let parts = parts.collect::<Result<_, _>>()?;
        self.store.write(Write::Snapshot { last: meta.last_log_id, header, parts }).await
    }
}
