//! Types of path attributes, and their flags.

use super::write::{OPTIONAL, TRANSITIVE};

pub(crate) const ORIGIN: u8 = 1;
pub(crate) const AS_PATH: u8 = 2;
pub(crate) const NEXT_HOP: u8 = 3;
pub(crate) const MED: u8 = 4;
pub(crate) const LOCAL_PREF: u8 = 5;
pub(crate) const ATOMIC_AGGREGATE: u8 = 6;
pub(crate) const AGGREGATOR: u8 = 7;
pub(crate) const COMMUNITIES: u8 = 8;
pub(crate) const ORIGINATOR_ID: u8 = 9;
pub(crate) const CLUSTER_LIST: u8 = 10;
pub(crate) const MP_REACH: u8 = 14;
pub(crate) const MP_UNREACH: u8 = 15;
pub(crate) const EXTENDED: u8 = 16;
pub(crate) const AS4_PATH: u8 = 17;
pub(crate) const AS4_AGGREGATOR: u8 = 18;
pub(crate) const LARGE: u8 = 32;

/// The optional and transitive bits that an attribute has; `None` for one that is not known here.
pub(crate) const fn flags(kind: u8) -> Option<u8> {
    match kind {
        ORIGIN | AS_PATH | NEXT_HOP | LOCAL_PREF | ATOMIC_AGGREGATE => Some(TRANSITIVE),
        MED | ORIGINATOR_ID | CLUSTER_LIST | MP_REACH | MP_UNREACH => Some(OPTIONAL),
        AGGREGATOR | COMMUNITIES | EXTENDED | AS4_PATH | AS4_AGGREGATOR | LARGE => Some(OPTIONAL | TRANSITIVE),
        _ => None,
    }
}

/// Whether [`super::Attributes`] has a field for it. Those of route reflection are only checked.
pub(super) const fn has_field(kind: u8) -> bool {
    flags(kind).is_some() && !matches!(kind, ORIGINATOR_ID | CLUSTER_LIST)
}
