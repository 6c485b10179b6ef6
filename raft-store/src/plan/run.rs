//! Runs the state machine to its rest.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::advertisements::{MAX_ADVERTISEMENTS, advertisements};
use super::contract::{Allocation, Owner, PendingService, Plan, PlanMove, PlanState, PoolLine, StandingGrant, Warning};
use super::lost::lost;
use crate::ipam::Grant;
use crate::machine::{Command, Epoch, Event, Incarnation, MoveReason, Proposal, State};
use crate::model::{Dialect, NodeName, ServiceKey, Wanted};

/// Decides everything, as a group of the wanted nodes would that all run; continues from `from` where one is given.
pub fn plan(wanted: &Wanted, from: Option<&Plan>) -> Plan {
    plan_for(wanted.clone(), from).0
}

/// As [`plan`], for a wanted state that nobody needs any more. Gives the decided state back, too: taking a large one apart
/// takes a while, so that is left to the caller.
pub fn plan_for(wanted: Wanted, from: Option<&Plan>) -> (Plan, State) {
    let mut run = Run::new(&wanted, from);
    let mut events = Vec::new();
    run.state.adopt(wanted, &mut events);
    run.follow(events);
    run.let_absent_owners_go();
    run.rest();
    (run.report(from), run.state)
}

/// The plan's own group: one proposer, every node's release given at once.
struct Run {
    state: State,
    index: u64,
    /// Why each address first moved.
    why: BTreeMap<IpAddr, MoveReason>,
}

impl Run {
    fn new(wanted: &Wanted, from: Option<&Plan>) -> Self {
        let mut run = Self { state: State::default(), index: 0, why: BTreeMap::new() };
        let earlier = from.map(|plan| &plan.owners[..]).unwrap_or_default();
        let absent = earlier.iter().map(|owner| NodeName(owner.node.clone()));
        let nodes: BTreeSet<NodeName> = wanted.nodes.keys().cloned().chain(absent).collect();
        for node in nodes {
            run.propose(Command::OpenSession { node, incarnation: Incarnation(1) });
        }
        for owner in earlier {
            let interfaces = owner.interfaces.clone().into();
            run.state.seed_owner(owner.address, NodeName(owner.node.clone()), Epoch(owner.epoch), interfaces);
        }
        for (service, grants) in from.map(standing_grants).unwrap_or_default() {
            if wanted.services.contains_key(&service) {
                run.state.book.seed(&service, grants);
            }
        }
        run
    }

    fn propose(&mut self, command: Command) {
        self.index += 1;
        let proposal = Proposal { at_ms: 0, by: NodeName("plan".into()), command };
        let applied = self.state.apply(self.index, &proposal);
        self.follow(applied.events);
    }

    /// Gives the releases that were asked for.
    fn follow(&mut self, events: Vec<Event>) {
        let mut releases: BTreeMap<NodeName, Vec<(IpAddr, Epoch)>> = BTreeMap::new();
        for event in events {
            match event {
                Event::ReleaseAsked { address, node, epoch, why } => {
                    self.why.entry(address).or_insert(why);
                    releases.entry(node).or_default().push((address, epoch));
                }
                Event::Granted { address, why: Some(why), .. } => drop(self.why.entry(address).or_insert(why)),
                _ => {}
            }
        }
        for (node, addresses) in releases {
            self.propose(Command::Release { node, addresses });
        }
    }

    /// Nodes of the earlier plan that the wanted state does not have are dead.
    fn let_absent_owners_go(&mut self) {
        let nodes = &self.state.wanted.nodes;
        let absent = self.state.members.iter().filter(|(node, _)| !nodes.contains_key(node));
        let absent: Vec<_> = absent.filter_map(|(node, member)| Some((node.clone(), member.session?.id))).collect();
        for (node, session) in absent {
            self.propose(Command::ExpireSession { node, session });
        }
    }

    /// Rebalances until nothing moves. Each round ends nearer to the optimum, so the number of rounds is bounded by
    /// the number of addresses; the limit guards against a defect.
    fn rest(&mut self) {
        let limit = self.state.owners.len() + 1;
        for _ in 0..limit {
            if !self.state.unbalanced() {
                return;
            }
            self.propose(Command::Rebalance { limit: u32::MAX });
        }
    }

    fn report(&self, from: Option<&Plan>) -> Plan {
        let state = &self.state;
        let allocations = allocations(state);
        let (advertisements, of_advertisements) = advertisements(state, MAX_ADVERTISEMENTS);
        let mut warnings = warnings(state);
        warnings.extend(of_advertisements);
        Plan {
            lost: from.map(|from| lost(state, from, &allocations)).unwrap_or_default(),
            allocations,
            pending: pending(state),
            owners: owners(state),
            advertisements,
            moves: self.moves(from),
            pools: pools(state),
            warnings: warnings.into_iter().collect(),
            state: PlanState { grants: standing(state) },
        }
    }

