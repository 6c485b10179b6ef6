//! The replicated state.

use serde::{Deserialize, Serialize};

use super::{Event, Outcome, Proposal};
use crate::model::Wanted;

/// All that the group knows. Two replicas that applied the same log hold equal states.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// What the operator asked for.
    pub wanted: Wanted,
}

/// What applying one entry gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The answer to the proposer.
    pub outcome: Outcome,
    /// What happened, in order.
    pub events: Vec<Event>,
}

impl State {
    /// Applies the log entry at `index`. Never fails: what cannot be done is an [`Outcome::Refused`].
    pub fn apply(&mut self, index: u64, proposal: &Proposal) -> Applied {
        let _ = (index, proposal);
        Applied { outcome: Outcome::Done, events: Vec::new() }
    }

    /// Rebuilds what is derived and not stored; call it after deserialising.
    pub fn reindex(&mut self) {}
}
