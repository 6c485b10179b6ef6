//! Who may answer for an address: policies, labels, links, subnets and backends held against each node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use super::backends::{Backends, Whereabouts};
use super::balance::{Item, Problem, is_even};
use super::reason::Ineligible;
use super::speak::speaks;
use super::subnets::{Fitting, Subnets, fitting};
use super::verdict::{Footing, Ground, Verdict, after_ground};
use crate::model::{
    Dialect, Interface, L2Policy, Labels, Node, NodeName, Pool, Service, TrafficPolicy, Wanted, any_selects,
};

/// What is known of a node at run time.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    /// As the wanted state describes it.
    pub node: &'a Node,
    /// It has a valid session.
    pub live: bool,
    /// It hands over what it has.
    pub draining: bool,
    /// Its interfaces as it reports them, else as they were declared; `None` when not known. They should be those
    /// that can answer: no loopback, no bridge or bond members, nothing with NOARP.
    pub interfaces: Option<&'a [Interface]>,
    /// Addresses for which its responder could not be programmed.
    pub refused: &'a BTreeSet<IpAddr>,
}

/// Tells who may answer for an address. Holds for one state of nodes and policies, of which it keeps what it needs, so
/// that it can stay beside the state until one of them changes; remembers what it found out. Pools, services and
/// endpoints are looked at anew each time. A node's index is its place in the order of names.
#[derive(Clone, Debug)]
pub struct Eligibility {
    nodes: Vec<Candidate>,
    policies: Vec<L2Policy>,
    selections: Vec<OnceLock<Selection>>,
    subnets: Subnets,
    whereabouts: Whereabouts,
    refused: BTreeMap<IpAddr, Vec<u32>>,
    grounds: BTreeMap<Terms, Arc<Ground>>,
    verdicts: BTreeMap<Circumstances, Arc<Verdict>>,
    classes: BTreeMap<Tiers, u32>,
}

/// What is kept of a node.
#[derive(Clone, Debug)]
struct Candidate {
    name: NodeName,
    labels: Labels,
    weight: u32,
    /// What holds for it whatever the address.
    fit: Result<(), Ineligible>,
    interfaces: Option<Vec<Interface>>,
}

/// What a ground depends on: for each service with a say the policies that speak for it, and the subnets that hold the
/// address.
type Terms = (Vec<Vec<u32>>, Vec<u32>);

/// What makes a class: the preferred nodes and the others.
type Tiers = (Arc<[u32]>, Arc<[u32]>);

/// What a policy says of each node, by index.
#[derive(Clone, Debug)]
struct Selection {
    selected: Vec<bool>,
    score: Vec<u32>,
}

/// All that a verdict depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Circumstances {
    /// For each service with a say, the policies that speak for it; sorted, equal ones merged.
    policies: Vec<Vec<u32>>,
    subnets: Vec<u32>,
    local: Option<Vec<u32>>,
    refused: Vec<u32>,
    blocked: Option<Ineligible>,
}

/// What one service asks of the node that answers.
struct Say {
    policies: Vec<u32>,
    local: Option<Vec<u32>>,
}

impl Eligibility {
    /// Takes in policies and nodes. `nodes` are all nodes there are, the dead ones too.
    pub fn new(wanted: &Wanted, nodes: &BTreeMap<NodeName, NodeView<'_>>) -> Self {
        let mut subnets = Subnets::default();
        let mut whereabouts = Whereabouts::default();
        let mut refused: BTreeMap<IpAddr, Vec<u32>> = BTreeMap::new();
        for (index, view) in (0_u32..).zip(nodes.values()) {
            subnets.add(index, view.interfaces.unwrap_or_default());
            whereabouts.add(index, view.node, view.interfaces);
            view.refused.iter().for_each(|address| refused.entry(*address).or_default().push(index));
        }
        let policies: Vec<L2Policy> = wanted.l2_policies.values().cloned().collect();
        Self {
            nodes: nodes.values().map(Candidate::of).collect(),
            selections: policies.iter().map(|_| OnceLock::new()).collect(),
            policies,
            subnets,
            whereabouts,
            refused,
            grounds: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            classes: BTreeMap::new(),
        }
    }

