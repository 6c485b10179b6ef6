//! One node's part in the Raft group: openraft wired to the log, the replica and the wire. Only this room speaks openraft;
//! whoever runs a node sees [`Participant`] and [`Standing`].

mod participant;
mod standing;
mod suspend;
mod timing;

pub use participant::{GroupError, LeaderWatch, NodeDispatcher, Participant};
pub use standing::{MemberStanding, Role, Standing};

#[cfg(test)]
mod tests;
