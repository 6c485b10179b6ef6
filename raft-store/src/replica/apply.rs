//! Applying entries and installing snapshots.

use std::io;

use futures::{Stream, StreamExt};
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};

use super::{Applied, Builder, Change, Replica, archive};
use crate::machine::{Outcome, Record};
use crate::types::TypeConfig;

/// Records that are told at once, at most (a single entry's are never split).
const BATCH: usize = 256;

impl RaftStateMachine<TypeConfig> for Replica {
    type SnapshotData = Vec<u8>;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogIdOf<TypeConfig>>, StoredMembershipOf<TypeConfig>)> {
        let applied = self.shared.read();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut records = Vec::new();
        while let Some(item) = entries.next().await {
            // What was applied before an error is told all the same: it stands in the state.
            let (entry, responder) = item.inspect_err(|_| self.shared.publish(&mut records))?;
            let outcome = self.apply_entry(entry, &mut records);
            if records.len() >= BATCH {
                self.shared.publish(&mut records);
            }
            if let Some(responder) = responder {
                responder.send(outcome);
            }
        }
        self.shared.publish(&mut records);
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder { replica: self.clone() }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<TypeConfig>, snapshot: Vec<u8>) -> io::Result<()> {
        let state = archive::decode_state(&snapshot)?;
        self.snapshots.save(meta, &snapshot).await?;
        let applied = Applied { state, last: meta.last_log_id, membership: meta.last_membership.clone() };
        let before = std::mem::replace(&mut *self.shared.write(), applied);
        drop(before);
        if let Some(last) = meta.last_log_id {
            self.shared.history().skip_to(last.index);
        }
        // Fails only when nobody listens.
        let _ = self.shared.changes.send(Change::Replaced { applied: meta.last_log_id.map_or(0, |last| last.index) });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<SnapshotOf<TypeConfig, Vec<u8>>>> {
        let stored = self.snapshots.load()?;
        Ok(stored.map(|stored| SnapshotOf::<TypeConfig, Vec<u8>> { meta: stored.meta, snapshot: stored.bytes }))
    }
}

impl Replica {
    fn apply_entry(&self, entry: EntryOf<TypeConfig>, records: &mut Vec<Record>) -> Outcome {
        let index = entry.log_id.index;
        let mut applied = self.shared.write();
        applied.last = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Outcome::Done,
            EntryPayload::Membership(membership) => {
                applied.membership = StoredMembershipOf::<TypeConfig>::new(Some(entry.log_id), membership);
                Outcome::Done
            }
            EntryPayload::Normal(proposal) => {
                let result = applied.state.apply(index, &proposal);
                let at_ms = proposal.at_ms;
                records.extend(result.events.into_iter().map(|event| Record { index, at_ms, event }));
                result.outcome
            }
        }
    }
}
