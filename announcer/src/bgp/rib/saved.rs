//! A table that goes on in another process on the same node.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::Prefix;
use super::route::Attributes;
use super::table::{AdjRibOut, Entry};

/// How far a peer was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The version up to which it was told everything.
    pub told: u64,
    /// Up to this version it had been told nothing when it joined.
    pub initial: u64,
    /// It waits for End-of-RIB.
    pub end_of_rib: bool,
    /// It has asked for routes again and does not have all of them.
    pub refresh: bool,
}

/// A table, without its peers: their positions are saved with their sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// Each set of attributes once.
    pub attributes: Vec<Attributes>,
    /// Prefix, version, and the number of its attributes; `None` for a route that is gone, of which not every peer was told.
    pub routes: Vec<(Prefix, u64, Option<u32>)>,
    /// The last version.
    pub version: u64,
    /// The version at which the first table was complete.
    pub complete: Option<u64>,
    /// Whether the node is being drained.
    pub draining: bool,
}

impl AdjRibOut {
    /// The table, to go on in another process.
    #[must_use]
    pub fn save(&self) -> Saved {
        let numbers: BTreeMap<&Attributes, u32> = self.attributes.keys().map(AsRef::as_ref).zip(0..).collect();
        let number =
            |entry: &Entry| entry.attributes.as_deref().and_then(|attributes| numbers.get(attributes).copied());
        Saved {
            attributes: self.attributes.keys().map(|attributes| Attributes::clone(attributes)).collect(),
            routes: self.routes.iter().map(|(prefix, entry)| (*prefix, entry.version, number(entry))).collect(),
            version: self.version,
            complete: self.complete,
            draining: self.draining,
        }
    }

    /// Goes on with a saved table. Peers come back with [`AdjRibOut::rejoin`] before anything else is done with it; then
    /// [`AdjRibOut::replace`] sends what has changed since.
    #[must_use]
    pub fn resume(saved: Saved) -> Self {
        let attributes: Vec<Arc<Attributes>> = saved.attributes.into_iter().map(Arc::new).collect();
        let mut table = Self::new();
        for (prefix, version, number) in saved.routes {
            let attributes = number.and_then(|number| attributes.get(usize::try_from(number).ok()?).cloned());
            match &attributes {
                Some(attributes) => table.count(attributes),
                None => drop(table.gone.insert(version)),
            }
            table.log.insert(version, prefix);
            table.routes.insert(prefix, Entry { version, attributes });
        }
        (table.version, table.complete, table.draining) = (saved.version, saved.complete, saved.draining);
        table
    }
}
