//! Our `IPPool`.

use quorumlb_raft_store::model::{Dialect, Pool, PoolScope};

use super::decode::{Cx, Fields, block, boolean, int, mapping, selectors, text};
use super::objects::{Head, Objects, PlacedPool};
use super::yaml::Node;

pub(super) fn read(fields: &Fields, head: &Head, objects: &mut Objects) -> Option<()> {
    let new = objects.claim(head.kind, &head.meta.name, head.meta.place, fields.cx);
    let pool = fields.need("spec", |node, cx| spec(node, cx, head))?;
    if new {
        objects.pools.push(pool);
    }
    Some(())
}

fn spec(node: &Node, cx: Cx, head: &Head) -> Option<PlacedPool> {
    mapping(node, cx, |fields| {
        let blocks = fields.need_list("addresses", |node, cx| Some((block(true)(node, cx)?, node.place)));
        let scope = PoolScope {
            pinned: false,
            namespaces: fields.list("namespaces", text).into_iter().collect(),
            namespace_selectors: fields.get("namespaceSelectors", selectors).unwrap_or_default(),
            service_selectors: fields.get("serviceSelectors", selectors).unwrap_or_default(),
        };
        let pinned = scope != PoolScope::default();
        let pool = Pool {
            name: head.meta.name.clone(),
            dialect: Dialect::Native,
            age: head.meta.age,
            labels: head.meta.labels.clone(),
            blocks: blocks.iter().map(|(block, _)| *block).collect(),
            disabled: fields.or("disabled", false, boolean),
            auto_assign: fields.or("autoAssign", true, boolean),
            reserve_first_last: fields.or("reserveFirstLast", false, boolean),
            avoid_buggy: fields.or("avoidBuggyIPs", false, boolean),
            scope: PoolScope { pinned, ..scope },
            priority: fields.get("priority", int(0..=1_000_000)).filter(|priority| *priority != 0),
        };
        Some(PlacedPool { pool, places: blocks.into_iter().map(|(_, place)| place).collect() })
    })
}
