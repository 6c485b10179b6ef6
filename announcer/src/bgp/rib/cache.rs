//! What was packed and may be shared.

use std::collections::VecDeque;

use super::pack::Batch;

/// Octets of packed messages that are kept at most.
const CAPACITY: usize = 4 * 1024 * 1024;

/// Which changes a batch has in it, for whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Number of the profile.
    pub profile: u32,
    /// Changes after this version.
    pub after: u64,
    /// Up to this one.
    pub to: u64,
    /// For a peer that was told nothing yet: without withdrawals.
    pub initial: bool,
}

/// The batches packed last. A batch is dropped as soon as something in its span changes again.
#[derive(Debug, Default)]
pub(super) struct Cache {
    batches: VecDeque<(Span, Batch)>,
    octets: usize,
}

impl Cache {
    /// A batch that begins after a version and ends at `limit` at the latest.
    pub fn find(&self, profile: u32, after: u64, initial: bool, limit: u64) -> Option<(u64, Batch)> {
        let fits =
            |span: &Span| (span.profile, span.after, span.initial) == (profile, after, initial) && span.to <= limit;
        self.batches.iter().find(|(span, _)| fits(span)).map(|(span, batch)| (span.to, batch.clone()))
    }

    pub fn keep(&mut self, span: Span, batch: Batch) {
        self.octets += batch.bytes.len();
        self.batches.push_back((span, batch));
        while self.octets > CAPACITY
            && let Some((_, oldest)) = self.batches.pop_front()
        {
            self.octets -= oldest.bytes.len();
        }
    }

    /// The change of this version is no more.
    pub fn forget(&mut self, version: u64) {
        let octets = &mut self.octets;
        self.batches.retain(|(span, batch)| {
            let keep = !(span.after < version && version <= span.to);
            *octets -= if keep { 0 } else { batch.bytes.len() };
            keep
        });
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
