//! How many addresses moved, and why: counted from the events.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use quorumlb_raft_store::machine::{Event, MoveReason};
use quorumlb_raft_store::replica::View;

/// Records that are looked at in one go.
const PIECE: usize = 1000;

/// Moves by reason, since this node first saw the state. Every node counts all of the group's.
#[derive(Debug, Default)]
pub(super) struct Moves(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    /// Counted up to this log index.
    upto: Option<u64>,
    by_reason: BTreeMap<MoveReason, u64>,
}

impl Moves {
    /// Counts what is new. What left the history before it was looked at is not counted.
    pub(super) fn count(&self, view: Option<&View>) {
        let Some(view) = view else { return };
        let mut count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut upto = match count.upto {
            Some(upto) => upto,
            // What was applied before is history, and would be counted again after each start.
            None => view.applied().map_or(0, |applied| applied.index),
        };
        loop {
            let page = view.page(Some(upto), PIECE);
            for record in &page.records {
                if let Event::Granted { why: Some(why), .. } = &record.event {
                    *count.by_reason.entry(*why).or_default() += 1;
                }
            }
            upto = page.records.last().map(|record| record.index).or(page.lost).unwrap_or(upto);
            if page.records.is_empty() {
                break;
            }
        }
        count.upto = Some(upto);
    }

    /// Moves by reason, all reasons.
    pub(super) fn by_reason(&self) -> BTreeMap<MoveReason, u64> {
        let all = [
            MoveReason::NodeLost,
            MoveReason::NodeDrained,
            MoveReason::NotEligible,
            MoveReason::Preferred,
            MoveReason::Rebalance,
            MoveReason::Unused,
        ];
        let count = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.into_iter().map(|why| (why, count.by_reason.get(&why).copied().unwrap_or(0))).collect()
    }
}
