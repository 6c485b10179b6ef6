//! What happened lately, for `events`.

use std::collections::VecDeque;

use crate::codec::{self, Kind};
use crate::machine::Record;

/// The last records, bounded in number and bytes.
#[derive(Debug)]
pub struct History {
    records: VecDeque<(usize, Record)>,
    bytes: usize,
    most_records: usize,
    most_bytes: usize,
}

impl Default for History {
    /// 10,000 records, 8 MiB.
    fn default() -> Self {
        Self::new(10_000, 8 << 20)
    }
}

impl History {
    /// At most so many records of so many encoded bytes.
    pub fn new(most_records: usize, most_bytes: usize) -> Self {
        Self { records: VecDeque::new(), bytes: 0, most_records, most_bytes }
    }

    /// Adds records; the oldest go.
    pub fn extend(&mut self, records: &[Record]) {
        for record in records {
            // What cannot be measured is not kept.
            let bytes = codec::body_bytes(Kind::Message, record).unwrap_or(usize::MAX);
            self.bytes = self.bytes.saturating_add(bytes);
            self.records.push_back((bytes, record.clone()));
            while self.records.len() > self.most_records || self.bytes > self.most_bytes {
                let Some((bytes, _)) = self.records.pop_front() else { break };
                self.bytes = self.bytes.saturating_sub(bytes);
            }
        }
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
    fn bytes_are_bounded_too() {
        let each = codec::body_bytes(Kind::Message, &record(1)).unwrap();
        let mut history = History::new(100, 2 * each);
        history.extend(&(1..=5).map(record).collect::<Vec<_>>());
        assert_eq!(history.after(None, 100).len(), 2);
        assert_eq!(history.bytes, 2 * each);
    }
}