    fn moves(&self, from: Option<&Plan>) -> Vec<PlanMove> {
        let earlier: BTreeMap<IpAddr, &str> =
            from.iter().flat_map(|plan| &plan.owners).map(|owner| (owner.address, owner.node.as_str())).collect();
        let moved = |(address, before): (IpAddr, &str)| {
            let now = self.state.owners.get(&address).map(|owned| owned.node.to_string());
            if now.as_deref() == Some(before) || (now.is_none() && self.state.users_of(address).is_empty()) {
                return None;
            }
            let why = self.why.get(&address).copied().unwrap_or(MoveReason::NotEligible);
            Some(PlanMove { address, from: before.to_owned(), to: now, why })
        };
        earlier.into_iter().filter_map(moved).collect()
    }
}

fn allocations(state: &State) -> Vec<Allocation> {
    let line = |(service, grants): (&ServiceKey, &[Grant])| {
        let pools: BTreeSet<_> = grants.iter().map(|grant| grant.pool.1.clone()).collect();
        let addresses = grants.iter().map(|grant| grant.address).collect();
        Allocation { service: service.to_string(), addresses, pools: pools.into_iter().collect() }
    };
    let mut lines: Vec<_> = state.book.grants().map(line).collect();
    lines.sort_by(|one, other| one.service.cmp(&other.service));
    lines
}

fn pending(state: &State) -> Vec<PendingService> {
    let line = |(service, pending): (&ServiceKey, &crate::ipam::Pending)| PendingService {
        service: service.to_string(),
        reason: pending.reason.to_string(),
        message: pending.message.clone(),
    };
    let mut lines: Vec<_> = state.book.pending().iter().map(line).collect();
    lines.sort_by(|one, other| one.service.cmp(&other.service));
    lines
}

fn owners(state: &State) -> Vec<Owner> {
    let line = |(address, owned): (&IpAddr, &crate::machine::Ownership)| Owner {
        address: *address,
        node: owned.node.to_string(),
        interfaces: owned.interfaces.to_vec(),
        epoch: owned.epoch.0,
    };
    state.owners.iter().map(line).collect()
}

fn pools(state: &State) -> Vec<PoolLine> {
    let usage = state.book.pool_usage(&state.wanted).into_iter();
    let mut lines: Vec<_> = usage
        .map(|usage| PoolLine { name: usage.name, total: usage.total, used: usage.used, conflict: usage.conflict })
        .collect();
    lines.sort_by(|one, other| one.name.cmp(&other.name));
    lines
}

/// What placement has to say, with the addresses that a policy speaks for and no node may answer for.
fn warnings(state: &State) -> BTreeSet<Warning> {
    let mut eligibility = state.eligibility();
    let mut warnings = BTreeSet::new();
    for address in state.addresses() {
        let verdict = state.verdict(&mut eligibility, address);
        let object = address.to_string();
        for message in verdict.warnings(address) {
            warnings.insert(Warning { object: object.clone(), message });
        }
        if let Some(why) = verdict.nobody().filter(|why| *why != crate::placement::Ineligible::NoPolicy) {
            warnings.insert(Warning { object, message: format!("no node may answer for it: {why}") });
        }
    }
    for (address, node, _) in state.book.taken_from_nodes() {
        let message = format!("a service has the address of {node}; take it out of the pool and move the service");
        warnings.insert(Warning { object: address.to_string(), message });
    }
    warnings
}

fn standing(state: &State) -> Vec<StandingGrant> {
    let grants = state.book.grants().flat_map(|(service, grants)| grants.iter().map(move |grant| (service, grant)));
    let line = |(service, grant): (&ServiceKey, &Grant)| StandingGrant {
        service: service.to_string(),
        address: grant.address,
        dialect: dialect_name(grant.pool.0).to_owned(),
        pool: grant.pool.1.clone(),
    };
    grants.map(line).collect()
}

/// What stood in an earlier plan. Grants that it does not tell the pool of are left out.
fn standing_grants(plan: &Plan) -> BTreeMap<ServiceKey, Vec<Grant>> {
    let mut standing: BTreeMap<ServiceKey, Vec<Grant>> = BTreeMap::new();
    for grant in &plan.state.grants {
        let Ok(service) = grant.service.parse::<ServiceKey>();
        let Some(dialect) = dialect_of(&grant.dialect) else { continue };
        standing
            .entry(service)
            .or_default()
            .push(Grant { address: grant.address, pool: (dialect, grant.pool.clone()) });
    }
    standing
}

const DIALECTS: [(Dialect, &str); 3] =
    [(Dialect::Native, "native"), (Dialect::Cilium, "cilium"), (Dialect::MetalLb, "metallb")];

fn dialect_name(dialect: Dialect) -> &'static str {
    DIALECTS.iter().find(|(known, _)| *known == dialect).map_or("native", |(_, name)| name)
}

fn dialect_of(name: &str) -> Option<Dialect> {
    DIALECTS.iter().find(|(_, known)| *known == name).map(|(dialect, _)| *dialect)
}
