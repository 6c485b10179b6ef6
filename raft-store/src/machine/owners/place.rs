//! Owners for addresses that have none.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::Decision;
use crate::machine::State;
use crate::placement::{Eligibility, Item, Problem, Verdict, assign_orphans};

impl State {
    /// Finds owners for addresses that have none; nothing else moves (P6).
    pub(super) fn place(
        &self,
        eligibility: &Eligibility,
        mut orphans: BTreeMap<IpAddr, Arc<Verdict>>,
        decision: &mut Decision,
    ) {
        orphans.retain(|address, verdict| !self.grant_to_target(eligibility, *address, verdict, decision));
        if orphans.is_empty() {
            return;
        }
        let mut problem = Problem {
            weights: eligibility.weights(),
            loads: self.loads_after(eligibility, decision),
            ..Problem::default()
        };
        let mut classes: BTreeMap<u32, u32> = BTreeMap::new();
        for verdict in orphans.values() {
            let class = *classes.entry(verdict.class()).or_insert_with(|| {
                problem.classes.push(verdict.preferred().to_vec());
                u32::try_from(problem.classes.len() - 1).unwrap_or(u32::MAX)
            });
            problem.items.push(Item { class, owner: None });
        }
        let subjects: Vec<(IpAddr, Arc<Verdict>)> = orphans.into_iter().collect();
        for step in assign_orphans(&problem) {
            let Some((address, verdict)) = subjects.get(step.item as usize) else { continue };
            let Some(node) = eligibility.name(step.to) else { continue };
            decision.granted.push((*address, node.clone(), verdict.shared_interfaces(step.to)));
        }
    }

    /// Gives an address to the node that its move was meant for, if that may still have it.
    fn grant_to_target(
        &self,
        eligibility: &Eligibility,
        address: IpAddr,
        verdict: &Verdict,
        decision: &mut Decision,
    ) -> bool {
        let target = self.owners.get(&address).and_then(|owned| owned.moving.as_ref()?.to.as_ref());
        let Some(index) = target.and_then(|node| eligibility.index(node)) else { return false };
        if verdict.preferred().binary_search(&index).is_err() {
            return false;
        }
        let Some(node) = eligibility.name(index) else { return false };
        decision.granted.push((address, node.clone(), verdict.shared_interfaces(index)));
        true
    }

    /// What each node has once the decision so far is carried out.
    fn loads_after(&self, eligibility: &Eligibility, decision: &Decision) -> Vec<u32> {
        let mut loads = self.derived.loads.of(eligibility.names());
        let ended = decision.ended.keys().filter_map(|address| self.owners.get(address));
        for index in ended.filter_map(|owned| eligibility.index(owned.holder())) {
            loads[index as usize] -= 1;
        }
        for index in decision.granted.iter().filter_map(|(_, node, _)| eligibility.index(node)) {
            loads[index as usize] += 1;
        }
        loads
    }
}
