//! Pools that share addresses.

use quorumlb_raft_store::model::{Dialect, IpRange};

use super::decode::Cx;
use super::diagnostic::Place;
use super::objects::PlacedPool;

/// One block of one pool.
#[derive(Clone, Copy)]
struct Part<'p> {
    range: IpRange,
    pool: &'p PlacedPool,
    place: Place,
}

/// Reports blocks that overlap: an error for MetalLB's kind and ours, a warning for Cilium's, which switches the newer
/// pool off, and between dialects.
pub(super) fn check(pools: &[PlacedPool], cx: Cx) {
    let mut parts: Vec<Part> = pools
        .iter()
        .flat_map(|pool| {
            let ranges = pool.pool.blocks.iter().map(quorumlb_raft_store::model::Block::range);
            ranges.zip(&pool.places).map(move |(range, place)| Part { range, pool, place: *place })
        })
        .collect();
    parts.sort_by_key(|part| (part.range.first(), part.range.last(), part.place));
    // The block that reaches furthest among those before: if the next overlaps any, it overlaps this one.
    let mut furthest: Option<Part> = None;
    for part in parts {
        if let Some(before) = furthest.filter(|before| before.range.overlaps(&part.range)) {
            report(before, part, cx);
        }
        let family_changed = furthest.is_some_and(|before| before.range.family() != part.range.family());
        if family_changed || furthest.is_none_or(|before| before.range.last() < part.range.last()) {
            furthest = Some(part);
        }
    }
}

fn report(one: Part, other: Part, cx: Cx) {
    // The later one in the input is where the message stands.
    let (first, second) = if one.place <= other.place { (one, other) } else { (other, one) };
    let (a, b) = (&first.pool.pool, &second.pool.pool);
    let at = cx.report.locate(first.place);
    cx.report.enter(Some(format!("{} {}", kind(b.dialect), b.name)));
    let same_pool = (a.dialect, &a.name) == (b.dialect, &b.name);
    let shared_first = first.range.first().max(second.range.first());
    let shared_last = first.range.last().min(second.range.last());
    let shared =
        if shared_first == shared_last { shared_first.to_string() } else { format!("{shared_first}-{shared_last}") };
    let message = match same_pool {
        true => format!("two blocks of the pool share {shared}"),
        false => format!("the pools `{}` and `{}` share {shared}", a.name, b.name),
    };
    if a.dialect != b.dialect {
        let hint = format!("the other block is at {at}; give each address to one pool only");
        cx.report.warning(second.place, message, hint);
    } else if a.dialect == Dialect::Cilium && !same_pool {
        let newer = if (a.age, &a.name) > (b.age, &b.name) { &a.name } else { &b.name };
        let hint = format!("the other block is at {at}; the newer pool, `{newer}`, is switched off");
        cx.report.warning(second.place, message, hint);
    } else {
        let hint = format!("the other block is at {at}; every address may be in one block only");
        cx.report.error(second.place, message, hint);
    }
    cx.report.enter(None);
}

/// The kind of pool of a dialect.
pub(super) fn kind(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Native => "IPPool",
        Dialect::Cilium => "CiliumLoadBalancerIPPool",
        Dialect::MetalLb => "IPAddressPool",
    }
}
