//! The end of the log in memory: pure bookkeeping.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use openraft::LogIdOptionExt;
use openraft::alias::{EntryOf, LogIdOf};

use crate::types::TypeConfig;

type Entry = EntryOf<TypeConfig>;
type LogId = LogIdOf<TypeConfig>;

/// Numbers the writes of one run of a store, from 1.
pub(super) type Sequence = u64;

/// What the log is once all that waits is committed, with the entries at its end.
pub(super) struct Tail {
    /// Index of the log's first entry.
    begin: u64,
    purged: Option<LogId>,
    last: Option<LogId>,
    /// The last entries, without a gap, up to `last`.
    entries: VecDeque<Cached>,
    bytes: usize,
    budget: usize,
}

struct Cached {
    /// The write that appends it: until that is committed, it exists only here.
    sequence: Sequence,
    bytes: usize,
    entry: Entry,
}

/// Where the entries of a range are.
pub(super) struct Found {
    /// To be read from disk.
    pub(super) stored: Range<u64>,
    /// What follows them.
    pub(super) cached: Vec<Entry>,
}

impl Tail {
    /// A log that is all on disk, from index `begin` on.
    pub(super) fn new(budget: usize, begin: u64, purged: Option<LogId>, last: Option<LogId>) -> Self {
        Self { begin, purged, last, entries: VecDeque::new(), bytes: 0, budget }
    }

    pub(super) fn last(&self) -> Option<LogId> {
        self.last
    }

    pub(super) fn purged(&self) -> Option<LogId> {
        self.purged
    }

