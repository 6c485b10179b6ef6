//! The addresses of one pool: what it holds, what of it is usable, what is free.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::conflict::Conflict;
use super::free::FreeList;
use super::span::{Span, from_bits, to_bits};
use crate::model::{Block, Family, Pool};

/// A pool with its free space.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Space {
    /// The pool as the operator wrote it.
    pub(super) pool: Pool,
    /// Why it is switched off.
    pub(super) conflict: Option<Conflict>,
    /// Disjoint, in the manifest's order of blocks.
    pieces: Vec<Piece>,
    /// Pieces by family and first address.
    by_first: BTreeMap<(Family, u128), usize>,
    /// Addresses of each family that are held by a service which got them from this pool.
    in_use: [u64; 2],
    /// Usable addresses of each family that are kept back for nodes.
    kept_back: [u64; 2],
}

/// A part of a block that no earlier block of the pool covers.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    family: Family,
    first: u128,
    last: u128,
    /// `None` when every address is left out.
    span: Option<Span>,
    free: FreeList,
}

impl Space {
    pub(super) fn new(pool: &Pool, conflict: Option<Conflict>) -> Self {
        let (pool, conflict) = (pool.clone(), conflict);
        let mut space =
            Self { pool, conflict, pieces: Vec::new(), by_first: BTreeMap::new(), in_use: [0; 2], kept_back: [0; 2] };
        for block in space.pool.blocks.clone() {
            space.add_block(&block);
        }
        space
    }

    /// Adds what the blocks before it do not cover.
    fn add_block(&mut self, block: &Block) {
        let range = block.range();
        let family = range.family();
        let (first, last) = (to_bits(range.first()), to_bits(range.last()));
        let usable = usable_ends(&self.pool, block, first, last);
        let mut from = first;
        loop {
            let covering = self.piece_at(family, from).map(|at| self.pieces[at].last);
            if covering.is_none() {
                let next = self.by_first.range((family, from)..=(family, last)).next().map(|(key, _)| key.1);
                let to = next.map_or(last, |next| next - 1);
                self.add_piece(family, (from, to), usable);
            }
            let reached = covering.or_else(|| self.piece_at(family, from).map(|at| self.pieces[at].last));
            match reached.filter(|reached| *reached < last) {
                Some(reached) => from = reached + 1,
                None => return,
            }
        }
    }

    fn add_piece(&mut self, family: Family, (first, last): (u128, u128), usable: (u128, u128)) {
        let span = Span::new(family, first.max(usable.0), last.min(usable.1), self.pool.avoid_buggy);
        let free = span.map_or_else(FreeList::default, |span| FreeList::up_to(span.last_ordinal()));
        self.by_first.insert((family, first), self.pieces.len());
        self.pieces.push(Piece { family, first, last, span, free });
    }

    /// The piece that holds an address.
    fn piece_at(&self, family: Family, address: u128) -> Option<usize> {
        let (_, at) = self.by_first.range((family, 0)..=(family, address)).next_back()?;
        (self.pieces[*at].last >= address).then_some(*at)
    }

    /// First and last addresses of the disjoint pieces, by family.
    pub(super) fn stretches(&self) -> impl Iterator<Item = (Family, u128, u128)> + '_ {
        self.pieces.iter().map(|piece| (piece.family, piece.first, piece.last))
    }

    /// Whether a block holds the address, left out or not.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        self.piece_at(Family::of(address), to_bits(address)).is_some()
    }

    /// Whether a block holds the address and it is not left out.
    pub(super) fn may_use(&self, address: IpAddr) -> bool {
        self.slot(address).is_some()
    }

    /// Where an address stands in the manifest's order: piece, and number in it.
    pub(super) fn slot(&self, address: IpAddr) -> Option<(usize, u128)> {
        let at = self.piece_at(Family::of(address), to_bits(address))?;
        Some((at, self.pieces[at].span?.ordinal(to_bits(address))?))
    }

    /// The lowest free address of the first block that has one.
    pub(super) fn lowest_free(&self, family: Family) -> Option<IpAddr> {
        self.pieces.iter().filter(|piece| piece.family == family).find_map(|piece| {
            let number = piece.free.lowest()?;
            Some(from_bits(family, piece.span?.nth(number)))
        })
    }

    /// Marks an address as taken, for whichever pool; nothing happens when this pool does not have it.
    pub(super) fn take(&mut self, address: IpAddr) {
        if let Some((at, number)) = self.slot(address) {
            self.pieces[at].free.take(number);
        }
    }

    /// Marks an address as free again.
    pub(super) fn release(&mut self, address: IpAddr) {
        if let Some((at, number)) = self.slot(address) {
            self.pieces[at].free.release(number);
        }
    }

    /// Keeps an address that nobody has from being given out, or no more.
    pub(super) fn keep_back(&mut self, address: IpAddr, on: bool) {
        let Some((at, number)) = self.slot(address) else { return };
        let kept = &mut self.kept_back[Family::of(address) as usize];
        if on {
            *kept += 1;
            self.pieces[at].free.take(number);
        } else {
            *kept = kept.saturating_sub(1);
            self.pieces[at].free.release(number);
        }
    }

    /// Counts an address that a service got from this pool, or lost again.
    pub(super) fn count(&mut self, address: IpAddr, gained: bool) {
        let used = &mut self.in_use[Family::of(address) as usize];
        *used = if gained { *used + 1 } else { used.saturating_sub(1) };
    }

    /// Addresses of the family held by services that got them here.
    pub(super) fn used(&self, family: Family) -> u64 {
        self.in_use[family as usize]
    }

    /// Usable addresses of the family that no node has for itself, free or not; saturates.
    pub(super) fn total(&self, family: Family) -> u128 {
        let spans = self.pieces.iter().filter(|piece| piece.family == family).filter_map(|piece| piece.span);
        let all = spans.fold(0, |sum: u128, span| sum.saturating_add(span.last_ordinal().saturating_add(1)));
        all.saturating_sub(u128::from(self.kept_back[family as usize]))
    }

    /// Whether the pool has usable addresses of the family at all, free or not.
    pub(super) fn offers(&self, family: Family) -> bool {
        self.pieces.iter().any(|piece| piece.family == family && piece.span.is_some())
    }

    /// Whether it may give out something new at all.
    pub(super) fn is_open(&self) -> bool {
        self.conflict.is_none() && !self.pool.disabled
    }
}

/// The first and last usable address of a block, ahead of what `avoid_buggy` leaves out.
fn usable_ends(pool: &Pool, block: &Block, first: u128, last: u128) -> (u128, u128) {
    match block {
        Block::Cidr(_) if pool.reserve_first_last && last - first > 1 => (first + 1, last - 1),
        _ => (first, last),
    }
}
