use std::cmp::Ordering;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Item, Move, Problem, assign_orphans, is_optimal, rebalance};

/// A load as a fraction: items and weight.
type Load = (u32, u32);

fn uniform(nodes: u32, owners: &[Option<u32>]) -> Problem {
    Problem {
        weights: vec![1; nodes as usize],
        loads: Vec::new(),
        classes: vec![(0..nodes).collect()],
        fallbacks: Vec::new(),
        items: owners.iter().map(|&owner| Item { class: 0, owner }).collect(),
    }
}

fn apply(problem: &mut Problem, moves: &[Move]) {
    for one in moves {
        let item = &mut problem.items[one.item as usize];
        assert_eq!(item.owner, one.from);
        assert_ne!(item.owner, Some(one.to));
        assert!(problem.classes[item.class as usize].contains(&one.to), "{one:?} goes where it may not be");
        item.owner = Some(one.to);
    }
}

fn loads(problem: &Problem) -> Vec<u32> {
    let mut loads = vec![0; problem.weights.len()];
    problem.items.iter().filter_map(|item| item.owner).for_each(|owner| loads[owner as usize] += 1);
    loads
}

fn compare(one: Load, two: Load) -> Ordering {
    (u64::from(one.0) * u64::from(two.1)).cmp(&(u64::from(two.0) * u64::from(one.1)))
}

/// The loads from the highest down.
fn sorted(problem: &Problem) -> Vec<Load> {
    let mut all: Vec<Load> = loads(problem).into_iter().zip(problem.weights.iter().copied()).collect();
    all.sort_by(|one, two| compare(*two, *one));
    all
}

