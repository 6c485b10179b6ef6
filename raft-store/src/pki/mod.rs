//! Certificates of the group: one authority for each cluster, one certificate for each node.
//!
//! A node's certificate carries the node's name as its only DNS name; that is how the nodes know one another. Keys are
//! ECDSA P-256. Nothing here reads a clock: the caller says what time it is.

mod error;
mod identity;
mod issue;

pub use error::PkiError;
pub use identity::{Identity, certified_name};
pub use issue::{Issued, NewAuthority, Validity, init, issue};

/// The authority's certificate, as `quorumlb pki init` names it.
pub const AUTHORITY_CERTIFICATE: &str = "ca.crt";
/// The authority's key. Only `pki issue` needs it; it has no place on a node.
pub const AUTHORITY_KEY: &str = "ca.key";
