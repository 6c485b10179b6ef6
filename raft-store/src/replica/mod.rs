//! The state machine as openraft drives it, and the window through which everyone else sees the state.
//!
//! [`Replica`] goes to openraft; a [`View`] goes to whoever reads the state or acts on its changes. The applied state
//! lives in memory only. It is never fsynced: after a restart openraft installs the last snapshot and applies the log
//! from there again, so the records of that part come again too.

mod apply;
mod archive;
mod history;
mod rehearsal;
mod snapshot;

use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::sync::{Mutex, MutexGuard, PoisonError};

use openraft::alias::{LogIdOf, StoredMembershipOf};
use tokio::sync::broadcast;

pub use self::archive::{ArchiveError, export, import};
pub use self::history::{History, Page};
pub use self::rehearsal::Rehearsal;
pub use self::snapshot::{Builder, translate};

use crate::log::{LogStore, SnapshotStore};
use crate::machine::{Record, State};
use crate::types::TypeConfig;

/// Changes that a subscriber may be behind before it has to begin anew.
const CHANGES: usize = 1024;

/// What happened to the state.
#[derive(Clone, Debug)]
pub enum Change {
    /// Entries were applied, and this came of it, in order; never empty.
    Records(Arc<[Record]>),
    /// The whole state was replaced by a snapshot: what led to it is not told. Read the state anew.
    Replaced {
        /// Index of the last entry in it.
        applied: u64,
    },
}

/// The replicated state machine. Clones share one state.
#[derive(Clone)]
pub struct Replica {
    shared: Arc<Shared>,
    snapshots: SnapshotStore,
}

/// A window on the applied state.
#[derive(Clone)]
pub struct View {
    shared: Arc<Shared>,
}

struct Shared {
    applied: RwLock<Applied>,
    history: Mutex<History>,
    changes: broadcast::Sender<Change>,
}

/// The state and how far the log is in it.
#[derive(Clone, Default)]
struct Applied {
    state: State,
    last: Option<LogIdOf<TypeConfig>>,
    membership: StoredMembershipOf<TypeConfig>,
}

impl Replica {
    /// An empty replica whose snapshots go to `store`.
    pub fn new(store: &LogStore) -> Self {
        Self { shared: Arc::new(Shared::new()), snapshots: store.snapshots() }
    }

    /// A window on its state.
    pub fn view(&self) -> View {
        View { shared: Arc::clone(&self.shared) }
    }
}

impl View {
    /// Looks at the state. Writers wait meanwhile, so take what you need and return.
    pub fn read<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.shared.read().state)
    }

    /// Whether both look at the same replica, and not at one that took the other's place.
    pub fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The last applied entry.
    pub fn applied(&self) -> Option<LogIdOf<TypeConfig>> {
        self.shared.read().last
    }

    /// Looks at the state, with the index of the last entry in it, and subscribes to what comes after it.
    ///
    /// A record that is in the state already may still come: pass over those with an index up to the one given. A
    /// subscriber that falls [`broadcast::error::RecvError::Lagged`] has missed changes: it calls this again and goes
    /// on from the state.
    pub fn follow<R>(&self, look: impl FnOnce(&State, Option<u64>) -> R) -> (R, broadcast::Receiver<Change>) {
        let applied = self.shared.read();
        let changes = self.shared.changes.subscribe();
        (look(&applied.state, applied.last.map(|last| last.index)), changes)
    }

    /// The records after log index `after`, oldest first, about `limit` of them, and whether some are not kept any more.
    /// Without `after`: the newest.
    pub fn page(&self, after: Option<u64>, limit: usize) -> Page {
        self.shared.history().page(after, limit)
    }

    /// Up to `limit` of the records after log index `after` that are still kept, oldest first.
    pub fn events(&self, after: Option<u64>, limit: usize) -> Vec<Record> {
        self.shared.history().after(after, limit)
    }
}

impl Shared {
    fn new() -> Self {
        Self {
            applied: RwLock::default(),
            history: Mutex::new(History::default()),
            changes: broadcast::Sender::new(CHANGES),
        }
    }

    // A poisoned lock means that apply panicked. openraft ends with it; readers may look at what there is.
    fn read(&self) -> RwLockReadGuard<'_, Applied> {
        self.applied.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Applied> {
        self.applied.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells what was applied, also when it left no record: a change of endpoints alone leaves none.
    fn publish(&self, records: &mut Vec<Record>) {
        let records: Arc<[Record]> = std::mem::take(records).into();
        self.history().extend(&records);
        // Fails only when nobody listens.
        let _ = self.changes.send(Change::Records(records));
    }
}

#[cfg(test)]
mod tests;
