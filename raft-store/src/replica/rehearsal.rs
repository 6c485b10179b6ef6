//! A replica without a log and without a group.

use std::sync::Arc;

use super::{Change, Shared, View};
use crate::machine::{Command, Outcome, Proposal, Record, State};
use crate::model::NodeName;

/// A replica that applies what it is told at once, alone: for whoever shows a state that no group stands behind, and for
/// tests of what reads a [`View`].
#[derive(Clone)]
pub struct Rehearsal {
    shared: Arc<Shared>,
}

impl Rehearsal {
    /// Begins with this state.
    pub fn new(state: State) -> Self {
        let shared = Shared::new();
        shared.write().state = state;
        Self { shared: Arc::new(shared) }
    }

    /// A window on its state.
    pub fn view(&self) -> View {
        View { shared: Arc::clone(&self.shared) }
    }

    /// Applies a command as the log entry at `index`.
    pub fn apply(&self, index: u64, at_ms: u64, by: &NodeName, command: Command) -> Outcome {
        let result = self.shared.write().state.apply(index, &Proposal { at_ms, by: by.clone(), command });
        let records = result.events.into_iter().map(|event| Record { index, at_ms, event });
        self.shared.publish(&mut records.collect());
        result.outcome
    }

    /// Replaces the state, as a snapshot that ends at `index` does: what led to it is not told.
    pub fn replace(&self, index: u64, state: State) {
        self.shared.write().state = state;
        self.shared.history().skip_to(index);
        // Fails only when nobody listens.
        let _ = self.shared.changes.send(Change::Replaced { applied: index });
    }
}
