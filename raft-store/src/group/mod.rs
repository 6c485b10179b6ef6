//! One node's part in the Raft group: openraft wired to the log, the replica and the wire. Only this room speaks openraft;
//! whoever runs a node sees [`Standing`].

mod standing;

pub use standing::{MemberStanding, Role, Standing};