    /// Notes that a node could not program its responder for an address.
    pub fn refuse(&mut self, node: &NodeName, address: IpAddr) {
        let Some(index) = self.index(node) else { return };
        let nodes = self.refused.entry(address).or_default();
        if let Err(place) = nodes.binary_search(&index) {
            nodes.insert(place, index);
        }
    }

    /// Forgets verdicts when there are more than `limit`: the circumstances of services come and go. Classes given
    /// before mean nothing afterwards. Whether that was so.
    pub fn trim(&mut self, limit: usize) -> bool {
        let too_many = self.verdicts.len() > limit;
        if too_many {
            self.verdicts.clear();
            self.classes.clear();
        }
        too_many
    }

    /// Who may answer for an address. `pool` is where it was granted from, `None` for an external IP; `users` are all
    /// services on it.
    ///
    /// Each user with a say (a policy speaks for it, and its backends do not keep it silent) must find the node
    /// eligible; the node then answers on every interface that any of their policies gives. Users without a say ask
    /// for nothing, as long as another has one. Of `wanted` only the endpoints count here.
    pub fn of(&mut self, wanted: &Wanted, address: IpAddr, pool: Option<&Pool>, users: &[&Service]) -> Arc<Verdict> {
        let circumstances = self.circumstances(wanted, address, pool, users);
        if let Some(known) = self.verdicts.get(&circumstances) {
            return Arc::clone(known);
        }
        let verdict = Arc::new(self.judge(circumstances.clone()));
        self.verdicts.insert(circumstances, Arc::clone(&verdict));
        verdict
    }

    /// The index of a node.
    pub fn index(&self, node: &NodeName) -> Option<u32> {
        self.whereabouts.index(node)
    }

    /// The name of the node with this index.
    pub fn name(&self, node: u32) -> Option<&NodeName> {
        self.nodes.get(node as usize).map(|known| &known.name)
    }

    /// All nodes, by index.
    pub fn names(&self) -> impl Iterator<Item = &NodeName> {
        self.nodes.iter().map(|known| &known.name)
    }

    /// The nodes' weights, by index.
    pub fn weights(&self) -> Vec<u32> {
        self.nodes.iter().map(|known| known.weight).collect()
    }

    /// The problem of placing these items, whose classes are those of the verdicts given so far.
    pub fn problem(&self, items: Vec<Item>) -> Problem {
        let mut classes = vec![Vec::new(); self.classes.len()];
        let mut fallbacks = classes.clone();
        for ((preferred, others), &class) in &self.classes {
            classes[class as usize] = preferred.to_vec();
            fallbacks[class as usize] = others.to_vec();
        }
        Problem { weights: self.weights(), loads: Vec::new(), classes, fallbacks, items }
    }

    /// Whether no node could be relieved and no address is on a node of lower preference or on none of those that may
    /// answer, when of each class the nodes have so many: what [`super::is_optimal`] says of such addresses one by one.
    pub fn is_even(&self, held: impl IntoIterator<Item = (u32, Vec<(Option<u32>, u32)>)>) -> bool {
        let held: BTreeMap<u32, Vec<(Option<u32>, u32)>> = held.into_iter().collect();
        let of_class = self.classes.iter().filter_map(|((preferred, _), class)| Some((&**preferred, held.get(class)?)));
        is_even(&self.weights(), of_class.filter(|(preferred, _)| !preferred.is_empty()))
    }

    fn circumstances(
        &self,
        wanted: &Wanted,
        address: IpAddr,
        pool: Option<&Pool>,
        users: &[&Service],
    ) -> Circumstances {
        let mut found = Circumstances::default();
        let mut silent = Ineligible::Unused;
        for user in users {
            match self.say(wanted, address, pool, user) {
                Ok(say) => {
                    found.policies.push(say.policies);
                    found.local = both(found.local, say.local);
                }
                Err(reason) => silent = silent.max(reason),
            }
        }
        if found.policies.is_empty() {
            return Circumstances { blocked: Some(silent), ..Circumstances::default() };
        }
        found.policies.sort_unstable();
        found.policies.dedup();
        found.subnets = self.subnets.holding(address);
        found.refused = self.refused.get(&address).cloned().unwrap_or_default();
        found
    }

