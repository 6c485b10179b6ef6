//! Who answers for what: few moves, even loads. On indexes alone.

use std::collections::{BTreeMap, VecDeque};

use super::relief::{Board, Group, Relief, Step};

/// Items to place on nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// By node index: its share relative to other nodes, 1 to 1000. 0 counts as 1.
    pub weights: Vec<u32>,
    /// By node index: what it has besides the items, which stays there and only counts. May be shorter than `weights`:
    /// the rest have nothing.
    pub loads: Vec<u32>,
    /// By class: the nodes its items are to be on, in order, each once. Equal classes are treated as one.
    pub classes: Vec<Vec<u32>>,
    /// By class: nodes that may keep an item, but get no new one, in order (eligible nodes of a lower preference). May
    /// be shorter than `classes`: the rest have none.
    pub fallbacks: Vec<Vec<u32>>,
    /// The items.
    pub items: Vec<Item>,
}

/// Something to be placed: an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it may be: an index into [`Problem::classes`].
    pub class: u32,
    /// The node it is on.
    pub owner: Option<u32>,
}

/// One item goes to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// An index into [`Problem::items`].
    pub item: u32,
    /// Where it was: just what [`Item::owner`] says.
    pub from: Option<u32>,
    /// Where it is to be.
    pub to: u32,
}

/// Places the items that have no owner or whose owner may not keep them; nothing else moves. Given where the others
/// are, the loads become as even as they can. Items whose class has no nodes are passed over. Sorted by item.
pub fn assign_orphans(problem: &Problem) -> Vec<Move> {
    let mut layout = Layout::of(problem);
    let orphans = layout.take(|place| matches!(place, Place::Orphan), usize::MAX);
    let mut board = layout.board(problem, false);
    layout.spread(&mut board, &orphans);
    let nobody = board.groups.iter().map(|group| vec![0; group.held.len()]).collect();
    // Within one group each took the cheapest place left, so that nobody can be relieved.
    if layout.one_group(&orphans) {
        return layout.moves(problem, &board, nobody, &orphans);
    }
    let mut relief = Relief::new(board);
    while relief.next_path().is_some() {}
    layout.moves(problem, relief.board(), nobody, &orphans)
}

/// Moves towards the optimum, at most `limit` of them; empty when the optimum is reached or `limit` is 0.
///
/// First come items that are not on a node of their class (orphans, and items on a fallback), lowest item first. Then
/// whole relief paths, the most loaded nodes first and the shortest path from them; every path makes the loads better,
/// so that stopping after any call leaves nothing worse. A path of several moves is not cut: if not even the first
/// fits into `limit`, it is returned whole. Called again and again, on what it left, it ends at the optimum. Sorted by
/// item.
pub fn rebalance(problem: &Problem, limit: usize) -> Vec<Move> {
    if limit == 0 {
        return Vec::new();
    }
    let mut layout = Layout::of(problem);
    let strays = layout.take(|place| !matches!(place, Place::Member(_)), limit);
    let mut board = layout.board(problem, true);
    let home: Vec<Vec<u32>> = board.groups.iter().map(|group| group.held.clone()).collect();
    layout.spread(&mut board, &strays);
    let mut relief = Relief::new(board);
    let mut count = strays.len();
    while count < limit {
        let Some(path) = relief.next_path() else { break };
        let before = count;
        count = strays.len() + away(relief.board(), &home, &path, count - strays.len());
        if count > limit && before > 0 {
            relief = relief.undo(&path);
            break;
        }
    }
    layout.moves(problem, relief.board(), home, &strays)
}

/// Whether no item could move to make the loads more even, and none is off the nodes of its class.
pub fn is_optimal(problem: &Problem) -> bool {
    rebalance(problem, 1).is_empty()
}

/// As [`is_optimal`], for items that are counted: for each class its nodes, and how many of its items each node has.
pub(super) fn is_even<'a>(
    weights: &[u32],
    classes: impl Iterator<Item = (&'a [u32], &'a Vec<(Option<u32>, u32)>)>,
) -> bool {
    let mut groups: BTreeMap<&[u32], BTreeMap<usize, u32>> = BTreeMap::new();
    for (members, held) in classes {
        let group = groups.entry(members).or_default();
        for (node, count) in held {
            let Some(Ok(position)) = node.map(|node| members.binary_search(&node)) else { return false };
            *group.entry(position).or_default() += count;
        }
    }
    let mut board = Board::new(weights, groups.keys().map(|members| members.to_vec()).collect());
    for (group, held) in (0_u32..).zip(groups.values()) {
        held.iter().for_each(|(position, count)| board.put_many(group, *position, *count));
    }
    Relief::new(board).next_path().is_none()
}

/// How many items are away from home after a path, when `before` were so before it.
fn away(board: &Board, home: &[Vec<u32>], path: &[Step], before: usize) -> usize {
    let mut touched: Vec<(u32, u32)> = path.iter().flat_map(|s| [(s.group, s.from), (s.group, s.to)]).collect();
    touched.sort_unstable();
    touched.dedup();
    let net = |group: u32, node: u32| {
        let steps = path.iter().filter(|step| step.group == group);
        steps.fold(0_i64, |sum, step| sum + i64::from(step.to == node) - i64::from(step.from == node))
    };
    let change = touched.iter().map(|&(group, node)| {
        let of = &board.groups[group as usize];
        let Ok(position) = of.members.binary_search(&node) else { return 0 };
        let (home, held) = (i64::from(home[group as usize][position]), i64::from(of.held[position]));
        (home - held).max(0) - (home - (held - net(group, node))).max(0)
    });
    usize::try_from(i64::try_from(before).unwrap_or(i64::MAX).saturating_add(change.sum())).unwrap_or(0)
}

