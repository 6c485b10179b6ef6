//! How often something is given, and by what.

/// Names a share: what may give a route.
pub(super) type ShareId = u32;

/// The shares that give a route, each with how often. Most routes are given once, by one share, and there are many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// By this share, so often; by none when it is 0 times.
    By(ShareId, u32),
    /// By several, in order.
    Several(Vec<(ShareId, u32)>),
}

impl Given {
    pub(super) fn once(share: ShareId) -> Self {
        Self::By(share, 1)
    }

    /// Once more by this share. Whether the share is a new one.
    pub(super) fn add(&mut self, share: ShareId) -> bool {
        match self {
            Self::By(known, times) if *known == share => {
                *times += 1;
                false
            }
            Self::By(known, times) => {
                let mut both = vec![(*known, *times), (share, 1)];
                both.sort_unstable();
                *self = Self::Several(both);
                true
            }
            Self::Several(all) => match all.binary_search_by_key(&share, |(known, _)| *known) {
                Ok(place) => {
                    all[place].1 += 1;
                    false
                }
                Err(place) => {
                    all.insert(place, (share, 1));
                    true
                }
            },
        }
    }

    /// Once less by this share. Whether the share gives it no more.
    pub(super) fn remove(&mut self, share: ShareId) -> bool {
        match self {
            Self::By(known, times) if *known == share && *times > 0 => {
                *times -= 1;
                *times == 0
            }
            Self::By(..) => false,
            Self::Several(all) => {
                let Ok(place) = all.binary_search_by_key(&share, |(known, _)| *known) else { return false };
                all[place].1 -= 1;
                let gone = all[place].1 == 0;
                if gone {
                    all.remove(place);
                }
                if let [(only, times)] = all[..] {
                    *self = Self::By(only, times);
                }
                gone
            }
        }
    }

    /// The one share that gives it, if it is one.
    pub(super) fn only(&self) -> Option<ShareId> {
        match self {
            Self::By(share, _) => Some(*share),
            Self::Several(_) => None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::By(_, 0))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ShareId, u32)> {
        let (one, all) = match self {
            Self::By(share, times) => (Some((*share, *times)), &[][..]),
            Self::Several(all) => (None, &all[..]),
        };
        one.into_iter().chain(all.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// It counts like a map does.
        #[test]
        fn it_counts(steps in prop::collection::vec((0_u32..4, any::<bool>()), 0..40)) {
            let mut given = Given::once(0);
            let mut counts = std::collections::BTreeMap::from([(0_u32, 1_u32)]);
            for (share, more) in steps {
                let count = counts.entry(share).or_default();
                let known = *count > 0;
                if more {
                    *count += 1;
                    prop_assert_eq!(given.add(share), !known);
                } else if known && counts.values().sum::<u32>() > 1 {
                    let count = counts.entry(share).or_default();
                    *count -= 1;
                    let gone = *count == 0;
                    prop_assert_eq!(given.remove(share), gone);
                }
                counts.retain(|_, count| *count > 0);
                prop_assert_eq!(given.iter().collect::<Vec<_>>(), counts.clone().into_iter().collect::<Vec<_>>());
                prop_assert_eq!(given.only().is_some(), counts.len() == 1);
            }
        }
    }
}
