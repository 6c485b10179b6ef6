//! `CiliumL2AnnouncementPolicy`.

use quorumlb_raft_store::model::{AddressKinds, Dialect, InterfaceMatch, InterfacePattern, L2Policy, PoolMatch};

use super::decode::{Cx, Fields, boolean, crop, mapping, selector, text};
use super::objects::{Head, Objects};
use super::yaml::Node;

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let policy = fields.need("spec", |node, cx| spec(node, cx, head))?;
    if new {
        objects.l2_policies.push(policy);
    }
    Some(())
}

fn spec(node: &Node, cx: Cx, head: &Head) -> Option<L2Policy> {
    mapping(node, cx, |fields| {
        let addresses = AddressKinds {
            load_balancer: fields.or("loadBalancerIPs", false, boolean),
            external: fields.or("externalIPs", false, boolean),
        };
        if !addresses.load_balancer && !addresses.external {
            let hint = "set `loadBalancerIPs: true` or `externalIPs: true`".to_owned();
            cx.report.warning(head.meta.place, "the policy announces nothing", hint);
        }
        let patterns = fields.list("interfaces", pattern);
        Some(L2Policy {
            name: head.meta.name.clone(),
            dialect: Dialect::Cilium,
            age: head.meta.age,
            service_selectors: fields.get("serviceSelector", selector).into_iter().collect(),
            pools: PoolMatch::All,
            node_selectors: fields.get("nodeSelector", selector).into_iter().collect(),
            interfaces: if patterns.is_empty() { InterfaceMatch::All } else { InterfaceMatch::Patterns(patterns) },
            addresses,
            preferences: Vec::new(),
            any_subnet: false,
        })
    })
}

/// A regular expression for names of interfaces.
pub(super) fn pattern(node: &Node, cx: Cx) -> Option<InterfacePattern> {
    let text = text(node, cx)?;
    match InterfacePattern::try_from(text.clone()) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let message = format!("`{}` is not a regular expression: {reason}", crop(&text));
            cx.report.error(node.place, message, "as in `^net[0-9]+$`".to_owned());
            None
        }
    }
}
