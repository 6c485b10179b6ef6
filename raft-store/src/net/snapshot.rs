//! Snapshots in parts: cut by the sender, put together by the receiver.

use super::SnapshotPart;
use crate::codec::Kind;
use crate::types::RaftId;

/// The largest snapshot, in bytes.
pub const SNAPSHOT_LIMIT: usize = Kind::State.frame_limit();

/// Size of a part, in bytes; small enough that one part does not hold up a slow link for long.
pub(super) const PART: usize = 1 << 20;

/// A snapshot that is arriving. A receiver keeps one: there is one leader, and a newer transfer takes the place of an
/// older one.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    from: RaftId,
    /// The first part, without its bytes: all others must agree with it.
    head: SnapshotPart,
    data: Vec<u8>,
}

/// What a part led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// More is to come, at this offset.
    Next(u64),
    /// The snapshot is whole.
    Whole(SnapshotPart),
}

impl Assembly {
    /// Takes a part.
    ///
    /// # Errors
    /// Says why the sender has to begin anew.
    pub(super) fn take(&mut self, from: RaftId, mut part: SnapshotPart) -> Result<Received, String> {
        let bytes = std::mem::take(&mut part.data);
        let limit = SNAPSHOT_LIMIT as u64;
        if part.total > limit {
            return Err(format!("{} bytes are over the limit of {limit}", part.total));
        }
        if part.offset == 0 {
            self.current = Some(Current { from, head: part.clone(), data: Vec::new() });
        }
        let same = |current: &&mut Current| {
            current.from == from
                && current.head.vote == part.vote
                && current.head.meta == part.meta
                && current.head.total == part.total
        };
        let current = self.current.as_mut().filter(same).ok_or("it belongs to no snapshot that was begun")?;
        let (have, total) = (current.data.len() as u64, part.total);
        // A part that is repeated, because its answer was lost, is there already.
        if part.offset + bytes.len() as u64 <= have && part.offset < have {
            return Ok(Received::Next(have));
        }
        if part.offset != have || have + bytes.len() as u64 > total || (bytes.is_empty() && have < total) {
            return Err(format!("{} bytes at {} do not follow {have} of {total}", bytes.len(), part.offset));
        }
        current.data.extend_from_slice(&bytes);
        if (current.data.len() as u64) < total {
            return Ok(Received::Next(current.data.len() as u64));
        }
        part.data = self.current.take().map(|current| current.data).unwrap_or_default();
        Ok(Received::Whole(part))
    }
}

#[cfg(test)]
mod tests {
    use openraft::alias::{SnapshotMetaOf, VoteOf};

    use super::*;
    use crate::types::TypeConfig;

    fn part(offset: u64, total: u64, data: &[u8]) -> SnapshotPart {
        let meta = SnapshotMetaOf::<TypeConfig> { last_log_id: None, last_membership: Default::default() };
        SnapshotPart { vote: VoteOf::<TypeConfig>::new_committed(3, 1), meta, offset, total, data: data.to_vec() }
    }

    #[test]
    fn parts_come_together_in_order() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(1, part(0, 5, b"ab")), Ok(Received::Next(2)));
        assert_eq!(assembly.take(1, part(2, 5, b"cd")), Ok(Received::Next(4)));
        assert_eq!(assembly.take(1, part(2, 5, b"cd")), Ok(Received::Next(4)), "a repeated part does no harm");
        let Ok(Received::Whole(whole)) = assembly.take(1, part(4, 5, b"e")) else { panic!("whole") };
        assert_eq!(whole.data, b"abcde");
        assert!(assembly.current.is_none());
        assert!(matches!(assembly.take(1, part(0, 0, b"")), Ok(Received::Whole(_))), "an empty snapshot is one part");
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let mut assembly = Assembly::default();
        assert!(assembly.take(1, part(2, 5, b"cd")).is_err(), "nothing was begun");
        assert_eq!(assembly.take(1, part(0, 5, b"ab")), Ok(Received::Next(2)));
        assert!(assembly.take(2, part(2, 5, b"cd")).is_err(), "from someone else");
        assert!(assembly.take(1, part(3, 5, b"d")).is_err(), "a gap");
        assert!(assembly.take(1, part(2, 5, b"cdef")).is_err(), "more than there should be");
        assert!(assembly.take(1, part(2, 5, b"")).is_err(), "nothing");
        assert!(assembly.take(1, part(2, 6, b"cd")).is_err(), "another size");
        let other = SnapshotPart { vote: VoteOf::<TypeConfig>::new_committed(4, 1), ..part(2, 5, b"cd") };
        assert!(assembly.take(1, other).is_err(), "another leader");
        assert!(assembly.take(1, part(0, SNAPSHOT_LIMIT as u64 + 1, b"ab")).is_err(), "too large");
        assert_eq!(assembly.take(1, part(2, 5, b"cd")), Ok(Received::Next(4)));
    }
}
