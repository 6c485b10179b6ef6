//! BGP sessions. This release keeps none.

use serde::Serialize;

/// A session with a router.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BgpRow {
    /// The node.
    pub node: String,
    /// The router.
    pub peer: String,
    /// The session's state, in RFC 4271's words.
    pub state: String,
}

/// All sessions.
pub fn bgp() -> Vec<BgpRow> {
    Vec::new()
}
