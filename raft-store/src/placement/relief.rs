//! Counts of addresses on nodes, by group, and the search for relief paths among them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap};

/// The place of the `count`th address on a node. Places are ordered by what it costs to fill them: by load, and
/// between equal loads by the load before (so the place on the heavier node is the cheaper one).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) count: u32,
    pub(super) weight: u32,
}

impl Ord for Slot {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, two) =
            (u64::from(self.count) * u64::from(other.weight), u64::from(other.count) * u64::from(self.weight));
        one.cmp(&two).then(other.weight.cmp(&self.weight))
    }
}

impl PartialOrd for Slot {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Addresses that may go to the same nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    /// The nodes, in order, each once.
    pub(super) members: Vec<u32>,
    /// How many of the group's movable addresses each member has.
    pub(super) held: Vec<u32>,
}

/// Who has how many.
#[derive(Clone, Debug)]
pub(super) struct Board {
    weights: Vec<u32>,
    /// All addresses of a node, movable or not.
    pub(super) loads: Vec<u32>,
    pub(super) groups: Vec<Group>,
}

impl Board {
    /// An empty board. A weight of 0 counts as 1.
    pub(super) fn new(weights: &[u32], groups: Vec<Vec<u32>>) -> Self {
        let group = |members: Vec<u32>| Group { held: vec![0; members.len()], members };
        Self {
            weights: weights.iter().map(|weight| (*weight).max(1)).collect(),
            loads: vec![0; weights.len()],
            groups: groups.into_iter().map(group).collect(),
        }
    }

    /// Puts a movable address of the group on a member.
    pub(super) fn put(&mut self, group: u32, position: usize) {
        self.put_many(group, position, 1);
    }

    /// Puts so many of them there.
    pub(super) fn put_many(&mut self, group: u32, position: usize, count: u32) {
        let of = &mut self.groups[group as usize];
        of.held[position] += count;
        self.loads[of.members[position] as usize] += count;
    }

    /// Puts so many movable addresses of the group on its members, each on the cheapest place left.
    pub(super) fn spread(&mut self, group: u32, count: u32) {
        let members = self.groups[group as usize].members.iter();
        let slots = members.enumerate().map(|(position, node)| Reverse((self.slot_after(*node), position)));
        let mut cheapest: BinaryHeap<_> = slots.collect();
        for _ in 0..count {
            let Some(mut top) = cheapest.peek_mut() else { return };
            let Reverse((slot, position)) = *top;
            top.0.0 = Slot { count: slot.count + 1, ..slot };
            drop(top);
            self.put(group, position);
        }
    }

    fn slot(&self, node: u32) -> Slot {
        Slot { count: self.loads[node as usize], weight: self.weights[node as usize] }
    }

    fn slot_after(&self, node: u32) -> Slot {
        let slot = self.slot(node);
        Slot { count: slot.count + 1, ..slot }
    }

    /// Moves one address of a group between members.
    fn shift(&mut self, step: Step) {
        let group = &mut self.groups[step.group as usize];
        for (node, up) in [(step.from, false), (step.to, true)] {
            if let Ok(position) = group.members.binary_search(&node) {
                let held = &mut group.held[position];
                *held = if up { *held + 1 } else { *held - 1 };
            }
        }
        self.loads[step.from as usize] -= 1;
        self.loads[step.to as usize] += 1;
    }
}

/// One move of a relief path: an address of the group goes from one member to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) group: u32,
    pub(super) from: u32,
    pub(super) to: u32,
}

/// Relieves the most loaded nodes, path by path, until none can be relieved.
///
/// A round starts at all nodes that have the costliest filled slot and searches breadth first for the nearest nodes
/// with a cheaper free one. If there are some, paths are traced back from them, the cheapest first, until every source
/// is relieved or no path of this length is left; each node and group is looked through once in all of this (a
/// blocking flow on the layers of the search). If there are none, then everything that was reached is as full as the
/// sources, and what is there can go nowhere else: those nodes are settled and left out from then on. So every round
/// improves the board or settles a node, and the whole ends at the optimum.
pub(super) struct Relief {
    board: Board,
    /// For each node the groups it is a member of, and its position there.
    groups_of: Vec<Vec<(u32, u32)>>,
    /// Nodes that are not settled, by their last filled slot.
    open: BTreeSet<(Slot, u32)>,
    settled: Vec<bool>,
    /// The number of this round; marks from earlier ones do not count.
    round: u32,
    nodes: Vec<Mark>,
    groups: Vec<Mark>,
    /// Nodes that gave all they could in the round numbered here.
    spent: Vec<u32>,
    /// What the sources of this round have to get below.
    top: Slot,
    /// Nodes that can take one in this round, by the slot they would fill.
    sinks: BinaryHeap<Reverse<(Slot, u32)>>,
}

/// Where a round has been.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    /// The round that this mark is of.
    round: u32,
    /// Steps from the nearest source; for a group, of the members that it can hand to.
    layer: u32,
    /// How many groups of the node, or members of the group, are used up.
    next: u32,
}

impl Relief {
    pub(super) fn new(board: Board) -> Self {
        let nodes = board.loads.len();
        let mut groups_of = vec![Vec::new(); nodes];
        for (id, group) in (0_u32..).zip(&board.groups) {
            for (position, node) in (0_u32..).zip(&group.members) {
                groups_of[*node as usize].push((id, position));
            }
        }
        let indexes = 0..u32::try_from(nodes).unwrap_or(u32::MAX);
        Self {
            groups_of,
            open: indexes.map(|node| (board.slot(node), node)).collect(),
            settled: vec![false; nodes],
            round: 0,
            nodes: vec![Mark::default(); nodes],
            groups: vec![Mark::default(); board.groups.len()],
            spent: vec![0; nodes],
            top: Slot { count: 0, weight: 1 },
            sinks: BinaryHeap::new(),
            board,
        }
    }

