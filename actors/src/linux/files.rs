use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Linux;
use super::scheduling::like_others;
use crate::ports::{Files, Stamp};
use crate::source::{self, Loaded, manifests};

impl Files for Linux {
    fn name(&self) -> String {
        self.options.config.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
    }

    fn stamp(&self) -> Stamp {
        let mut hasher = DefaultHasher::new();
        for path in manifests(&self.options.config) {
            stamp_of(&path, &mut hasher);
        }
        Stamp(hasher.finish())
    }

    fn load(&self) -> Loaded {
        // Reading very many manifests takes long enough to hold up a ping.
        match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
            Ok(tokio::runtime::RuntimeFlavor::MultiThread) => {
                tokio::task::block_in_place(|| like_others(|| source::load(&self.options.config)))
            }
            _ => source::load(&self.options.config),
        }
    }
}

/// A file that is replaced has another inode, one that is edited another time.
fn stamp_of(path: &Path, hasher: &mut DefaultHasher) {
    path.hash(hasher);
    if let Ok(meta) = fs::metadata(path) {
        (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino(), meta.dev()).hash(hasher);
    }
}
