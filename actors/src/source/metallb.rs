//! MetalLB's `IPAddressPool` and `L2Advertisement`.

use std::collections::BTreeSet;

use quorumlb_raft_store::model::{
    AddressKinds, Dialect, InterfaceMatch, L2Policy, NodePreference, Pool, PoolMatch, PoolScope,
};

use super::decode::{Cx, Fields, block, boolean, int, mapping, selector, selectors, text};
use super::objects::{Head, Objects, PlacedPool, Target};
use super::yaml::Node;

pub(super) fn read_pool(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let pool = fields.need("spec", |node, cx| pool(node, cx, head))?;
    if new {
        objects.pools.push(pool);
    }
    Some(())
}

/// The kind that `IPAddressPool` replaced.
pub(super) fn read_address_pool(fields: &Fields, head: &Head, _: &mut Objects) -> Option<()> {
    let hint = "write it as an IPAddressPool, with an L2Advertisement or a BGPAdvertisement".to_owned();
    fields.cx.report.error(head.meta.place, "AddressPool was removed from MetalLB", hint);
    None
}

fn pool(node: &Node, cx: Cx, head: &Head) -> Option<PlacedPool> {
    mapping(node, cx, |fields| {
        let blocks = fields.need_list("addresses", |node, cx| Some((block(false)(node, cx)?, node.place)));
        let (scope, priority) = fields.get("serviceAllocation", allocation).unwrap_or_default();
        let pool = Pool {
            name: head.meta.name.clone(),
            dialect: Dialect::MetalLb,
            age: head.meta.age,
            labels: head.meta.labels.clone(),
            blocks: blocks.iter().map(|(block, _)| *block).collect(),
            disabled: false,
            auto_assign: fields.or("autoAssign", true, boolean),
            reserve_first_last: false,
            avoid_buggy: fields.or("avoidBuggyIPs", false, boolean),
            scope,
            priority,
        };
        Some(PlacedPool { pool, places: blocks.into_iter().map(|(_, place)| place).collect() })
    })
}

fn allocation(node: &Node, cx: Cx) -> Option<(PoolScope, Option<u32>)> {
    mapping(node, cx, |fields| {
        let scope = PoolScope {
            pinned: true,
            namespaces: fields.list("namespaces", text).into_iter().collect(),
            namespace_selectors: fields.get("namespaceSelectors", selectors).unwrap_or_default(),
            service_selectors: fields.get("serviceSelectors", selectors).unwrap_or_default(),
        };
        let priority = fields.get("priority", int(0..=i64::from(i32::MAX))).filter(|priority| *priority != 0);
        Some((scope, priority))
    })
}

pub(super) fn read_l2_advertisement(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    // `spec` may be left out: every pool, every node.
    let policy = match fields.node("spec") {
        Some(node) => mapping(node, fields.cx, |spec| Some(l2_advertisement(spec, head, objects)))?,
        None => everywhere(head),
    };
    if new {
        objects.l2_policies.push(policy);
    }
    Some(())
}

fn everywhere(head: &Head) -> L2Policy {
    L2Policy {
        name: head.meta.name.clone(),
        dialect: Dialect::MetalLb,
        age: head.meta.age,
        service_selectors: Vec::new(),
        pools: PoolMatch::All,
        node_selectors: Vec::new(),
        interfaces: InterfaceMatch::All,
        addresses: AddressKinds { load_balancer: true, external: false },
        preferences: Vec::new(),
        any_subnet: false,
    }
}

fn l2_advertisement(fields: &Fields, head: &Head, objects: &mut Objects) -> L2Policy {
    let interfaces: BTreeSet<String> = fields.list("interfaces", text).into_iter().collect();
    L2Policy {
        service_selectors: fields.get("serviceSelectors", selectors).unwrap_or_default(),
        pools: pool_match(fields, objects),
        node_selectors: fields.get("nodeSelectors", selectors).unwrap_or_default(),
        interfaces: if interfaces.is_empty() { InterfaceMatch::All } else { InterfaceMatch::Names(interfaces) },
        preferences: fields.list("preferredNodeSelectors", preference),
        ..everywhere(head)
    }
}

fn preference(node: &Node, cx: Cx) -> Option<NodePreference> {
    mapping(node, cx, |fields| {
        let weight = fields.need("weight", int(1..=100));
        let nodes = fields.need("preference", selector);
        Some(NodePreference { weight: weight?, nodes: nodes? })
    })
}

/// `ipAddressPools` and `ipAddressPoolSelectors`: neither means all.
pub(super) fn pool_match(fields: &Fields, objects: &mut Objects) -> PoolMatch {
    let named = fields.list("ipAddressPools", |node, cx| Some((text(node, cx)?, node.place)));
    let pool_selectors = fields.get("ipAddressPoolSelectors", selectors).unwrap_or_default();
    for (name, place) in &named {
        objects.refer(Target::Pool(Dialect::MetalLb), name, *place, fields.cx);
    }
    if named.is_empty() && pool_selectors.is_empty() {
        return PoolMatch::All;
    }
    PoolMatch::Some { names: named.into_iter().map(|(name, _)| name).collect(), selectors: pool_selectors }
}
