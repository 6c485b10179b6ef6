//! The data directory.

use std::io;

use quorumlb_raft_store::log::{LogStore, OpenError};

/// The disk that holds a node's log.
pub trait Disk {
    /// Opens the log, or creates it.
    ///
    /// # Errors
    /// See [`OpenError`].
    fn open_store(&self) -> Result<LogStore, OpenError>;

    /// Whether the disk takes writes just now.
    ///
    /// # Errors
    /// What the system says.
    fn probe(&self) -> io::Result<()>;
}
