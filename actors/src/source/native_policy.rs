//! Our `L2Policy`.

use std::collections::BTreeSet;

use quorumlb_raft_store::model::{AddressKinds, Dialect, InterfaceMatch, L2Policy, NodePreference, PoolMatch};

use super::cilium_l2::pattern;
use super::decode::{Cx, Fields, boolean, choice, int, mapping, selector, selectors, text};
use super::objects::{Head, Objects, Target};
use super::yaml::{Node, Value};

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let policy = fields.need("spec", |node, cx| mapping(node, cx, |spec| Some(policy(spec, head, objects))))?;
    if new {
        objects.l2_policies.push(policy);
    }
    Some(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    LoadBalancer,
    External,
}

fn policy(spec: &Fields, head: &Head, objects: &mut Objects) -> L2Policy {
    let kinds = spec.get("addresses", |node, cx| {
        let words = [("LoadBalancer", Kind::LoadBalancer), ("External", Kind::External)];
        let kinds = super::decode::list(node, cx, choice(&words))?;
        if matches!(&node.value, Value::Sequence(items) if items.is_empty()) {
            cx.report.warning(
                node.place,
                "the policy announces nothing",
                "name `LoadBalancer` or `External`".to_owned(),
            );
        }
        Some(kinds)
    });
    let kinds = kinds.unwrap_or_else(|| vec![Kind::LoadBalancer]);
    L2Policy {
        name: head.meta.name.clone(),
        dialect: Dialect::Native,
        age: head.meta.age,
        service_selectors: spec.get("serviceSelectors", selectors).unwrap_or_default(),
        pools: pools(spec, objects),
        node_selectors: spec.get("nodeSelectors", selectors).unwrap_or_default(),
        interfaces: interfaces(spec),
        addresses: AddressKinds {
            load_balancer: kinds.contains(&Kind::LoadBalancer),
            external: kinds.contains(&Kind::External),
        },
        preferences: spec.list("preferredNodes", preference),
        any_subnet: spec.or("anySubnet", false, boolean),
    }
}

/// `pools` and `poolSelectors`: neither means all.
pub(super) fn pools(spec: &Fields, objects: &mut Objects) -> PoolMatch {
    let named = spec.list("pools", |node, cx| Some((text(node, cx)?, node.place)));
    let selectors = spec.get("poolSelectors", selectors).unwrap_or_default();
    for (name, place) in &named {
        objects.refer(Target::Pool(Dialect::Native), name, *place, spec.cx);
    }
    if named.is_empty() && selectors.is_empty() {
        return PoolMatch::All;
    }
    PoolMatch::Some { names: named.into_iter().map(|(name, _)| name).collect(), selectors }
}

fn interfaces(spec: &Fields) -> InterfaceMatch {
    let names: BTreeSet<String> = spec.list("interfaces", text).into_iter().collect();
    let patterns = spec.list("interfacePatterns", pattern);
    spec.exclusive("interfaces", "interfacePatterns");
    match (names.is_empty(), patterns.is_empty()) {
        (true, true) => InterfaceMatch::All,
        (true, false) => InterfaceMatch::Patterns(patterns),
        (false, _) => InterfaceMatch::Names(names),
    }
}

fn preference(node: &Node, cx: Cx) -> Option<NodePreference> {
    mapping(node, cx, |fields| {
        let weight = fields.need("weight", int(1..=100));
        let nodes = fields.need("selector", selector);
        Some(NodePreference { weight: weight?, nodes: nodes? })
    })
}
