//! Why a service waits.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a service did not get what it asked for. Shown as just these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Reason {
    /// No pool serves it.
    NoMatchingPool,
    /// The pools that serve it have nothing left.
    OutOfAddresses,
    /// Another service has the address it asks for, and no sharing was asked.
    AddressInUse,
    /// The address it asks for is in no pool that may give it.
    AddressNotInPool,
    /// No pool that serves it has addresses of the family.
    FamilyUnavailable,
    /// The pool is switched off because it overlaps an older one.
    PoolConflict,
    /// Another service has the address, and the two may not share it.
    SharingRefused,
    /// The request contradicts itself or cannot be understood.
    InvalidRequest,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What a service still waits for, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// Why.
    pub reason: Reason,
    /// In words, with what would help.
    pub message: String,
}

impl Pending {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}
