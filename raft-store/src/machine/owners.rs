//! Owners follow what changed: who must give up, who gets what has no owner.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::state::{MemberState, Moving, Ownership};
use super::{Epoch, Event, MoveReason, Outcome, State};
use crate::model::{Node, NodeName, Pool, Service};
use crate::placement::{Eligibility, Ineligible, Item, NodeView, Problem, Verdict, assign_orphans, rebalance};

/// Which addresses may have to change hands.
pub(super) enum Reconsider {
    /// All.
    Everything,
    /// These.
    Only(BTreeSet<IpAddr>),
    /// All, and what this node owns but by its own account cannot answer for any more it has given up: it stopped
    /// answering before it reported.
    Reported(NodeName),
}

/// What became of the owners, worked out before the state is changed.
#[derive(Default)]
struct Decision {
    /// Ownerships that end at once, and why.
    ended: BTreeMap<IpAddr, MoveReason>,
    /// Owners that are asked to release.
    asked: Vec<(IpAddr, MoveReason)>,
    /// Ownerships whose interfaces changed.
    interfaces: Vec<(IpAddr, Vec<String>)>,
    /// New owners, with their interfaces.
    granted: Vec<(IpAddr, NodeName, Vec<String>)>,
    /// Addresses that lose their owner and find no other, and why.
    unowned: Vec<(IpAddr, String)>,
}

impl State {
    /// Brings the owners in line with the rest of the state.
    pub(super) fn settle(&mut self, reconsider: Reconsider, events: &mut Vec<Event>) {
        let decision = self.decide(&reconsider, &BTreeMap::new());
        self.carry_out(decision, events);
    }

    /// Ends ownerships that their owners have given up, and finds new owners.
    pub(super) fn give_up(&mut self, given_up: &BTreeMap<IpAddr, MoveReason>, events: &mut Vec<Event>) {
        let addresses = given_up.keys().copied().collect();
        let decision = self.decide(&Reconsider::Only(addresses), given_up);
        self.carry_out(decision, events);
    }

    pub(super) fn holds(&self, node: &NodeName, address: IpAddr, epoch: Epoch) -> bool {
        self.owners.get(&address).is_some_and(|owned| owned.node == *node && owned.epoch == epoch)
    }

    pub(super) fn release(
        &mut self,
        node: &NodeName,
        addresses: &[(IpAddr, Epoch)],
        events: &mut Vec<Event>,
    ) -> Outcome {
        let held = addresses.iter().filter(|(address, epoch)| self.holds(node, *address, *epoch));
        let why = |address: &IpAddr| self.owners[address].moving.as_ref().map_or(MoveReason::NotEligible, |m| m.why);
        let given_up = held.map(|(address, _)| (*address, why(address))).collect();
        self.give_up(&given_up, events);
        Outcome::Done
    }

    pub(super) fn rebalance(&mut self, limit: u32, events: &mut Vec<Event>) -> Outcome {
        let views = self.views();
        let mut eligibility = Eligibility::new(&self.wanted, &views);
        let (addresses, verdicts, problem) = self.problem(&mut eligibility);
        let moves = rebalance(&problem, limit as usize);
        let mut asked = Vec::new();
        for step in moves {
            let (address, verdict) = (addresses[step.item as usize], &verdicts[step.item as usize]);
            let (Some(from), Some(to)) = (step.from, eligibility.name(step.to)) else { continue };
            let preferred = verdict.score(step.to) > verdict.score(from);
            let why = if preferred { MoveReason::Preferred } else { MoveReason::Rebalance };
            asked.push((address, why, to.clone()));
        }
        for (address, why, to) in asked {
            let Some(owned) = self.owners.get_mut(&address).filter(|owned| owned.moving.is_none()) else { continue };
            owned.moving = Some(Moving { why, to: Some(to) });
            events.push(Event::ReleaseAsked { address, node: owned.node.clone(), epoch: owned.epoch, why });
        }
        Outcome::Done
    }

    /// Whether a rebalance would move anything.
    pub fn unbalanced(&self) -> bool {
        let views = self.views();
        let mut eligibility = Eligibility::new(&self.wanted, &views);
        let (_, _, problem) = self.problem(&mut eligibility);
        !rebalance(&problem, 1).is_empty()
    }

