//! Whose rules an object follows.

use serde::{Deserialize, Serialize};

/// The family of kinds that an object came from. Where they differ, its own rules hold for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// `quorumlb.io`
    Native,
    /// `cilium.io`
    Cilium,
    /// `metallb.io`
    MetalLb,
}

/// Creation time (`metadata.creationTimestamp`), for rules that ask which object is older. Objects without one are
/// older than all others; equal ages are told apart by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Age {
    /// Seconds since 1970-01-01T00:00:00Z, or `None` when the manifest gave no time.
    pub created: Option<i64>,
}
