//! The poll sequence (RFC 5880 section 6.5): packets with P until one with F comes.

use serde::{Deserialize, Serialize};

/// How far a poll of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Poll {
    /// The peer knows our intervals.
    Idle,
    /// The peer was asked.
    Running,
    /// The peer was asked, and our intervals changed since. An answer says nothing of which of them it knows, so it is asked
    /// once more.
    RunningAndOneMore,
}

impl Poll {
    pub const fn is_running(self) -> bool {
        !matches!(self, Self::Idle)
    }

    pub const fn begin(self) -> Self {
        match self {
            Self::Idle => Self::Running,
            Self::Running | Self::RunningAndOneMore => Self::RunningAndOneMore,
        }
    }

    pub const fn answered(self) -> Self {
        match self {
            Self::Idle | Self::Running => Self::Idle,
            Self::RunningAndOneMore => Self::Running,
        }
    }
}
