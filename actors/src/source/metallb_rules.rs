//! What MetalLB refuses although each object is right by itself.

use std::collections::BTreeSet;

use quorumlb_raft_store::model::{
    Advertised, BgpAdvertisement, Block, Dialect, Family, IpRange, NodeName, PeerMatch, Pool, any_selects,
};

use super::decode::Cx;
use super::objects::{Objects, PlacedAdvertisement};

pub(super) fn check(objects: &Objects, cx: Cx) {
    let told: Vec<&PlacedAdvertisement> =
        objects.advertisements.iter().filter(|placed| placed.advertisement.dialect == Dialect::MetalLb).collect();
    for placed in &told {
        cx.report.enter(Some(format!("BGPAdvertisement {}", placed.advertisement.name)));
        aggregation(placed, objects, cx);
    }
    for (number, placed) in told.iter().enumerate() {
        let clash = told[..number].iter().find(|other| preferences_clash(placed, other, objects));
        if let Some(other) = clash {
            cx.report.enter(Some(format!("BGPAdvertisement {}", placed.advertisement.name)));
            let message = format!(
                "`{}` and `{}` tell the same peers about the same pool with different local preferences",
                other.advertisement.name, placed.advertisement.name
            );
            let hint = format!("give both the same `localPref`; the other one is at {}", cx.report.locate(other.place));
            cx.report.error(placed.place, message, hint);
        }
    }
    cx.report.enter(None);
}

fn pools<'o>(told: &'o BgpAdvertisement, objects: &'o Objects) -> impl Iterator<Item = &'o Pool> {
    objects.pools.iter().map(|placed| &placed.pool).filter(move |pool| match &told.what {
        Advertised::Services { pools, .. } => pool.dialect == Dialect::MetalLb && pools.matches(pool),
        _ => false,
    })
}

/// An aggregate must not reach beyond the pool that it is for.
fn aggregation(placed: &PlacedAdvertisement, objects: &Objects, cx: Cx) {
    let told = &placed.advertisement;
    let mut reported = BTreeSet::new();
    for pool in pools(told, objects) {
        for block in &pool.blocks {
            let family = block.range().family();
            let (length, place) = match family {
                Family::V4 => (told.aggregation_v4, placed.lengths[0]),
                Family::V6 => (told.aggregation_v6, placed.lengths[1]),
            };
            let shortest = match block {
                Block::Cidr(network) => network.prefix(),
                Block::Range(range) => shortest_prefix(range),
            };
            if length < shortest && reported.insert((family, &pool.name)) {
                let message = format!(
                    "routes of length {length} reach beyond the pool `{}`, whose largest network has length {shortest}",
                    pool.name
                );
                cx.report.error(place, message, format!("write {shortest} or more, or leave it out"));
            }
        }
    }
}

/// The length of the largest network that fits into a range.
fn shortest_prefix(range: &IpRange) -> u8 {
    let bits = range.family().bits();
    (0..=bits)
        .find(|length| {
            // The first aligned network of this length at or after the start of the range.
            let host_bits = u32::from(bits - length);
            let size = 1u128.checked_shl(host_bits);
            let (first, last) = (number(range.first()), number(range.last()));
            match size {
                None => first == 0 && last == u128::MAX,
                Some(size) => {
                    let aligned = first.checked_add(size - 1).map(|end| end / size * size);
                    aligned.is_some_and(|start| start.checked_add(size - 1).is_some_and(|end| end <= last))
                }
            }
        })
        .unwrap_or(bits)
}

fn number(address: std::net::IpAddr) -> u128 {
    match address {
        std::net::IpAddr::V4(v4) => u128::from(u32::from(v4)),
        std::net::IpAddr::V6(v6) => u128::from(v6),
    }
}

fn preferences_clash(one: &PlacedAdvertisement, other: &PlacedAdvertisement, objects: &Objects) -> bool {
    let (a, b) = (&one.advertisement, &other.advertisement);
    let same_length = a.aggregation_v4 == b.aggregation_v4 || a.aggregation_v6 == b.aggregation_v6;
    if a.local_pref.unwrap_or(0) == b.local_pref.unwrap_or(0) || !same_length {
        return false;
    }
    let names: BTreeSet<&str> = pools(a, objects).map(|pool| pool.name.as_str()).collect();
    let shared_pool = pools(b, objects).any(|pool| names.contains(pool.name.as_str()));
    shared_pool && share_peers(a, b) && share_nodes(a, b, objects)
}

fn share_peers(a: &BgpAdvertisement, b: &BgpAdvertisement) -> bool {
    match (&a.peers, &b.peers) {
        (PeerMatch::Names(a), PeerMatch::Names(b)) => !a.is_disjoint(b),
        _ => true,
    }
}

/// Whether a known node tells both; without known nodes, whether both mean the same ones.
fn share_nodes(a: &BgpAdvertisement, b: &BgpAdvertisement, objects: &Objects) -> bool {
    if a.node_selectors.is_empty() || b.node_selectors.is_empty() || a.node_selectors == b.node_selectors {
        return true;
    }
    let both = objects
        .nodes
        .iter()
        .filter(|node| any_selects(&a.node_selectors, &node.labels) && any_selects(&b.node_selectors, &node.labels));
    let both: Vec<&NodeName> = both.map(|node| &node.name).collect();
    !both.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_network_in_a_range_is_found() {
        for (first, last, length) in [
            ("10.0.0.0", "10.0.0.255", 24),
            ("10.0.0.1", "10.0.0.255", 25),
            ("10.0.0.1", "10.0.0.2", 32),
            ("0.0.0.0", "255.255.255.255", 0),
            ("10.0.0.7", "10.0.0.7", 32),
            ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 0),
            ("ffff::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 16),
            ("::1", "::1", 128),
        ] {
            let range = IpRange::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
            assert_eq!(shortest_prefix(&range), length, "{range}");
        }
    }
}
