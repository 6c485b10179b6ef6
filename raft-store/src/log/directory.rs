//! The data directory: made for its owner alone, and looked at before a node starts on it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{FILE_NAME, OpenError};

/// Makes the directory where it is missing, for its owner alone. One that is there stays as it is.
///
/// # Errors
/// What the system says; in words when it is a file.
pub fn make(directory: &Path) -> io::Result<()> {
    match fs::metadata(directory) {
        Ok(there) if there.is_dir() => Ok(()),
        Ok(_) => Err(io::Error::new(ErrorKind::NotADirectory, "this is a file; the data directory is a folder")),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(parent) = directory.parent() {
                fs::create_dir_all(parent)?;
            }
            DirBuilder::new().mode(0o700).create(directory)
        }
        Err(error) => Err(error),
    }
}

/// Whether another process holds the database in the directory; one that is not there yet is free.
///
/// # Errors
/// [`OpenError::Locked`] when one does. Whatever else is wrong shows when the store is opened.
pub fn is_free(directory: &Path) -> Result<(), OpenError> {
    let file = directory.join(FILE_NAME);
    let Ok(database) = File::open(&file) else { return Ok(()) };
    match database.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::Locked { file }),
        // The lock goes with the handle.
        Ok(()) | Err(fs::TryLockError::Error(_)) => Ok(()),
    }
}

/// Opens or creates the database's file, readable by its owner alone: it holds what the group knows.
pub(super) fn private_file(file: &Path) -> io::Result<File> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file)?;
    if opened.metadata()?.permissions().mode() & 0o077 != 0 {
        // Made by an earlier release. Where it belongs to somebody else, that one decides.
        let _ = opened.set_permissions(Permissions::from_mode(0o600));
    }
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::super::LogStore;
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_directory_and_the_database_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("above/data");
        make(&directory).unwrap();
        make(&directory).unwrap();
        drop(LogStore::open(&directory).unwrap());
        let file = directory.join(FILE_NAME);
        assert_eq!((mode(&directory), mode(&file)), (0o700, 0o600));
        fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
        drop(LogStore::open(&directory).unwrap());
        assert_eq!(mode(&file), 0o600);
        let error = make(&file).unwrap_err().to_string();
        assert!(error.contains("this is a file"), "{error}");
    }

    #[test]
    fn a_directory_in_use_is_known_before_it_is_opened() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_free(folder.path()).is_ok());
        let store = LogStore::open(folder.path()).unwrap();
        assert!(matches!(is_free(folder.path()), Err(OpenError::Locked { .. })));
        drop(store);
        assert!(is_free(folder.path()).is_ok());
    }
}