    /// Whether an entry with this index may follow.
    pub(super) fn check_next(&self, index: u64) -> io::Result<()> {
        match self.last {
            Some(last) if index != last.index + 1 => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("entry {index} does not follow the log's last entry {}", last.index),
            )),
            _ => Ok(()),
        }
    }

    /// Appends an entry, for which [`Tail::check_next`] holds.
    pub(super) fn push(&mut self, sequence: Sequence, bytes: usize, entry: Entry) {
        if self.last.is_none() {
            self.begin = entry.log_id.index;
        }
        self.last = Some(entry.log_id);
        self.bytes += bytes;
        self.entries.push_back(Cached { sequence, bytes, entry });
    }

    /// Drops what follows `after`.
    pub(super) fn truncate(&mut self, after: Option<LogId>) {
        while self.entries.back().is_some_and(|cached| cached.entry.log_id.index >= after.next_index()) {
            self.bytes -= self.entries.pop_back().map_or(0, |cached| cached.bytes);
        }
        // Openraft may name an entry behind the end: then there is nothing to cut off.
        self.last = after.min(self.last).max(self.purged);
    }

    /// Drops everything up to `upto`, also when the log does not reach that far.
    pub(super) fn purge(&mut self, upto: LogId) {
        while self.entries.front().is_some_and(|cached| cached.entry.log_id.index <= upto.index) {
            self.drop_front();
        }
        self.purged = self.purged.max(Some(upto));
        self.begin = self.begin.max(upto.index + 1);
        if self.last.next_index() <= upto.index + 1 {
            self.last = Some(upto);
        }
    }

    /// Everything up to this write is committed: what is over the budget may go.
    pub(super) fn committed(&mut self, sequence: Sequence) {
        while self.bytes > self.budget && self.entries.front().is_some_and(|cached| cached.sequence <= sequence) {
            self.drop_front();
        }
    }

    fn drop_front(&mut self) {
        self.bytes -= self.entries.pop_front().map_or(0, |cached| cached.bytes);
    }

    /// Finds the entries of a range, as far as the log has them; those in memory up to about `limit` bytes, but one at
    /// least.
    pub(super) fn find(&self, range: Range<u64>, limit: usize) -> Found {
        let end = range.end.min(self.last.next_index());
        let start = range.start.max(self.begin).min(end);
        let first = self.entries.front().map_or(end, |cached| cached.entry.log_id.index);
        let stored = start..first.clamp(start, end);
        let mut bytes = 0;
        let skip = usize::try_from(stored.end.saturating_sub(first)).unwrap_or(usize::MAX);
        let count = usize::try_from(end - stored.end).unwrap_or(usize::MAX);
        let fits = |cached: &&Cached| {
            let fits = bytes == 0 || bytes + cached.bytes <= limit;
            bytes += cached.bytes.max(1);
            fits
        };
        let cached =
            self.entries.iter().skip(skip).take(count).take_while(fits).map(|cached| cached.entry.clone()).collect();
        Found { stored, cached }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use openraft::EntryPayload;
    use openraft::vote::RaftLeaderId;
    use proptest::prelude::*;

    use super::*;

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(openraft::alias::LeaderIdOf::<TypeConfig>::new(term, 1).to_committed(), index)
    }

    fn entry(term: u64, index: u64) -> Entry {
        Entry { log_id: id(term, index), payload: EntryPayload::Blank }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Append(u8),
        Truncate(u8),
        Purge(u8),
        Commit(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1..5_u8).prop_map(Step::Append),
            any::<u8>().prop_map(Step::Truncate),
            any::<u8>().prop_map(Step::Purge),
            any::<u8>().prop_map(Step::Commit),
        ]
    }

    /// A log in two maps: what it should be, and what the disk has once `disk_at` writes are committed.
    #[derive(Default)]
    struct Reference {
        log: BTreeMap<u64, LogId>,
        disk: BTreeMap<u64, LogId>,
        waiting: VecDeque<BTreeMap<u64, LogId>>,
        done: u64,
    }

    impl Reference {
        fn wrote(&mut self) {
            self.waiting.push_back(self.log.clone());
        }

        fn commit(&mut self, count: usize) -> u64 {
            for _ in 0..count.min(self.waiting.len()) {
                self.disk = self.waiting.pop_front().unwrap();
                self.done += 1;
            }
            self.done
        }
    }

    proptest! {
        #[test]
        fn a_range_is_always_found_whole(steps in prop::collection::vec(step(), 1..60), from in 0..40_u64, count in 0..40_u64) {
            let mut tail = Tail::new(30, 0, None, None);
            let mut reference = Reference::default();
            let mut sequence = 0;
            for (term, step) in (1..).zip(steps) {
                let (first, next) = (tail.purged().next_index(), tail.last().next_index());
                match step {
                    Step::Append(count) => {
                        sequence += 1;
                        for index in next..next + u64::from(count) {
                            tail.check_next(index).unwrap();
                            tail.push(sequence, 10, entry(term, index));
                            reference.log.insert(index, id(term, index));
                        }
                        reference.wrote();
                    }
                    Step::Truncate(at) => {
                        let at = first + u64::from(at) % (next - first + 1);
                        sequence += 1;
                        reference.log.retain(|index, _| *index < at);
                        tail.truncate(reference.log.values().next_back().copied().or(tail.purged()));
                        reference.wrote();
                    }
                    Step::Purge(at) if next > first => {
                        let at = first + u64::from(at) % (next - first);
                        sequence += 1;
                        tail.purge(reference.log[&at]);
                        reference.log.retain(|index, _| *index > at);
                        reference.wrote();
                    }
                    Step::Purge(_) => {}
                    Step::Commit(count) => tail.committed(reference.commit(usize::from(count) % 4)),
                }
                let found = tail.find(from..from + count, usize::MAX);
                let stored = reference.disk.range(found.stored).map(|(_, id)| *id);
                let read: Vec<_> = stored.chain(found.cached.iter().map(|entry| entry.log_id)).collect();
                let wanted: Vec<_> = reference.log.range(from..from + count).map(|(_, id)| *id).collect();
                prop_assert_eq!(read, wanted);
            }
        }
    }

    #[test]
    fn a_gap_is_refused() {
        let mut tail = Tail::new(100, 0, None, None);
        tail.push(1, 1, entry(1, 5));
        assert!(tail.check_next(6).is_ok());
        assert!(tail.check_next(7).unwrap_err().to_string().contains("entry 7 does not follow"));
    }

    #[test]
    fn only_committed_entries_leave_memory() {
        let mut tail = Tail::new(10, 0, None, None);
        (0..4).for_each(|index| tail.push(index + 1, 10, entry(1, index)));
        tail.committed(2);
        assert_eq!(tail.find(0..4, usize::MAX).stored, 0..2);
        tail.committed(4);
        assert_eq!(tail.find(0..4, usize::MAX).stored, 0..3);
    }

    #[test]
    fn a_limit_leaves_one_entry_at_least() {
        let mut tail = Tail::new(1000, 0, None, None);
        (0..4).for_each(|index| tail.push(1, 10, entry(1, index)));
        assert_eq!(tail.find(0..4, 1).cached.len(), 1);
        assert_eq!(tail.find(1..4, 25).cached.len(), 2);
    }
}
