//! The table between tasks: one changes it, each peer's takes from it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::super::Family;
use super::pack::Batch;
use super::profile::Profile;
use super::saved::Position;
use super::table::{AdjRibOut, PeerId};

#[derive(Debug, Default)]
struct Inner {
    table: AdjRibOut,
    /// Who is to be woken, in the order of joining.
    subscribers: Vec<(PeerId, Arc<Notify>)>,
}

/// A table that tasks share.
#[derive(Debug, Clone, Default)]
pub struct SharedRib(Arc<Mutex<Inner>>);

impl SharedRib {
    /// Shares a table.
    #[must_use]
    pub fn new(table: AdjRibOut) -> Self {
        Self(Arc::new(Mutex::new(Inner { table, subscribers: Vec::new() })))
    }

    /// Changes the table and wakes every peer's task.
    pub fn update<T>(&self, change: impl FnOnce(&mut AdjRibOut) -> T) -> T {
        let mut inner = self.lock();
        let result = change(&mut inner.table);
        inner.subscribers.iter().for_each(|(_, wake)| wake.notify_one());
        result
    }

    /// Looks at the table.
    pub fn read<T>(&self, look: impl FnOnce(&AdjRibOut) -> T) -> T {
        look(&self.lock().table)
    }

    /// Joins with a session that has come up, or goes on at a position. Dropping the subscription leaves.
    #[must_use]
    pub fn subscribe(&self, profile: Profile, position: Option<Position>) -> Subscription {
        let mut inner = self.lock();
        let id = match position {
            None => inner.table.join(profile),
            Some(position) => inner.table.rejoin(profile, position),
        };
        let wake = Arc::new(Notify::new());
        inner.subscribers.push((id, Arc::clone(&wake)));
        drop(inner);
        Subscription { rib: self.clone(), id, wake }
    }

    /// The table stays whole whatever its holder's fate: each change is one call of a pure function.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A peer's place at a shared table.
#[derive(Debug)]
pub struct Subscription {
    rib: SharedRib,
    id: PeerId,
    wake: Arc<Notify>,
}

impl Subscription {
    /// The next messages for the peer.
    #[must_use]
    pub fn pull(&self) -> Option<Batch> {
        self.rib.lock().table.pull(self.id)
    }

    /// The peer wants a family again.
    pub fn refresh(&self, family: Family) {
        self.rib.lock().table.refresh(self.id, family);
    }

    /// Waits until the table was changed since the last call.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// How far the peer was told.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        self.rib.lock().table.position(self.id)
    }

    /// Whether the peer was told everything.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.rib.lock().table.is_told(self.id)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut inner = self.rib.lock();
        inner.table.leave(self.id);
        inner.subscribers.retain(|(id, _)| *id != self.id);
    }
}
