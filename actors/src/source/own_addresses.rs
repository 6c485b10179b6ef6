//! Pools that hold addresses which nodes have for themselves.

use std::collections::BTreeMap;
use std::net::IpAddr;

use quorumlb_raft_store::model::{Dialect, IpRange};

use super::decode::Cx;
use super::objects::{Objects, PlacedPool};
use super::overlap::kind;

/// Nodes' addresses that one message names; of the rest the number is told.
const NAMED: usize = 3;

/// Reports blocks that hold the address of a node: an error for our kind, since a service with that address would cut the
/// node off. For Cilium's and MetalLB's kinds, which are taken as they are, a warning: the allocator passes them over.
pub(super) fn check(objects: &Objects, cx: Cx) {
    let nodes = objects.nodes.iter();
    let own: BTreeMap<IpAddr, &str> =
        nodes.flat_map(|node| node.own_addresses().map(|address| (address, node.name.as_str()))).collect();
    for pool in &objects.pools {
        check_pool(pool, &own, cx);
    }
    cx.report.enter(None);
}

fn check_pool(placed: &PlacedPool, own: &BTreeMap<IpAddr, &str>, cx: Cx) {
    let pool = &placed.pool;
    cx.report.enter(Some(format!("{} {}", kind(pool.dialect), pool.name)));
    for (block, place) in pool.blocks.iter().zip(&placed.places) {
        let range = block.range();
        let mut held = own.range(range.first()..=range.last());
        let Some((first, node)) = held.next() else { continue };
        let rest: Vec<(&IpAddr, &&str)> = held.collect();
        let fact = format!("{first} is the address of {node}");
        if pool.dialect == Dialect::Native {
            cx.report.error(*place, format!("{fact}; take it out of the pool"), hint(range, *first, &rest));
        } else {
            let hint = format!("no service gets it{}", others(&rest));
            cx.report.warning(*place, fact, hint);
        }
    }
}

fn hint(range: IpRange, own: IpAddr, rest: &[(&IpAddr, &&str)]) -> String {
    let around = match around(range, own) {
        parts if parts.is_empty() => "give services addresses that no machine has".to_owned(),
        parts => format!("write {}", parts.join(" and ")),
    };
    format!("{around}{}", others(rest))
}

/// What is left of a range without one address.
fn around(range: IpRange, own: IpAddr) -> Vec<String> {
    let step = |address: IpAddr, up: bool| match address {
        IpAddr::V4(v4) => {
            let bits = v4.to_bits();
            if up { bits.checked_add(1) } else { bits.checked_sub(1) }.map(|bits| IpAddr::V4(bits.into()))
        }
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            if up { bits.checked_add(1) } else { bits.checked_sub(1) }.map(|bits| IpAddr::V6(bits.into()))
        }
    };
    let below = step(own, false).and_then(|last| IpRange::new(range.first(), last).ok());
    let above = step(own, true).and_then(|first| IpRange::new(first, range.last()).ok());
    below.into_iter().chain(above).map(|part| format!("`{}-{}`", part.first(), part.last())).collect()
}

/// The further addresses of nodes in the same block.
fn others(rest: &[(&IpAddr, &&str)]) -> String {
    if rest.is_empty() {
        return String::new();
    }
    let named: Vec<String> = rest.iter().take(NAMED).map(|(address, node)| format!("{address} of {node}")).collect();
    let more = rest.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("; so it is with {}{more}", named.join(", "))
}
