//! How many bytes of entries lie behind which index: pure bookkeeping, for whoever keeps the log short.

use std::collections::VecDeque;

/// Bytes of entries that are counted together.
const MARK: u64 = 256 << 10;

/// The bytes of the log's entries, by index, to about [`MARK`]. It takes a mark for each, so it is as bounded as the log.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// The last index of each part, and the part's bytes.
    parts: VecDeque<(u64, u64)>,
    total: u64,
}

impl Weight {
    /// An entry was appended.
    pub(super) fn append(&mut self, index: u64, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.total = self.total.saturating_add(bytes);
        match self.parts.back_mut() {
            Some((last, part)) if *part < MARK => (*last, *part) = (index, part.saturating_add(bytes)),
            _ => self.parts.push_back((index, bytes)),
        }
    }

    /// Entries from `from` on were dropped. A part that is cut in two counts whole.
    pub(super) fn truncate(&mut self, from: u64) {
        while let Some((last, bytes)) = self.parts.pop_back_if(|(last, _)| *last >= from) {
            let before = self.parts.back().map_or(0, |(last, _)| last + 1);
            if before < from {
                self.parts.push_back((last.min(from - 1), bytes));
                return;
            }
            self.total -= bytes;
        }
    }

    /// Entries up to `upto` were dropped. A part that is cut in two counts whole.
    pub(super) fn purge(&mut self, upto: u64) {
        while let Some((_, bytes)) = self.parts.pop_front_if(|(last, _)| *last <= upto) {
            self.total -= bytes;
        }
    }

    /// Bytes of the entries after this index; of all of them without one.
    pub(super) fn after(&self, index: Option<u64>) -> u64 {
        let later = |(last, _): &&(u64, u64)| index.is_none_or(|index| *last > index);
        self.parts.iter().rev().take_while(later).map(|(_, bytes)| bytes).sum()
    }

    /// The last index behind which more than `keep` bytes follow; `None` while there are not that many.
    pub(super) fn behind(&self, keep: u64) -> Option<u64> {
        if self.total <= keep {
            return None;
        }
        let mut follow = 0;
        self.parts.iter().rev().find_map(|(last, bytes)| {
            let found = (follow > keep).then_some(*last);
            follow += bytes;
            found
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It is never wrong by more than the parts at the two ends, and those that were cut by a truncation.
        #[test]
        fn it_weighs_what_is_there(steps in prop::collection::vec((0u8..10, 1usize..600_000, 0u64..100), 1..200)) {
            let (mut weight, mut log, mut first, mut next, mut cuts) = (Weight::default(), BTreeMap::new(), 0, 0, 0);
            for (what, bytes, at) in steps {
                let at = first + at % (next - first + 1);
                match what {
                    0 => {
                        weight.truncate(at);
                        log.retain(|index, _| *index < at);
                        next = at;
                        cuts += 1;
                    }
                    1 if at < next => {
                        weight.purge(at);
                        log.retain(|index, _| *index > at);
                        first = at + 1;
                    }
                    _ => {
                        weight.append(next, bytes);
                        log.insert(next, bytes as u64);
                        next += 1;
                    }
                }
                let really: u64 = log.values().sum();
                let slack = (2 + cuts) * (MARK + 600_000);
                prop_assert!(weight.after(None) >= really && weight.after(None) <= really + slack);
                let really: u64 = log.range(at + 1..).map(|(_, bytes)| bytes).sum();
                prop_assert!(weight.after(Some(at)) >= really && weight.after(Some(at)) <= really + slack);
                if let Some(index) = weight.behind(3_000_000) {
                    let follow: u64 = log.range(index + 1..).map(|(_, bytes)| bytes).sum();
                    prop_assert!(follow + slack > 3_000_000, "{follow} bytes follow {index}");
                    prop_assert!(index < next);
                }
            }
        }
    }

    #[test]
    fn nothing_is_behind_a_short_log() {
        let mut weight = Weight::default();
        (0..100).for_each(|index| weight.append(index, 1 << 20));
        assert_eq!(weight.after(None), 100 << 20);
        assert_eq!(weight.after(Some(89)), 10 << 20);
        assert_eq!(weight.behind(100 << 20), None);
        assert_eq!(weight.behind(10 << 20), Some(88));
    }
}
