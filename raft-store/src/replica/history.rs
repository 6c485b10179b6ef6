//! What happened lately, for `events`.

use std::collections::VecDeque;

use crate::machine::Record;

/// The last records, bounded in number and bytes.
#[derive(Debug)]
pub struct History {
    records: VecDeque<(usize, Record)>,
    bytes: usize,
    /// Records up to this log index are not all here.
    lost: Option<u64>,
    most_records: usize,
    most_bytes: usize,
}

/// A part of the history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The records, oldest first.
    pub records: Vec<Record>,
    /// Records between the place that was asked for and this log index are not kept any more.
    pub lost: Option<u64>,
}

impl Default for History {
    /// 10,000 records, 8 MiB.
    fn default() -> Self {
        Self::new(10_000, 8 << 20)
    }
}

impl History {
    /// At most so many records of so many bytes.
    pub fn new(most_records: usize, most_bytes: usize) -> Self {
        Self { records: VecDeque::new(), bytes: 0, lost: None, most_records, most_bytes }
    }

    /// Adds records; the oldest go.
    pub fn extend(&mut self, records: &[Record]) {
        for record in records {
            let bytes = record.weight();
            self.bytes = self.bytes.saturating_add(bytes);
            self.records.push_back((bytes, record.clone()));
            while self.records.len() > self.most_records || self.bytes > self.most_bytes {
                let Some((bytes, gone)) = self.records.pop_front() else { break };
                self.lost = self.lost.max(Some(gone.index));
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
    }

    /// Notes that records up to this log index will never be told here: a snapshot took their place.
    pub fn skip_to(&mut self, index: u64) {
        self.lost = self.lost.max(Some(index));
    }

    /// The records after log index `after`, oldest first: about `limit`, since those of one index stay together. Without
    /// `after`: the newest.
    pub fn page(&self, after: Option<u64>, limit: usize) -> Page {
        let (from, to) = match after {
            Some(after) => {
                let from = self.records.partition_point(|(_, record)| record.index <= after);
                (from, self.whole(from.saturating_add(limit.max(1))))
            }
            None => {
                let first = self.records.get(self.records.len().saturating_sub(limit)).map(|(_, record)| record.index);
                let from = self.records.partition_point(|(_, record)| Some(record.index) < first);
                (if first.is_none() { self.records.len() } else { from }, self.records.len())
            }
        };
        let records = self.records.range(from..to).map(|(_, record)| record.clone()).collect();
        Page { records, lost: self.lost.filter(|lost| after.is_some_and(|after| after < *lost)) }
    }

    /// The first place from `at` on that does not split the records of one index.
    fn whole(&self, at: usize) -> usize {
        let index = |at: usize| self.records.get(at).map(|(_, record)| record.index);
        let Some(before) = at.checked_sub(1).and_then(index) else { return at.min(self.records.len()) };
        (at..self.records.len()).find(|at| index(*at) != Some(before)).unwrap_or(self.records.len())
    }

    /// Up to `limit` records after log index `after`, oldest first.
    pub fn after(&self, after: Option<u64>, limit: usize) -> Vec<Record> {
        let records = self.records.iter().map(|(_, record)| record);
        records.filter(|record| after.is_none_or(|after| record.index > after)).take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Event;

    fn record(index: u64) -> Record {
        Record { index, at_ms: 0, event: Event::Forgotten { node: "node1".into() } }
    }

    #[test]
    fn the_oldest_go_first() {
        let mut history = History::new(3, 1000);
        history.extend(&(1..=5).map(record).collect::<Vec<_>>());
        let indices = |history: &History, after, limit| -> Vec<u64> {
            history.after(after, limit).iter().map(|record| record.index).collect()
        };
        assert_eq!(indices(&history, None, 10), [3, 4, 5]);
        assert_eq!(indices(&history, Some(3), 10), [4, 5]);
        assert_eq!(indices(&history, None, 1), [3]);
    }

    #[test]
    fn a_page_keeps_an_index_together_and_says_what_is_lost() {
        let mut history = History::new(6, 10_000);
        history.extend(&[1, 2, 2, 3, 3, 3, 4].map(record));
        let page = |history: &History, after, limit| {
            let page = history.page(after, limit);
            (page.records.iter().map(|record| record.index).collect::<Vec<_>>(), page.lost)
        };
        assert_eq!(page(&history, Some(0), 1), (vec![2, 2], Some(1)));
        assert_eq!(page(&history, Some(2), 2), (vec![3, 3, 3], None));
        assert_eq!(page(&history, Some(3), 10), (vec![4], None));
        assert_eq!(page(&history, Some(4), 10), (vec![], None));
        assert_eq!(page(&history, None, 2), (vec![3, 3, 3, 4], None), "an index is not split");
        assert_eq!(page(&history, None, 100), (vec![2, 2, 3, 3, 3, 4], None));
        history.skip_to(9);
        assert_eq!(page(&history, Some(4), 10), (vec![], Some(9)));
    }

    #[test]
    fn bytes_are_bounded_too() {
        let each = record(1).weight();
        let mut history = History::new(100, 2 * each);
        history.extend(&(1..=5).map(record).collect::<Vec<_>>());
        assert_eq!(history.after(None, 100).len(), 2);
        assert_eq!(history.bytes, 2 * each);
    }
}
