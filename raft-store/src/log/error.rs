//! Why a store could not be opened, and redb's errors in the words of `std::io`.

use std::io;
use std::path::{Path, PathBuf};

use redb::DatabaseError;

use super::StorageHealth;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is in use.
    #[error(
        "{} is held by another process: only one node may run on a data directory; stop the other one or give this one \
         its own --data",
        file.display()
    )]
    Locked {
        /// The database.
        file: PathBuf,
    },
    /// There is no room.
    #[error("no room on the disk for {}: free some space; {error}", file.display())]
    Full {
        /// The database.
        file: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// It may not be written.
    #[error("{} cannot be written: mount it read-write and let this user write to it; {error}", file.display())]
    ReadOnly {
        /// The database.
        file: PathBuf,
        /// The system's words.
        error: io::Error,
    },
    /// The file is not what was written to it.
    #[error(
        "{} is damaged: {message}; if the disk is sound, move the file away and let the node join again as a new \
         member",
        file.display()
    )]
    Damaged {
        /// The database.
        file: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Anything else.
    #[error("{} cannot be opened: {error}", file.display())]
    Io {
        /// The database.
        file: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

impl OpenError {
    pub(super) fn from_database(file: &Path, error: DatabaseError) -> Self {
        match error {
            DatabaseError::DatabaseAlreadyOpen => Self::Locked { file: file.to_owned() },
            DatabaseError::RepairAborted => Self::Damaged { file: file.to_owned(), message: error.to_string() },
            error => Self::from_redb(file, error.into()),
        }
    }

    pub(super) fn from_redb(file: &Path, error: redb::Error) -> Self {
        Self::from_io(file, to_io(error))
    }

    pub(super) fn from_io(file: &Path, error: io::Error) -> Self {
        let file = file.to_owned();
        match StorageHealth::of(&error) {
            StorageHealth::Full => Self::Full { file, error },
            StorageHealth::ReadOnly => Self::ReadOnly { file, error },
            _ if error.kind() == io::ErrorKind::InvalidData => Self::Damaged { file, message: error.to_string() },
            _ => Self::Io { file, error },
        }
    }

    /// What the disk's health is, as far as this error tells.
    pub fn health(&self) -> StorageHealth {
        match self {
            Self::Full { .. } => StorageHealth::Full,
            Self::ReadOnly { .. } => StorageHealth::ReadOnly,
            other => StorageHealth::Failed(other.to_string()),
        }
    }
}

/// redb's errors by their cause: an I/O error stays one, damage is `InvalidData`.
pub(super) fn to_io(error: impl Into<redb::Error>) -> io::Error {
    match error.into() {
        redb::Error::Io(error) => error,
        redb::Error::Corrupted(message) => io::Error::new(io::ErrorKind::InvalidData, message),
        error => io::Error::other(error),
    }
}

/// A copy of an error, for everyone who waited for the same commit.
pub(super) fn copy(error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), error.to_string())
}
