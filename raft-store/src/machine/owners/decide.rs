//! Who must give up, and who has no owner.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Decision, Reconsider};
use crate::machine::{MoveReason, Ownership, State};
use crate::placement::{Eligibility, Ineligible, Verdict};

impl State {
    pub(super) fn decide(
        &self,
        eligibility: &mut Eligibility,
        reconsider: &Reconsider,
        given_up: BTreeMap<IpAddr, MoveReason>,
    ) -> Decision {
        let mut decision = Decision { ended: given_up, ..Decision::default() };
        let mut orphans = BTreeMap::new();
        for address in self.candidates(reconsider) {
            let verdict = self.verdict(eligibility, address);
            decision.classes.push((address, verdict.class()));
            match self.owners.get(&address).filter(|_| !decision.ended.contains_key(&address)) {
                Some(owned) => self.review(address, owned, &verdict, eligibility, &mut decision),
                None if verdict.preferred().is_empty() => {}
                None => drop(orphans.insert(address, Arc::clone(&verdict))),
            }
            if decision.ended.contains_key(&address) {
                match verdict.nobody() {
                    Some(why) => decision.unowned.push((address, why.to_string())),
                    None => drop(orphans.insert(address, verdict)),
                }
            }
        }
        self.place(eligibility, orphans, &mut decision);
        decision
    }

    /// The addresses to look at, in order.
    fn candidates(&self, reconsider: &Reconsider) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = match reconsider {
            Reconsider::Only(addresses) => return addresses.iter().copied().collect(),
            Reconsider::Node(node) => {
                let mut owners = self.owners.keys().peekable();
                let unowned = self.book.addresses().filter(|address| {
                    while owners.next_if(|owned| *owned < address).is_some() {}
                    owners.next_if(|owned| *owned == address).is_none()
                });
                let external = self.derived.external.keys().filter(|address| !self.owners.contains_key(address));
                let owned = self.owned_by(node).map(|(address, _)| address);
                unowned.chain(external.copied()).chain(owned).collect()
            }
            Reconsider::Everything => {
                let external = self.derived.external.keys();
                self.book.addresses().chain(external.copied()).chain(self.owners.keys().copied()).collect()
            }
        };
        all.sort();
        all.dedup();
        all
    }

    /// Whether an owner stays, is asked to release, or is over.
    fn review(
        &self,
        address: IpAddr,
        owned: &Ownership,
        verdict: &Verdict,
        eligibility: &Eligibility,
        decision: &mut Decision,
    ) {
        if self.members.get(&owned.node).is_none_or(|member| member.session.is_none()) {
            decision.ended.insert(address, MoveReason::NodeLost);
            return;
        }
        let index = eligibility.index(&owned.node);
        let why = index.map_or(Some(Ineligible::NotLive), |index| verdict.why(index));
        match why {
            None => {
                if index.is_some_and(|index| *owned.interfaces != *verdict.interfaces(index)) {
                    let interfaces = index.map(|index| verdict.shared_interfaces(index)).unwrap_or_default();
                    decision.interfaces.push((address, interfaces));
                }
            }
            Some(_) if owned.moving.is_some() => {}
            Some(Ineligible::Draining) => decision.asked.push((address, MoveReason::NodeDrained)),
            Some(Ineligible::Unused) => decision.asked.push((address, MoveReason::Unused)),
            Some(_) if index.is_none() => decision.asked.push((address, MoveReason::NodeLost)),
            Some(_) => decision.asked.push((address, MoveReason::NotEligible)),
        }
    }
}