/// Where an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the member of its group at this position.
    Member(u32),
    /// On a node that may keep it.
    Fallback(u32),
    /// Nowhere, or where it may not be.
    Orphan,
}

/// The items by group: classes with the same nodes are one group.
struct Layout<'a> {
    groups: Vec<&'a [u32]>,
    /// By item: its group and its place; `None` when its class has no nodes.
    items: Vec<Option<(u32, Place)>>,
    /// By item: it is about to be placed, and its present place does not count.
    taken: Vec<bool>,
}

impl<'a> Layout<'a> {
    fn of(problem: &'a Problem) -> Self {
        let mut ids: BTreeMap<&[u32], u32> = BTreeMap::new();
        let mut groups = Vec::new();
        let mut by_class: Vec<Option<u32>> = vec![None; problem.classes.len()];
        let items = problem.items.iter().map(|item| {
            let class = item.class as usize;
            let members = problem.classes.get(class).filter(|members| !members.is_empty())?;
            let group = *by_class[class].get_or_insert_with(|| {
                *ids.entry(members).or_insert_with(|| {
                    groups.push(members.as_slice());
                    u32::try_from(groups.len() - 1).unwrap_or(u32::MAX)
                })
            });
            let fallbacks = problem.fallbacks.get(class).map_or(&[][..], Vec::as_slice);
            Some((group, place(members, fallbacks, item.owner)))
        });
        let items: Vec<_> = items.collect();
        Self { groups, taken: vec![false; items.len()], items }
    }

    /// Picks up to `limit` items to be placed, lowest first.
    fn take(&mut self, which: impl Fn(Place) -> bool, limit: usize) -> Vec<u32> {
        let found = (0_u32..).zip(&self.items).filter(|(_, item)| item.is_some_and(|(_, place)| which(place)));
        let items: Vec<u32> = found.map(|(item, _)| item).take(limit).collect();
        items.iter().for_each(|item| self.taken[*item as usize] = true);
        items
    }

    /// Whether all of these items are of one group.
    fn one_group(&self, items: &[u32]) -> bool {
        let mut groups = items.iter().filter_map(|item| self.items[*item as usize]).map(|(group, _)| group);
        let first = groups.next();
        groups.all(|group| Some(group) == first)
    }

    /// The loads without the taken items; those on members can be moved, if so said.
    fn board(&self, problem: &Problem, movable: bool) -> Board {
        let mut board = Board::new(&problem.weights, self.groups.iter().map(|members| members.to_vec()).collect());
        board.loads.iter_mut().zip(&problem.loads).for_each(|(load, standing)| *load = *standing);
        for (item, &taken) in self.items.iter().zip(&self.taken) {
            match item {
                Some((group, Place::Member(position))) if movable && !taken => board.put(*group, *position as usize),
                Some((group, Place::Member(position))) if !taken => {
                    board.loads[self.groups[*group as usize][*position as usize] as usize] += 1;
                }
                Some((_, Place::Fallback(node))) if !taken => board.loads[*node as usize] += 1,
                _ => {}
            }
        }
        board
    }

    /// Spreads the taken items, groups with little choice first.
    fn spread(&self, board: &mut Board, taken: &[u32]) {
        let mut counts = vec![0_u32; self.groups.len()];
        for (group, _) in taken.iter().filter_map(|item| self.items[*item as usize]) {
            counts[group as usize] += 1;
        }
        let mut order: Vec<u32> = (0..u32::try_from(counts.len()).unwrap_or(u32::MAX)).collect();
        order.sort_by_key(|group| (self.groups[*group as usize].len(), *group));
        for group in order {
            board.spread(group, counts[group as usize]);
        }
    }

    /// The moves that lead from `home` and the taken items to the board: as few as can be, within each group from
    /// members that have too many to those that have too few, in turn.
    fn moves(&self, problem: &Problem, board: &Board, mut home: Vec<Vec<u32>>, taken: &[u32]) -> Vec<Move> {
        let wanting = |(group, home): (&Group, &Vec<u32>)| -> VecDeque<(u32, u32)> {
            let members = group.members.iter().zip(&group.held).zip(home);
            let more = members.map(|((node, held), home)| (*node, held.saturating_sub(*home)));
            more.filter(|(_, more)| *more > 0).collect()
        };
        let mut wanting: Vec<_> = board.groups.iter().zip(&home).map(wanting).collect();
        let mut moves = Vec::with_capacity(taken.len());
        for (index, item) in (0_u32..).zip(&self.items) {
            let Some((group, place)) = *item else { continue };
            let leaves = self.taken[index as usize]
                || matches!(place, Place::Member(position)
                    if leaves(&mut home[group as usize], &board.groups[group as usize].held, position));
            if leaves && let Some((to, more)) = wanting[group as usize].pop_front() {
                if more > 1 {
                    wanting[group as usize].push_back((to, more - 1));
                }
                moves.push(Move { item: index, from: problem.items[index as usize].owner, to });
            }
        }
        moves
    }
}

/// Whether a member still has more than it should; then one less.
fn leaves(home: &mut [u32], held: &[u32], position: u32) -> bool {
    let position = position as usize;
    let too_many = home[position] > held[position];
    home[position] -= u32::from(too_many);
    too_many
}

fn place(members: &[u32], fallbacks: &[u32], owner: Option<u32>) -> Place {
    let Some(owner) = owner else { return Place::Orphan };
    match members.binary_search(&owner) {
        Ok(position) => Place::Member(u32::try_from(position).unwrap_or(u32::MAX)),
        Err(_) if fallbacks.binary_search(&owner).is_ok() => Place::Fallback(owner),
        Err(_) => Place::Orphan,
    }
}
