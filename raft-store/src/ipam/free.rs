//! What is free of a numbered stretch, as intervals.

use std::collections::BTreeMap;

/// The free numbers, as disjoint intervals with a gap between any two. Every operation costs O(log intervals).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FreeList {
    /// First number to last number, both included.
    intervals: BTreeMap<u128, u128>,
}

impl FreeList {
    /// All of `0..=last`.
    pub(super) fn up_to(last: u128) -> Self {
        Self { intervals: BTreeMap::from([(0, last)]) }
    }

    /// The lowest free number.
    pub(super) fn lowest(&self) -> Option<u128> {
        self.intervals.first_key_value().map(|(first, _)| *first)
    }

    /// Takes a number; nothing happens when it is not free.
    pub(super) fn take(&mut self, number: u128) {
        let Some((&first, &last)) = self.intervals.range(..=number).next_back() else { return };
        if last < number {
            return;
        }
        if first < number {
            self.intervals.insert(first, number - 1);
        } else {
            self.intervals.remove(&first);
        }
        if number < last {
            self.intervals.insert(number + 1, last);
        }
    }

    /// Gives a number back; nothing happens when it is free already.
    pub(super) fn release(&mut self, number: u128) {
        let before = self.intervals.range(..=number).next_back().map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= number) {
            return;
        }
        let first = match before {
            Some((first, last)) if last + 1 == number => first,
            _ => number,
        };
        let next = number.checked_add(1);
        let last = next.and_then(|next| self.intervals.remove(&next)).unwrap_or(number);
        self.intervals.insert(first, last);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_number_of_all_can_be_taken_and_given_back() {
        let mut list = FreeList::up_to(u128::MAX);
        list.take(u128::MAX);
        list.take(0);
        assert_eq!(list.lowest(), Some(1));
        list.release(u128::MAX);
        list.release(0);
        assert_eq!(list, FreeList::up_to(u128::MAX));
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(steps in prop::collection::vec((any::<bool>(), 0_u128..24), 0..200)) {
            let (mut list, mut model) = (FreeList::up_to(23), (0..24).collect::<BTreeSet<u128>>());
            for (take, number) in steps {
                if take {
                    list.take(number);
                    model.remove(&number);
                } else {
                    list.release(number);
                    model.insert(number);
                }
                prop_assert_eq!(list.lowest(), model.first().copied());
                let listed: BTreeSet<u128> = list.intervals.iter().flat_map(|(a, b)| *a..=*b).collect();
                prop_assert_eq!(&listed, &model);
                let apart = list.intervals.iter().zip(list.intervals.iter().skip(1)).all(|((_, b), (c, _))| b + 1 < *c);
                prop_assert!(apart, "intervals touch: {:?}", list.intervals);
            }
        }
    }
}
