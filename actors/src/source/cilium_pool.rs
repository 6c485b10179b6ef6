//! `CiliumLoadBalancerIPPool`.

use std::net::IpAddr;

use quorumlb_raft_store::model::{Block, Dialect, IpRange, Pool, PoolScope};

use super::decode::{Cx, Fields, address, boolean, choice, mapping, network, selector};
use super::diagnostic::Place;
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
        let mut blocks = fields.list("blocks", block);
        blocks.extend(fields.list("cidrs", |node, cx| {
            let block = mapping(node, cx, |fields| fields.need("cidr", network).map(Block::Cidr));
            block.map(|block| (block, node.place))
        }));
        if fields.node("blocks").is_none() && fields.node("cidrs").is_none() {
            let hint = "add `blocks: [{cidr: ...}]` or `blocks: [{start: ..., stop: ...}]`".to_owned();
            cx.report.warning(node.place, "the pool has no blocks, so it holds no address", hint);
        }
        let service_selectors = fields.get("serviceSelector", selector).into_iter().collect();
        let allow_first_last = fields.or("allowFirstLastIPs", true, choice(&[("Yes", true), ("No", false)]));
        let pool = Pool {
            name: head.meta.name.clone(),
            dialect: Dialect::Cilium,
            age: head.meta.age,
            labels: head.meta.labels.clone(),
            blocks: blocks.iter().map(|(block, _)| *block).collect(),
            disabled: fields.or("disabled", false, boolean),
            auto_assign: true,
            reserve_first_last: !allow_first_last,
            avoid_buggy: false,
            scope: PoolScope { service_selectors, ..PoolScope::default() },
            priority: None,
        };
        Some(PlacedPool { pool, places: blocks.into_iter().map(|(_, place)| place).collect() })
    })
}

fn block(node: &Node, cx: Cx) -> Option<(Block, Place)> {
    mapping(node, cx, |fields| {
        let cidr = fields.get("cidr", network);
        let start = fields.get("start", address);
        let stop = fields.get("stop", address);
        let has = |name| fields.node(name).is_some();
        if has("cidr") {
            if has("start") || has("stop") {
                let hint = "a block is a `cidr`, or a `start` and a `stop`".to_owned();
                cx.report.error(fields.key_place("cidr"), "`cidr` and `start` exclude each other", hint);
            }
            return Some((Block::Cidr(cidr?), fields.node("cidr")?.place));
        }
        if !has("start") {
            let hint = "a block is a `cidr`, or a `start` and a `stop`".to_owned();
            cx.report.error(fields.place, "the block has neither `cidr` nor `start`", hint);
            return None;
        }
        let stop = if has("stop") { stop? } else { start? };
        range(fields, start?, stop)
    })
}

fn range(fields: &Fields, start: IpAddr, stop: IpAddr) -> Option<(Block, Place)> {
    let place = fields.node("start")?.place;
    match IpRange::new(start, stop) {
        Ok(range) => Some((Block::Range(range), place)),
        Err(error) => {
            let hint = match error {
                quorumlb_raft_store::model::RangeError::MixedFamilies(..) => "`start` and `stop` must be of one family",
                quorumlb_raft_store::model::RangeError::StartAfterEnd(..) => "swap `start` and `stop`",
            };
            fields.cx.report.error(place, error.to_string(), hint.to_owned());
            None
        }
    }
}