    /// What a service asks for, or why it asks for nothing.
    fn say(&self, wanted: &Wanted, address: IpAddr, pool: Option<&Pool>, service: &Service) -> Result<Say, Ineligible> {
        let numbered = (0_u32..).zip(&self.policies);
        let speaking = numbered.filter(|(_, policy)| speaks(policy, address, pool, service));
        let mut policies: Vec<u32> = speaking.map(|(id, _)| id).collect();
        if policies.is_empty() {
            return Err(Ineligible::NoPolicy);
        }
        let metallb = |id: &u32| self.policies[*id as usize].dialect == Dialect::MetalLb;
        if service.requests.metallb_sharing.is_some()
            && policies.iter().any(|id| metallb(id) && !self.policies[*id as usize].service_selectors.is_empty())
        {
            policies.retain(|id| !metallb(id));
            if policies.is_empty() {
                return Err(Ineligible::SharedWithSelectors);
            }
        }
        let local_only = service.external_policy == TrafficPolicy::Local;
        if !local_only && !policies.iter().any(metallb) {
            return Ok(Say { policies, local: None });
        }
        match self.whereabouts.backends(wanted, service) {
            Backends::Unknown => Ok(Say { policies, local: None }),
            Backends::Some(nodes) if local_only && nodes.is_empty() => Err(Ineligible::NoLocalBackend),
            Backends::Some(nodes) => Ok(Say { policies, local: local_only.then_some(nodes) }),
            Backends::None if local_only => Err(Ineligible::NoLocalBackend),
            Backends::None => {
                policies.retain(|id| !metallb(id));
                if policies.is_empty() { Err(Ineligible::NoBackend) } else { Ok(Say { policies, local: None }) }
            }
        }
    }

    fn judge(&mut self, circumstances: Circumstances) -> Verdict {
        let Circumstances { policies, subnets, local, refused, blocked } = circumstances;
        let ground = if blocked.is_some() { Arc::default() } else { self.ground(policies, subnets) };
        let footing = |node: u32| Some((node, ground.nodes.get(node as usize)?.as_ref().ok()?.score));
        let candidates: Vec<u32> = match &local {
            Some(nodes) => nodes.clone(),
            None => (0..self.nodes.len()).filter_map(|node| u32::try_from(node).ok()).collect(),
        };
        let may = candidates.into_iter().filter(|node| after_ground(*node, local.as_deref(), &refused).is_none());
        let eligible: Vec<(u32, u32)> = may.filter_map(footing).collect();
        let top = eligible.iter().map(|(_, score)| *score).max().unwrap_or(0);
        let pick = |preferred: bool| -> Arc<[u32]> {
            eligible.iter().filter(|(_, score)| (*score == top) == preferred).map(|(node, _)| *node).collect()
        };
        let (preferred, others) = (pick(true), pick(false));
        let next = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        let class = *self.classes.entry((Arc::clone(&preferred), Arc::clone(&others))).or_insert(next);
        Verdict { class, ground, local, refused, blocked, preferred, others }
    }

    fn ground(&mut self, policies: Vec<Vec<u32>>, subnets: Vec<u32>) -> Arc<Ground> {
        let key = (policies, subnets);
        if let Some(known) = self.grounds.get(&key) {
            return Arc::clone(known);
        }
        let holding = self.subnets.interfaces_in(&key.1, self.nodes.len());
        let has_subnet = |node: usize| !holding[node].is_empty();
        let selected = |node: usize| key.0.iter().flatten().any(|&policy| self.selection(policy).selected[node]);
        let outside = !(0..self.nodes.len()).any(|node| has_subnet(node) && selected(node));
        let mut ground = Ground::default();
        for (node, holding) in holding.iter().enumerate() {
            let found = self.stand(node, &key.0, holding, outside);
            ground.outside |= found.as_ref().is_ok_and(|(_, outside)| *outside);
            ground.nodes.push(found.map(|(footing, _)| footing));
        }
        let ground = Arc::new(ground);
        self.grounds.insert(key, Arc::clone(&ground));
        ground
    }

