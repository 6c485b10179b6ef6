//! The operator's manifests.

use crate::source::Loaded;

/// Tells one reading of the files from another, without reading them: names, sizes, times and inodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp(pub u64);

/// The files that a node watches.
pub trait Files {
    /// What they are called in messages.
    fn name(&self) -> String;

    /// Changes when they do.
    fn stamp(&self) -> Stamp;

    /// Reads them. May take a second for very many; other work of the runtime goes on meanwhile.
    fn load(&self) -> Loaded;
}
