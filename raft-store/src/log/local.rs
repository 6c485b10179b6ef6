//! What one node remembers for itself, beside the log.

use std::io;

use serde::{Deserialize, Serialize};

use super::LogStore;
use super::tables::{self, Write};
use crate::codec::{self, Kind, Versioned};
use crate::model::ConfigDigest;
use crate::types::RaftId;

/// What a node remembers of itself from run to run. A new data directory begins with the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Local {
    /// Its Raft identity, drawn when the data directory was first used; `None` before.
    pub identity: Option<RaftId>,
    /// The cluster that it belongs to; empty before it belongs to one.
    pub cluster: String,
    /// The node that it belongs to; empty before it belongs to one.
    pub node: String,
    /// How often this data directory was started: grows with each start.
    pub generation: u64,
    /// The configuration that it last proposed or saw stand.
    pub last_seen_config: Option<ConfigDigest>,
    /// The group has been made or joined: it must never be made anew from this directory.
    pub bootstrapped: bool,
    /// The node left the group for good: this directory must not be used any more.
    pub left: bool,
}

impl Versioned for Local {
    const KIND: Kind = Kind::Local;
}

/// Small typed records of one node, durable.
#[derive(Clone)]
pub struct LocalStore {
    store: LogStore,
}

impl LocalStore {
    const NODE: &'static str = "node";

    pub(super) fn new(store: LogStore) -> Self {
        Self { store }
    }

    /// What the node remembers of itself.
    ///
    /// # Errors
    /// When it cannot be read from disk.
    pub fn node(&self) -> io::Result<Local> {
        Ok(self.get(Self::NODE)?.unwrap_or_default())
    }

    /// Remembers; durable when it returns.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn set_node(&self, local: &Local) -> io::Result<()> {
        self.put(Self::NODE, local).await
    }

    /// The record of this name.
    ///
    /// # Errors
    /// When it cannot be read from disk, or is of another type.
    pub fn get<T: Versioned>(&self, key: &'static str) -> io::Result<Option<T>> {
        self.store.read_disk(|disk| tables::local(disk, key))
    }

    /// Puts a record in the place of the one of this name; durable when it returns.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub async fn put<T: Versioned>(&self, key: &'static str, record: &T) -> io::Result<()> {
        let record = codec::seal(record)?;
        self.store.write(Write::Local { key, record }).await
    }
}