    /// Where a node may answer under the policies of each service, and whether only because nobody has the subnet.
    fn stand(
        &self,
        node: usize,
        policies: &[Vec<u32>],
        holding: &[u32],
        outside: bool,
    ) -> Result<(Footing, bool), Ineligible> {
        let selects = |policy: &&u32| self.selection(**policy).selected[node];
        if !policies.iter().all(|of_one| of_one.iter().any(|policy| selects(&policy))) {
            return Err(Ineligible::NotSelected);
        }
        self.nodes[node].fit?;
        let all: BTreeSet<u32> = policies.iter().flatten().copied().collect();
        let score = all.iter().fold(0_u32, |sum, &policy| sum.saturating_add(self.selection(policy).score[node]));
        let Some(interfaces) = &self.nodes[node].interfaces else {
            return Ok((Footing { interfaces: Arc::default(), score }, false));
        };
        let (mut positions, mut only_outside) = (BTreeSet::new(), false);
        for of_one in policies {
            let found = of_one
                .iter()
                .filter(selects)
                .map(|&policy| fitting(&self.policies[policy as usize], interfaces, holding, outside));
            for Fitting { positions: found, outside } in any_of(found)? {
                positions.extend(found);
                only_outside |= outside;
            }
        }
        let name = |position: u32| interfaces[position as usize].name.clone();
        Ok((Footing { interfaces: positions.into_iter().map(name).collect(), score }, only_outside))
    }

    /// What a policy says of each node; worked out when it is first asked for.
    fn selection(&self, policy: u32) -> &Selection {
        let of = &self.policies[policy as usize];
        self.selections[policy as usize].get_or_init(|| Selection {
            selected: self.nodes.iter().map(|view| any_selects(&of.node_selectors, &view.labels)).collect(),
            score: self.nodes.iter().map(|view| preference(of, &view.labels)).collect(),
        })
    }
}

impl Candidate {
    fn of(view: &NodeView) -> Self {
        Self {
            name: view.node.name.clone(),
            labels: view.node.labels.clone(),
            weight: view.node.weight,
            fit: fit_for_service(view),
            interfaces: view.interfaces.map(<[Interface]>::to_vec),
        }
    }
}

/// What holds for a node whatever the address.
fn fit_for_service(view: &NodeView) -> Result<(), Ineligible> {
    if view.node.excluded() {
        Err(Ineligible::Excluded)
    } else if view.draining {
        Err(Ineligible::Draining)
    } else if !view.live {
        Err(Ineligible::NotLive)
    } else if view.node.network_unavailable {
        Err(Ineligible::NetworkUnavailable)
    } else {
        Ok(())
    }
}

/// The sum of a policy's preferences for a node.
fn preference(policy: &L2Policy, labels: &Labels) -> u32 {
    let wishes = policy.preferences.iter().filter(|wish| wish.nodes.matches(labels));
    wishes.fold(0, |sum, wish| sum.saturating_add(wish.weight))
}

/// All that fits, or the last of the reasons when nothing does.
fn any_of(found: impl Iterator<Item = Result<Fitting, Ineligible>>) -> Result<Vec<Fitting>, Ineligible> {
    let (mut fits, mut reason) = (Vec::new(), Ineligible::NotSelected);
    for one in found {
        match one {
            Ok(fit) => fits.push(fit),
            Err(why) => reason = reason.max(why),
        }
    }
    if fits.is_empty() { Err(reason) } else { Ok(fits) }
}

/// What both allow; `None` allows everything.
fn both(one: Option<Vec<u32>>, other: Option<Vec<u32>>) -> Option<Vec<u32>> {
    match (one, other) {
        (Some(mut one), Some(other)) => {
            one.retain(|node| other.binary_search(node).is_ok());
            Some(one)
        }
        (one, other) => one.or(other),
    }
}
