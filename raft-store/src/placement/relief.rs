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
        let of = &mut self.groups[group as usize];
        of.held[position] += 1;
        self.loads[of.members[position] as usize] += 1;
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
/// A path starts at one of the nodes with the costliest filled slot and is as short as any from those. When no path
/// leads from them to a cheaper slot, then everything they reach is as full as they are and what is there can go
/// nowhere else: that set of nodes is settled and left out of later searches. So each search either improves the
/// board or settles a node, and the whole ends at the optimum.
pub(super) struct Relief {
    board: Board,
    /// For each node the groups it is a member of, and its position there.
    groups_of: Vec<Vec<(u32, u32)>>,
    /// Nodes that are not settled, by their last filled slot.
    open: BTreeSet<(Slot, u32)>,
    settled: Vec<bool>,
    /// The search that a node or group was last seen in.
    node_seen: Vec<u32>,
    group_seen: Vec<u32>,
    search: u32,
    /// How a node was reached in this search.
    reached_by: Vec<Option<Step>>,
}

enum Found {
    Path(u32),
    Closed(Vec<u32>),
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
            node_seen: vec![0; nodes],
            group_seen: vec![0; board.groups.len()],
            search: 0,
            reached_by: vec![None; nodes],
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
            let &(top, _) = self.open.last()?;
            if top.count == 0 {
                return None;
            }
            match self.search(top) {
                Found::Path(end) => {
                    let path = self.path_to(end);
                    self.apply(&path);
                    return Some(path);
                }
                Found::Closed(nodes) => {
                    for node in nodes {
                        self.open.remove(&(self.board.slot(node), node));
                        self.settled[node as usize] = true;
                    }
                }
            }
        }
    }

    /// Takes a path back.
    pub(super) fn undo(&mut self, path: &[Step]) {
        let back: Vec<Step> = path.iter().map(|step| Step { from: step.to, to: step.from, ..*step }).collect();
        self.apply(&back);
    }

    fn apply(&mut self, path: &[Step]) {
        for &step in path {
            for node in [step.from, step.to] {
                self.open.remove(&(self.board.slot(node), node));
            }
            self.board.shift(step);
            for node in [step.from, step.to] {
                self.open.insert((self.board.slot(node), node));
            }
        }
    }

    /// Breadth first from all nodes with the costliest slot, layer by layer: the cheapest slot in the first layer
    /// that has one below `top`.
    fn search(&mut self, top: Slot) -> Found {
        self.search += 1;
        let mut layer: Vec<u32> = self.open.range((top, 0)..).map(|(_, node)| *node).collect();
        for &node in &layer {
            self.node_seen[node as usize] = self.search;
            self.reached_by[node as usize] = None;
        }
        let mut reached = Vec::new();
        while !layer.is_empty() {
            let mut next = Vec::new();
            for &node in &layer {
                self.expand(node, &mut next);
            }
            reached.append(&mut layer);
            let slots = next.iter().map(|&node| (self.board.slot_after(node), node));
            if let Some((_, end)) = slots.filter(|(slot, _)| *slot < top).min() {
                return Found::Path(end);
            }
            layer = next;
        }
        Found::Closed(reached)
    }

    /// Adds the nodes that an address could go to directly from this one and that were not seen yet.
    fn expand(&mut self, from: u32, next: &mut Vec<u32>) {
        for &(id, position) in &self.groups_of[from as usize] {
            let group = &self.board.groups[id as usize];
            if group.held[position as usize] == 0 || self.group_seen[id as usize] == self.search {
                continue;
            }
            self.group_seen[id as usize] = self.search;
            for &to in &group.members {
                if self.node_seen[to as usize] == self.search || self.settled[to as usize] {
                    continue;
                }
                self.node_seen[to as usize] = self.search;
                self.reached_by[to as usize] = Some(Step { group: id, from, to });
                next.push(to);
            }
        }
    }

    fn path_to(&self, end: u32) -> Vec<Step> {
        let first = self.reached_by[end as usize];
        let mut path: Vec<Step> = std::iter::successors(first, |step| self.reached_by[step.from as usize]).collect();
        path.reverse();
        path
    }
}