fn compare_sorted(one: &[Load], two: &[Load]) -> Ordering {
    one.iter().zip(two).map(|(a, b)| compare(*a, *b)).find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

/// Tries every assignment of the `free` items: the best sorted loads, and the fewest moves that lead there.
fn exhaustive(problem: &Problem, free: &[usize]) -> (Vec<Load>, usize) {
    fn go(problem: &mut Problem, free: &[usize], moved: usize, best: &mut Option<(Vec<Load>, usize)>) {
        let Some((&item, rest)) = free.split_first() else {
            let found = (sorted(problem), moved);
            let better =
                best.as_ref().is_none_or(|best| compare_sorted(&found.0, &best.0).then(found.1.cmp(&best.1)).is_lt());
            if better {
                *best = Some(found);
            }
            return;
        };
        let before = problem.items[item].owner;
        for node in problem.classes[problem.items[item].class as usize].clone() {
            problem.items[item].owner = Some(node);
            go(problem, rest, moved + usize::from(before != Some(node)), best);
        }
        problem.items[item].owner = before;
    }
    let mut best = None;
    go(&mut problem.clone(), free, 0, &mut best);
    best.unwrap()
}

/// Whether some address could be passed along a chain of moves to make the loads more even, found the plain way.
fn has_relief(problem: &Problem) -> bool {
    let nodes = problem.weights.len();
    let mut reach = vec![vec![false; nodes]; nodes];
    for item in &problem.items {
        for &to in &problem.classes[item.class as usize] {
            reach[item.owner.unwrap() as usize][to as usize] = true;
        }
    }
    for via in 0..nodes {
        for from in 0..nodes {
            for to in 0..nodes {
                reach[from][to] |= reach[from][via] && reach[via][to];
            }
        }
    }
    let loads = loads(problem);
    let improves = |from: usize, to: usize| {
        let (a, b) = (problem.weights[from], problem.weights[to]);
        let before = if compare((loads[from], a), (loads[to], b)).is_ge() { [from, to] } else { [to, from] };
        let before = before.map(|node| (loads[node], problem.weights[node]));
        let mut after = [(loads[from] - 1, a), (loads[to] + 1, b)];
        after.sort_by(|one, two| compare(*two, *one));
        compare_sorted(&after, &before).is_lt()
    };
    (0..nodes).any(|from| (0..nodes).any(|to| from != to && loads[from] > 0 && reach[from][to] && improves(from, to)))
}

/// Problems of `nodes` nodes and `items` items at most, with random classes; owners are members or missing.
fn problems(nodes: u32, classes: usize, items: usize, weight: u32) -> impl Strategy<Value = Problem> {
    (1..=nodes).prop_flat_map(move |nodes| {
        let class = prop::collection::btree_set(0..nodes, 1..=nodes as usize);
        let item = (0..classes, any::<prop::sample::Index>(), prop::bool::weighted(0.7));
        let weights = prop::collection::vec(1..=weight, nodes as usize);
        (weights, prop::collection::vec(class, classes), prop::collection::vec(item, 0..=items)).prop_map(
            |(weights, classes, items)| {
                let classes: Vec<Vec<u32>> = classes.into_iter().map(|class| class.into_iter().collect()).collect();
                let item = |(class, owner, owned): (usize, prop::sample::Index, bool)| {
                    let members = &classes[class];
                    let owner = owned.then(|| members[owner.index(members.len())]);
                    Item { class: u32::try_from(class).unwrap(), owner }
                };
                let items = items.into_iter().map(item).collect();
                Problem { weights, loads: Vec::new(), classes, fallbacks: Vec::new(), items }
            },
        )
    })
}

fn orphaned(mut problem: Problem) -> Problem {
    problem.items.iter_mut().for_each(|item| item.owner = None);
    problem
}

fn settled(mut problem: Problem) -> Problem {
    let moves = assign_orphans(&problem);
    apply(&mut problem, &moves);
    problem
}

fn balanced(problem: Problem) -> Problem {
    let mut problem = settled(problem);
    let moves = rebalance(&problem, usize::MAX);
    apply(&mut problem, &moves);
    problem
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_first_plan_is_the_optimum(problem in problems(4, 4, 6, 1)) {
        let problem = orphaned(problem);
        let all: Vec<usize> = (0..problem.items.len()).collect();
        let best = exhaustive(&problem, &all).0;
        prop_assert!(compare_sorted(&sorted(&settled(problem)), &best).is_eq());
    }

    #[test]
    fn a_first_plan_is_the_optimum_with_weights(problem in problems(4, 3, 6, 4)) {
        let problem = orphaned(problem);
        let all: Vec<usize> = (0..problem.items.len()).collect();
        let best = exhaustive(&problem, &all).0;
        prop_assert!(compare_sorted(&sorted(&settled(problem)), &best).is_eq());
    }

    /// P6: a loss moves what was lost, and spreads it as well as it can without touching the rest.
    #[test]
    fn only_orphans_move_and_are_spread_best(problem in problems(4, 3, 7, 3)) {
        let orphans: Vec<usize> = (0..problem.items.len()).filter(|item| problem.items[*item].owner.is_none()).collect();
        let moves = assign_orphans(&problem);
        let moved: Vec<usize> = moves.iter().map(|one| one.item as usize).collect();
        prop_assert_eq!(&moved, &orphans);
        let best = exhaustive(&problem, &orphans).0;
        prop_assert!(compare_sorted(&sorted(&settled(problem)), &best).is_eq());
    }

    /// P5. The way there is nearly always one of the fewest moves; here and there a shortest path first costs one more.
    #[test]
    fn rebalancing_ends_at_the_optimum(problem in problems(4, 3, 6, 3)) {
        let before = settled(problem);
        let all: Vec<usize> = (0..before.items.len()).collect();
        let (best, fewest) = exhaustive(&before, &all);
        let moves = rebalance(&before, usize::MAX);
        prop_assert_eq!(moves.is_empty(), is_optimal(&before));
        prop_assert!(moves.len() <= fewest + 1, "{} moves, {} would do", moves.len(), fewest);
        let mut after = before;
        apply(&mut after, &moves);
        prop_assert!(compare_sorted(&sorted(&after), &best).is_eq());
        prop_assert!(is_optimal(&after));
        prop_assert_eq!(rebalance(&after, usize::MAX), []);
    }

    /// At any pace, every call makes it better, and the end is the same.
    #[test]
    fn rebalancing_in_steps_never_makes_it_worse(problem in problems(6, 5, 20, 3), limit in 1_usize..4) {
        let mut problem = settled(problem);
        let best = sorted(&balanced(problem.clone()));
        loop {
            let before = sorted(&problem);
            let moves = rebalance(&problem, limit);
            if moves.is_empty() {
                break;
            }
            prop_assert!(moves.len() <= limit.max(problem.weights.len() - 1));
            apply(&mut problem, &moves);
            prop_assert!(compare_sorted(&sorted(&problem), &before).is_lt());
        }
        prop_assert!(compare_sorted(&sorted(&problem), &best).is_eq());
    }

    #[test]
    fn no_relief_is_left_at_middle_sizes(problem in problems(25, 40, 300, 5)) {
        let first = settled(orphaned(problem.clone()));
        prop_assert!(!has_relief(&first) && is_optimal(&first));
        let later = settled(problem);
        prop_assert_eq!(has_relief(&later), !is_optimal(&later));
        prop_assert!(!has_relief(&balanced(later)));
    }

    /// P6: a node that arrives takes at most its share, everything it takes comes to it, and nothing else moves.
    #[test]
    fn an_arrival_moves_at_most_its_share(nodes in 2_u32..12, items in 0_usize..200) {
        let before = settled(uniform(nodes - 1, &vec![None; items]));
        let owners: Vec<_> = before.items.iter().map(|item| item.owner).collect();
        let after = uniform(nodes, &owners);
        let moves = rebalance(&after, usize::MAX);
        prop_assert!(moves.len() <= items.div_ceil(nodes as usize));
        prop_assert!(moves.iter().all(|one| one.to == nodes - 1));
    }

    #[test]
    fn equal_classes_are_one(problem in problems(5, 3, 30, 3)) {
        let mut doubled = problem.clone();
        doubled.classes.extend(problem.classes.clone());
        for item in doubled.items.iter_mut().step_by(2) {
            item.class += 3;
        }
        prop_assert_eq!(assign_orphans(&problem), assign_orphans(&doubled));
        prop_assert_eq!(rebalance(&problem, 5), rebalance(&doubled, 5));
    }
}

#[test]
fn a_hundred_addresses_on_four_nodes() {
    let mut problem = settled(uniform(4, &[None; 100]));
    assert_eq!(loads(&problem), [25, 25, 25, 25]);
    assert!(is_optimal(&problem));

    let lost: BTreeSet<u32> = (0..100).filter(|item: &u32| problem.items[*item as usize].owner == Some(2)).collect();
    problem.classes[0] = vec![0, 1, 3];
    let moves = assign_orphans(&problem);
    assert_eq!(moves.iter().map(|one| one.item).collect::<BTreeSet<_>>(), lost);
    apply(&mut problem, &moves);
    assert_eq!(loads(&problem), [34, 33, 0, 33]);
    assert_eq!(rebalance(&problem, usize::MAX), []);

    problem.classes[0] = vec![0, 1, 2, 3];
    assert_eq!(assign_orphans(&problem), []);
    let moves = rebalance(&problem, usize::MAX);
    assert_eq!(moves.len(), 25);
    apply(&mut problem, &moves);
    assert_eq!(loads(&problem), [25, 25, 25, 25]);
}

#[test]
fn weights_are_shares() {
    let mut problem = uniform(3, &[None; 60]);
    problem.weights = vec![1, 2, 3];
    assert_eq!(loads(&settled(problem)), [10, 20, 30]);
}

#[test]
fn nested_eligibility_is_optimal_at_once() {
    // Two items may go anywhere, two only to the first node.
    let items = [0, 0, 1, 1].map(|class| Item { class, owner: None });
    let problem = Problem {
        weights: vec![1; 2],
        loads: Vec::new(),
        classes: vec![vec![0, 1], vec![0]],
        fallbacks: Vec::new(),
        items: items.to_vec(),
    };
    assert_eq!(loads(&settled(problem)), [2, 2]);
}

#[test]
fn a_chain_of_moves_is_taken_whole() {
    // Node 0 has two items, node 2 has none; the way between them leads through node 1.
    let item = |class, owner| Item { class, owner: Some(owner) };
    let problem = Problem {
        weights: vec![1; 3],
        loads: Vec::new(),
        classes: vec![vec![0, 1], vec![1, 2]],
        fallbacks: Vec::new(),
        items: vec![item(0, 0), item(0, 0), item(1, 1)],
    };
    let moves = rebalance(&problem, 1);
    assert_eq!(moves, [Move { item: 0, from: Some(0), to: 1 }, Move { item: 2, from: Some(1), to: 2 }]);
}

#[test]
fn items_on_a_fallback_stay_until_rebalancing() {
    let mut problem = uniform(4, &[Some(2), Some(2), Some(3), None]);
    problem.classes = vec![vec![0, 1]];
    problem.fallbacks = vec![vec![2]];
    let moves = assign_orphans(&problem);
    assert_eq!(moves.iter().map(|one| one.item).collect::<Vec<_>>(), [2, 3]);
    apply(&mut problem, &moves);
    assert!(!is_optimal(&problem));
    let moves = rebalance(&problem, 1);
    assert_eq!(moves, [Move { item: 0, from: Some(2), to: 0 }]);
    apply(&mut problem, &moves);
    let moves = rebalance(&problem, 10);
    apply(&mut problem, &moves);
    assert_eq!(loads(&problem), [2, 2, 0, 0]);
}

#[test]
fn items_on_a_fallback_weigh_on_their_node() {
    let item = |class, owner| Item { class, owner };
    let problem = Problem {
        weights: vec![1; 3],
        loads: Vec::new(),
        classes: vec![vec![0], vec![1, 2]],
        fallbacks: vec![vec![1]],
        items: vec![item(0, Some(1)), item(0, Some(1)), item(1, None), item(1, None)],
    };
    assert!(assign_orphans(&problem).iter().all(|one| one.to == 2));
}

proptest! {
    #[test]
    fn loads_count_as_items_that_stay(problem in problems(5, 4, 30, 3), loads in prop::collection::vec(0..20_u32, 5)) {
        let nodes = problem.weights.len();
        let loads = loads[..nodes].to_vec();
        let mut spelled_out = problem.clone();
        for (node, load) in (0_u32..).zip(&loads) {
            let class = u32::try_from(spelled_out.classes.len()).unwrap();
            spelled_out.classes.push(vec![node]);
            spelled_out.items.extend(std::iter::repeat_n(Item { class, owner: Some(node) }, *load as usize));
        }
        let counted = Problem { loads, ..problem };
        prop_assert_eq!(assign_orphans(&counted), assign_orphans(&spelled_out));
        let orphans = orphaned(counted);
        let rest = spelled_out.items.split_off(orphans.items.len());
        let spelled_out = Problem { items: [orphans.items.clone(), rest].concat(), ..spelled_out };
        prop_assert_eq!(assign_orphans(&orphans), assign_orphans(&spelled_out));
    }
}

#[test]
fn an_item_without_nodes_is_passed_over() {
    let mut problem = uniform(2, &[None, Some(1)]);
    problem.classes.push(Vec::new());
    problem.items[0].class = 1;
    problem.items.push(Item { class: 9, owner: None });
    assert_eq!(assign_orphans(&problem), []);
    assert_eq!(rebalance(&problem, 0), []);
    assert!(is_optimal(&problem));
}
