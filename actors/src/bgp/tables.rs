//! Which sessions share a table of routes.
//!
//! Sessions that are told the same when they are opened share one. When a change makes them differ, those that go another
//! way get a copy of their own, in which each goes on from where it stands, so that it is told nothing twice.

use std::collections::BTreeMap;

use quorumlb_announcer::bgp::rib::{AdjRibOut, SharedRib};
use quorumlb_raft_store::advertise::{RouteChange, Table};

use super::translate;

/// Names a table.
pub(super) type TableId = u64;

/// All tables that sessions are told from.
#[derive(Debug, Default)]
pub(super) struct Tables {
    tables: BTreeMap<TableId, SharedRib>,
    last: TableId,
}

impl Tables {
    /// A new table with what was decided.
    pub fn open(&mut self, decided: Option<&Table>) -> TableId {
        let mut table = AdjRibOut::new();
        for route in decided.into_iter().flat_map(Table::routes) {
            change(&mut table, &RouteChange { prefix: route.prefix, attributes: Some(route.attributes) });
        }
        table.complete();
        self.add(SharedRib::new(table))
    }

    /// A copy of a table, for sessions that leave it.
    pub fn copy(&mut self, of: TableId) -> TableId {
        let saved = self.tables.get(&of).map(|table| table.read(AdjRibOut::save));
        let table = saved.map_or_else(AdjRibOut::new, AdjRibOut::resume);
        self.add(SharedRib::new(table))
    }

    fn add(&mut self, table: SharedRib) -> TableId {
        self.last += 1;
        self.tables.insert(self.last, table);
        self.last
    }

    /// A handle to a table.
    pub fn get(&self, id: TableId) -> Option<&SharedRib> {
        self.tables.get(&id)
    }

    /// Carries out what was decided.
    pub fn change(&self, id: TableId, changes: &[RouteChange]) {
        if let Some(table) = self.tables.get(&id) {
            table.update(|table| changes.iter().for_each(|one| change(table, one)));
        }
    }

    /// Forgets those that no session is told from.
    pub fn keep(&mut self, used: impl Fn(TableId) -> bool) {
        self.tables.retain(|id, _| used(*id));
    }
}

fn change(table: &mut AdjRibOut, change: &RouteChange) {
    let prefix = match translate::prefix(change.prefix) {
        Ok(prefix) => prefix,
        Err(error) => return tracing::error!(%error, prefix = %change.prefix, "a route is not told"),
    };
    match &change.attributes {
        None => drop(table.withdraw(prefix)),
        Some(attributes) => {
            if let Err(error) = table.announce(prefix, translate::attributes(attributes)) {
                tracing::error!(%error, prefix = %change.prefix, "a route is not told");
                table.withdraw(prefix);
            }
        }
    }
}
