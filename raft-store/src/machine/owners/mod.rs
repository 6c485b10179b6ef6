//! Owners follow what changed: who must give up, who gets what has no owner.
//!
//! After each command the owners are at rest: looking at any address again would change nothing. So a command looks only
//! at the addresses that it can have changed something for ([`Reconsider`]).

mod carry;
mod decide;
mod place;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::derived::{Balance, Tally};
use super::state::{MemberState, Moving, Ownership};
use super::{Epoch, Event, MoveReason, Outcome, State};
use crate::model::{Node, NodeName, Service};
use crate::placement::{Eligibility, Item, NodeView, Problem, Verdict, rebalance};

/// Verdicts that are remembered, for each owner and besides.
const REMEMBERED: (usize, usize) = (2, 4096);

/// Which addresses may have to change hands.
pub(super) enum Reconsider {
    /// All.
    Everything,
    /// These.
    Only(BTreeSet<IpAddr>),
    /// What this node owns, and what nobody owns: the node came, went or is relieved, but others stand as they did.
    Node(NodeName),
}

/// What became of the owners, worked out before the state is changed.
#[derive(Default)]
struct Decision {
    /// Ownerships that end at once, and why.
    ended: BTreeMap<IpAddr, MoveReason>,
    /// Owners that are asked to release.
    asked: Vec<(IpAddr, MoveReason)>,
    /// Ownerships whose interfaces changed.
    interfaces: Vec<(IpAddr, Arc<[String]>)>,
    /// Classes of the addresses that were looked at.
    classes: Vec<(IpAddr, u32)>,
    /// New owners, with their interfaces.
    granted: Vec<(IpAddr, NodeName, Arc<[String]>)>,
    /// Addresses that lose their owner and find no other, and why.
    unowned: Vec<(IpAddr, String)>,
}

impl State {
    /// Brings the owners in line with the rest of the state.
    pub(super) fn settle(&mut self, reconsider: &Reconsider, events: &mut Vec<Event>) {
        self.resolve(reconsider, BTreeMap::new(), events);
    }

    /// Ends ownerships that their owners have given up, and finds new owners.
    pub(super) fn give_up(&mut self, given_up: BTreeMap<IpAddr, MoveReason>, events: &mut Vec<Event>) {
        let addresses = given_up.keys().copied().collect();
        self.resolve(&Reconsider::Only(addresses), given_up, events);
    }

    fn resolve(&mut self, reconsider: &Reconsider, given_up: BTreeMap<IpAddr, MoveReason>, events: &mut Vec<Event>) {
        if matches!(reconsider, Reconsider::Only(addresses) if addresses.is_empty()) {
            return;
        }
        self.derived.balance_changed();
        let mut eligibility = self.derived.eligibility.take().unwrap_or_else(|| self.eligibility());
        if eligibility.trim(REMEMBERED.0 * self.owners.len() + REMEMBERED.1) {
            self.derived.tally = None;
        }
        let decision = self.decide(&mut eligibility, reconsider, given_up);
        self.derived.eligibility = Some(eligibility);
        self.carry_out(decision, events);
        self.forget_epochs(reconsider);
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
        self.give_up(given_up, events);
        Outcome::Done
    }

    pub(super) fn rebalance(&mut self, limit: u32, events: &mut Vec<Event>) -> Outcome {
        if limit == 0 || !self.unbalanced() {
            return Outcome::Done;
        }
        self.derived.balance_changed();
        let mut eligibility = self.derived.eligibility.take().unwrap_or_else(|| self.eligibility());
        let (addresses, verdicts, problem) = self.problem(&mut eligibility);
        let moves = rebalance(&problem, limit as usize);
        for step in moves {
            let (address, verdict) = (addresses[step.item as usize], &verdicts[step.item as usize]);
            let (Some(from), Some(to)) = (step.from, eligibility.name(step.to)) else { continue };
            let preferred = verdict.score(step.to) > verdict.score(from);
            let why = if preferred { MoveReason::Preferred } else { MoveReason::Rebalance };
            if self.owners.get(&address).is_some_and(|owned| owned.moving.is_none()) {
                self.ask(address, Moving { why, to: Some(to.clone()) }, events);
            }
        }
        self.derived.eligibility = Some(eligibility);
        Outcome::Done
    }

    /// Whether a rebalance would move anything. Worked out once after a change, then remembered.
    pub fn unbalanced(&self) -> bool {
        let balance = self.derived.balance.get_or_init(|| match (&self.derived.eligibility, &self.derived.tally) {
            (Some(eligibility), Some(tally)) => Balance { unbalanced: !is_even(eligibility, tally), worked_out: None },
            _ => {
                let mut eligibility = self.eligibility();
                let mut tally = Tally::default();
                for (address, owned) in &self.owners {
                    let class = self.verdict(&mut eligibility, *address).class();
                    tally.classify(*address, class, Some(owned));
                }
                let unbalanced = !is_even(&eligibility, &tally);
                Balance { unbalanced, worked_out: Some(Box::new((eligibility, tally))) }
            }
        });
        balance.unbalanced
    }

    /// Every address that has an owner, as a problem for the balancer. A moving address counts for where it goes.
    pub(super) fn problem(&self, eligibility: &mut Eligibility) -> (Vec<IpAddr>, Vec<Arc<Verdict>>, Problem) {
        let (mut addresses, mut verdicts, mut items) = (Vec::new(), Vec::new(), Vec::new());
        for (address, owned) in &self.owners {
            let verdict = self.verdict(eligibility, *address);
            addresses.push(*address);
            items.push(Item { class: verdict.class(), owner: eligibility.index(owned.holder()) });
            verdicts.push(verdict);
        }
        let problem = eligibility.problem(items);
        (addresses, verdicts, problem)
    }

    /// Who may answer for an address, as things stand.
    pub fn verdict(&self, eligibility: &mut Eligibility, address: IpAddr) -> Arc<Verdict> {
        let granted = self.book.users_of(address);
        let Some(external) = self.derived.external.get(&address) else {
            let users: Vec<&Service> =
                granted.filter_map(|key| self.wanted.services.get(key).map(Box::as_ref)).collect();
            return eligibility.of(&self.wanted, address, self.book.pool_of(address), &users);
        };
        let users: BTreeSet<_> = granted.chain(external).collect();
        let users: Vec<&Service> =
            users.into_iter().filter_map(|key| self.wanted.services.get(key).map(Box::as_ref)).collect();
        eligibility.of(&self.wanted, address, self.book.pool_of(address), &users)
    }

    /// Tells who may answer, for the nodes and policies as they are now.
    pub fn eligibility(&self) -> Eligibility {
        Eligibility::new(&self.wanted, &self.views())
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

    /// Nodes or policies changed: who may answer is to be worked out anew.
    pub(super) fn nodes_changed(&mut self) {
        self.derived.nodes_changed();
    }
}

/// Whether nobody could be relieved, with what each node has of each class.
fn is_even(eligibility: &Eligibility, tally: &Tally) -> bool {
    let held = tally.held().map(|(class, held)| {
        let held = held.iter().map(|(node, count)| (eligibility.index(node), count));
        (class, held.collect::<Vec<_>>())
    });
    eligibility.is_even(held)
}

impl Ownership {
    /// Whom the address counts for: where it goes, if that is known.
    pub(super) fn holder(&self) -> &NodeName {
        self.moving.as_ref().and_then(|moving| moving.to.as_ref()).unwrap_or(&self.node)
    }
}