    /// Every address that has an owner, as a problem for the balancer. A moving address counts for where it goes.
    fn problem<'a>(&'a self, eligibility: &mut Eligibility<'a>) -> (Vec<IpAddr>, Vec<Arc<Verdict>>, Problem) {
        let (mut addresses, mut verdicts, mut items) = (Vec::new(), Vec::new(), Vec::new());
        for (address, owned) in &self.owners {
            let verdict = self.verdict(eligibility, *address);
            let holder = owned.moving.as_ref().and_then(|moving| moving.to.as_ref()).unwrap_or(&owned.node);
            addresses.push(*address);
            items.push(Item { class: verdict.class(), owner: eligibility.index(holder) });
            verdicts.push(verdict);
        }
        let problem = eligibility.problem(items);
        (addresses, verdicts, problem)
    }

    fn decide(&self, reconsider: &Reconsider, given_up: &BTreeMap<IpAddr, MoveReason>) -> Decision {
        let views = self.views();
        let mut eligibility = Eligibility::new(&self.wanted, &views);
        let mut decision = Decision { ended: given_up.clone(), ..Decision::default() };
        let candidates: BTreeSet<IpAddr> = match reconsider {
            Reconsider::Only(addresses) => addresses.clone(),
            _ => {
                self.book.addresses().chain(self.external.keys().copied()).chain(self.owners.keys().copied()).collect()
            }
        };
        let mut orphans = BTreeMap::new();
        for address in candidates {
            let verdict = self.verdict(&mut eligibility, address);
            match self.owners.get(&address).filter(|_| !decision.ended.contains_key(&address)) {
                Some(owned) => self.review(address, owned, &verdict, &eligibility, reconsider, &mut decision),
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
        self.place(&mut eligibility, orphans, &mut decision);
        decision
    }

    /// Whether an owner stays, is asked to release, or is over.
    fn review(
        &self,
        address: IpAddr,
        owned: &Ownership,
        verdict: &Verdict,
        eligibility: &Eligibility,
        reconsider: &Reconsider,
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
                let interfaces = index.map_or(&[][..], |index| verdict.interfaces(index));
                if owned.interfaces != interfaces {
                    decision.interfaces.push((address, interfaces.to_vec()));
                }
            }
            Some(_) if owned.moving.is_some() => {}
            Some(Ineligible::NoInterface | Ineligible::InterfaceDown | Ineligible::NoSubnet) if matches!(reconsider, Reconsider::Reported(node) if *node == owned.node) =>
            {
                decision.ended.insert(address, MoveReason::NotEligible);
            }
            Some(Ineligible::Draining) => decision.asked.push((address, MoveReason::NodeDrained)),
            Some(_) if index.is_none() => decision.asked.push((address, MoveReason::NodeLost)),
            Some(_) => decision.asked.push((address, MoveReason::NotEligible)),
        }
    }

    /// Finds owners for addresses that have none; nothing else moves (P6).
    fn place<'a>(
        &'a self,
        eligibility: &mut Eligibility<'a>,
        mut orphans: BTreeMap<IpAddr, Arc<Verdict>>,
        decision: &mut Decision,
    ) {
        orphans.retain(|address, verdict| {
            let target = self.owners.get(address).and_then(|owned| owned.moving.as_ref()?.to.as_ref());
            let Some(index) = target.and_then(|node| eligibility.index(node)) else { return true };
            if verdict.preferred().binary_search(&index).is_err() {
                return true;
            }
            let Some(node) = eligibility.name(index) else { return true };
            decision.granted.push((*address, node.clone(), verdict.interfaces(index).to_vec()));
            false
        });
        if orphans.is_empty() {
            return;
        }
        let granted: BTreeMap<IpAddr, u32> =
            decision.granted.iter().filter_map(|(a, node, _)| Some((*a, eligibility.index(node)?))).collect();
        let mut items = Vec::new();
        let mut subjects = Vec::new();
        for (address, verdict) in &orphans {
            subjects.push((*address, Arc::clone(verdict)));
            items.push(Item { class: verdict.class(), owner: None });
        }
        for (address, owned) in &self.owners {
            if orphans.contains_key(address) || decision.ended.contains_key(address) && !granted.contains_key(address) {
                continue;
            }
            let holder = owned.moving.as_ref().and_then(|moving| moving.to.as_ref()).unwrap_or(&owned.node);
            let index = granted.get(address).copied().or_else(|| eligibility.index(holder));
            let Some(index) = index else { continue };
            items.push(Item { class: u32::MAX, owner: Some(index) });
        }
        let problem = fixed(eligibility.problem(items));
        for step in assign_orphans(&problem) {
            let Some((address, verdict)) = subjects.get(step.item as usize) else { continue };
            let Some(node) = eligibility.name(step.to) else { continue };
            decision.granted.push((*address, node.clone(), verdict.interfaces(step.to).to_vec()));
        }
    }

    fn carry_out(&mut self, mut decision: Decision, events: &mut Vec<Event>) {
        let mut before = BTreeMap::new();
        for (address, why) in &decision.ended {
            if let Some(owned) = self.owners.remove(address) {
                self.past_epochs.insert(*address, owned.epoch);
                before.insert(*address, (owned.node, *why));
            }
        }
        decision.granted.sort();
        for (address, node, interfaces) in decision.granted {
            let epoch = Epoch(self.past_epochs.remove(&address).unwrap_or_default().max(self.epoch_floor).0 + 1);
            let (from, why) = before.get(&address).cloned().unzip();
            events.push(Event::Granted { address, node: node.clone(), epoch, from, why });
            self.owners.insert(address, Ownership { node, epoch, interfaces, moving: None });
        }
        for (address, message) in decision.unowned {
            if let Some((from, _)) = before.get(&address) {
                events.push(Event::Unowned { address, from: from.clone(), message });
            }
        }
        for (address, interfaces) in decision.interfaces {
            if let Some(owned) = self.owners.get_mut(&address) {
                owned.interfaces = interfaces;
            }
        }
        for (address, why) in decision.asked {
            let Some(owned) = self.owners.get_mut(&address) else { continue };
            owned.moving = Some(Moving { why, to: None });
            events.push(Event::ReleaseAsked { address, node: owned.node.clone(), epoch: owned.epoch, why });
        }
        self.forget_epochs();
    }

    /// Epochs of addresses that nobody uses any more are folded into the floor, so that they never come twice.
    fn forget_epochs(&mut self) {
        let (book, external) = (&self.book, &self.external);
        let in_use = |address: &IpAddr| book.users_of(*address).next().is_some() || external.contains_key(address);
        let floor = &mut self.epoch_floor;
        self.past_epochs.retain(|address, epoch| {
            let keep = in_use(address);
            if !keep {
                *floor = (*floor).max(*epoch);
            }
            keep
        });
    }

    /// Who may answer for an address, as things stand.
    pub fn verdict<'a>(&'a self, eligibility: &mut Eligibility<'a>, address: IpAddr) -> Arc<Verdict> {
        let users: Vec<&Service> =
            self.users_of(address).into_iter().filter_map(|key| self.wanted.services.get(key)).collect();
        eligibility.of(address, self.pool_of(address), &users)
    }

    fn pool_of(&self, address: IpAddr) -> Option<&Pool> {
        let user = self.book.users_of(address).next()?;
        let grant = self.book.grants_of(user).iter().find(|grant| grant.address == address)?;
        self.wanted.pools.get(&grant.pool)
    }

    /// The nodes as placement sees them. An owner that the configuration no longer has is not among them.
    pub fn views(&self) -> BTreeMap<NodeName, NodeView<'_>> {
        self.wanted.nodes.iter().map(|(name, node)| (name.clone(), self.view(node))).collect()
    }

    fn view<'a>(&'a self, node: &'a Node) -> NodeView<'a> {
        let member = self.members.get(&node.name);
        let reported = member.and_then(|member| member.report.as_ref());
        NodeView {
            node,
            live: member.is_some_and(|member| member.session.is_some()),
            draining: member.is_some_and(MemberState::relieved),
            interfaces: reported.map(|report| &report.interfaces[..]).or(node.interfaces.as_deref()),
            refused: member.map_or(const { &BTreeSet::new() }, |member| &member.refused),
        }
    }
}

/// Items of class `u32::MAX` stay where they are and only count: they get a class of all nodes.
fn fixed(mut problem: Problem) -> Problem {
    let everywhere = u32::try_from(problem.classes.len()).unwrap_or(u32::MAX);
    problem.classes.push((0..u32::try_from(problem.weights.len()).unwrap_or(u32::MAX)).collect());
    problem.items.iter_mut().filter(|item| item.class == u32::MAX).for_each(|item| item.class = everywhere);
    problem
}