    /// The board as it is now.
    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Takes one relief path and returns its moves, or `None` at the optimum.
    pub(super) fn next_path(&mut self) -> Option<Vec<Step>> {
        loop {
            while let Some(Reverse((slot, sink))) = self.sinks.pop() {
                if slot >= self.top {
                    self.sinks.clear();
                    break;
                }
                let Some((source, path)) = self.trace(sink) else { continue };
                self.apply(&path);
                self.spend(source);
                self.offer(sink);
                return Some(path);
            }
            self.top = self.open.last()?.0;
            if self.top.count == 0 {
                return None;
            }
            for node in self.search() {
                self.open.remove(&(self.board.slot(node), node));
                self.settled[node as usize] = true;
            }
        }
    }

    /// Takes the last path back. Nothing else may follow.
    pub(super) fn undo(mut self, path: &[Step]) -> Self {
        let back: Vec<Step> = path.iter().rev().map(|step| Step { from: step.to, to: step.from, ..*step }).collect();
        self.apply(&back);
        self
    }

    /// Only the ends of a path have another load afterwards.
    fn apply(&mut self, path: &[Step]) {
        let ends = path.first().map(|step| step.from).into_iter().chain(path.last().map(|step| step.to));
        for node in ends.clone() {
            self.open.remove(&(self.board.slot(node), node));
        }
        for &step in path {
            self.board.shift(step);
        }
        for node in ends {
            self.open.insert((self.board.slot(node), node));
        }
    }

    /// Makes the node a sink if it can take one in this round.
    fn offer(&mut self, node: u32) {
        let slot = self.board.slot_after(node);
        if slot < self.top {
            self.sinks.push(Reverse((slot, node)));
        }
    }

    /// Breadth first from all nodes with the costliest slot until a layer has sinks. Returns the nodes that were
    /// reached when there are none at all.
    fn search(&mut self) -> Vec<u32> {
        self.round += 1;
        let mut layer: Vec<u32> = self.open.range((self.top, 0)..).map(|(_, node)| *node).collect();
        for &node in &layer {
            self.nodes[node as usize] = Mark { round: self.round, layer: 0, next: 0 };
        }
        let (mut reached, mut depth) = (Vec::new(), 0);
        while !layer.is_empty() {
            depth += 1;
            let mut next = Vec::new();
            for &node in &layer {
                self.expand(node, depth, &mut next);
            }
            let slots = next.iter().map(|node| Reverse((self.board.slot_after(*node), *node)));
            self.sinks = slots.filter(|Reverse((slot, _))| *slot < self.top).collect();
            if !self.sinks.is_empty() {
                return Vec::new();
            }
            reached.append(&mut layer);
            layer = next;
        }
        reached
    }

    /// Adds the nodes that an address could go to directly from this one and that were not seen yet.
    fn expand(&mut self, from: u32, depth: u32, next: &mut Vec<u32>) {
        let mark = Mark { round: self.round, layer: depth, next: 0 };
        for &(id, position) in &self.groups_of[from as usize] {
            let group = &self.board.groups[id as usize];
            if self.groups[id as usize].round == self.round || group.held[position as usize] == 0 {
                continue;
            }
            self.groups[id as usize] = mark;
            for &to in &group.members {
                if self.nodes[to as usize].round == self.round || self.settled[to as usize] {
                    continue;
                }
                self.nodes[to as usize] = mark;
                next.push(to);
            }
        }
    }

    /// A source gives one address in a round; or more, as long as it alone is the most loaded node.
    fn spend(&mut self, source: u32) {
        let slot = self.board.slot(source);
        let alone = self.open.range((slot, 0)..).eq([&(slot, source)]);
        if alone && slot.count > 0 {
            self.top = slot;
        } else {
            self.spent[source as usize] = self.round;
        }
    }

    /// A source and a path from it to the sink along the layers, or `None` when none is left. Nodes on the way that
    /// lead to no source are spent.
    fn trace(&mut self, sink: u32) -> Option<(u32, Vec<Step>)> {
        let (mut path, mut node) = (Vec::new(), sink);
        while self.nodes[node as usize].layer > 0 {
            if let Some((group, from)) = self.giver(node) {
                path.push(Step { group, from, to: node });
                node = from;
            } else {
                self.spent[node as usize] = self.round;
                let dead_end: Step = path.pop()?;
                node = dead_end.to;
            }
        }
        path.reverse();
        Some((node, path))
    }

    /// A node one layer nearer to the sources that can hand an address to this one, and of which group.
    fn giver(&mut self, to: u32) -> Option<(u32, u32)> {
        let Mark { layer, round, .. } = self.nodes[to as usize];
        while let Some(&(id, _)) = self.groups_of[to as usize].get(self.nodes[to as usize].next as usize) {
            let mark = &mut self.groups[id as usize];
            let group = &self.board.groups[id as usize];
            while mark.round == round && mark.layer == layer {
                let position = mark.next as usize;
                let Some(&from) = group.members.get(position) else { break };
                let of = self.nodes[from as usize];
                let nearer = of.round == round && of.layer + 1 == layer && self.spent[from as usize] != round;
                if nearer && group.held[position] > 0 {
                    return Some((id, from));
                }
                mark.next += 1;
            }
            self.nodes[to as usize].next += 1;
        }
        None
    }
}
