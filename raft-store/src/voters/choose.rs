//! Which identities vote next.

use std::collections::{BTreeMap, BTreeSet};

use super::{Roster, Why};
use crate::types::RaftId;

/// How many of `nodes` may vote when `wanted` should: the largest odd number that is at most both, at least 1.
pub fn feasible(wanted: u8, nodes: usize) -> usize {
    let most = usize::from(wanted.clamp(1, 5)).min(nodes.max(1));
    if most.is_multiple_of(2) { most - 1 } else { most }
}

type Voters = BTreeSet<RaftId>;

/// The next set of voters, if it should change.
pub(super) fn next_voters(roster: &Roster) -> Option<(Voters, Why)> {
    let proposals = [replace_lost, grow, shrink, spread];
    proposals.iter().filter_map(|propose| propose(roster)).find(|(voters, why)| safe(roster, voters, why))
}

/// A vote that is lost moves to a learner that can take it; of a node that left without one, it is given up.
fn replace_lost(roster: &Roster) -> Option<(Voters, Why)> {
    let lost = |id: &RaftId| roster.gone(*id).or_else(|| dead(roster, *id)).map(|why| (*id, why));
    let others = roster.voters.iter().filter(|id| **id != roster.leader);
    // What is gone for good comes before what may come back.
    let (out, why) = others.filter_map(lost).min_by_key(|(id, why)| (matches!(why, Why::Dead { .. }), *id))?;
    let mut voters = roster.voters.clone();
    voters.remove(&out);
    match best_learner(roster, &voters) {
        Some(learner) => voters.insert(learner),
        None if matches!(why, Why::Left(_)) => give_up_vote(roster, &mut voters)?,
        None => return None,
    };
    Some((voters, why))
}

/// Without a learner to take the vote, the number of voters shrinks to the next odd one.
fn give_up_vote(roster: &Roster, voters: &mut Voters) -> Option<bool> {
    while voters.len() > 1 && voters.len().is_multiple_of(2) {
        let out = worst(roster, voters)?;
        voters.remove(&out);
    }
    Some(true)
}

fn dead(roster: &Roster, id: RaftId) -> Option<Why> {
    let silent = roster.silence(id);
    (!roster.alive(id)).then(|| Why::Dead { node: roster.name(id), silent })
}

fn grow(roster: &Roster) -> Option<(Voters, Why)> {
    let target = target(roster);
    let mut voters = roster.voters.clone();
    let odd = voters.len() + if voters.len().is_multiple_of(2) { 1 } else { 2 };
    if odd > target {
        return None;
    }
    while voters.len() < odd {
        voters.insert(best_learner(roster, &voters)?);
    }
    Some((voters, Why::TooFew))
}

fn shrink(roster: &Roster) -> Option<(Voters, Why)> {
    let mut voters = roster.voters.clone();
    let odd = voters.len() - if voters.len().is_multiple_of(2) { 1 } else { 2.min(voters.len() - 1) };
    if voters.len() <= target(roster).max(1) || odd == 0 {
        return None;
    }
    while voters.len() > odd.max(1) {
        voters.remove(&worst(roster, &voters)?);
    }
    Some((voters, Why::TooMany))
}

/// One vote moves from a crowded domain to one that has at least two fewer.
fn spread(roster: &Roster) -> Option<(Voters, Why)> {
    let out = worst(roster, &roster.voters).filter(|id| roster.alive(*id))?;
    let mut voters = roster.voters.clone();
    voters.remove(&out);
    voters.insert(best_learner(roster, &voters)?);
    (crowding(roster, &voters) < crowding(roster, &roster.voters)).then_some((voters, Why::Spread))
}

/// How many voters there should be, given how many nodes there are that have not left. A dead node counts: it may come
/// back, and a group must not get used to being small.
fn target(roster: &Roster) -> usize {
    let nodes: BTreeSet<_> = roster.members.values().map(|member| &member.name).collect();
    feasible(roster.wanted, nodes.iter().filter(|node| !roster.left.contains(**node)).count())
}

fn domains(roster: &Roster, voters: &Voters) -> BTreeMap<String, usize> {
    let mut count = BTreeMap::new();
    for id in voters {
        *count.entry(roster.domain(*id)).or_default() += 1;
    }
    count
}

/// Voters per domain, fullest first: smaller is better spread.
fn crowding(roster: &Roster, voters: &Voters) -> Vec<usize> {
    let mut counts: Vec<usize> = domains(roster, voters).into_values().collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
}

/// The learner that could vote at once and whose domain has the fewest of `voters`; then by name.
fn best_learner(roster: &Roster, voters: &Voters) -> Option<RaftId> {
    let used = domains(roster, voters);
    let names: BTreeSet<_> = voters.iter().map(|id| roster.name(*id)).collect();
    let able = |id: &RaftId| {
        !voters.contains(id) && !roster.voters.contains(id) && roster.ready(*id) && !names.contains(&roster.name(*id))
    };
    let crowd = |id: &RaftId| used.get(&roster.domain(*id)).copied().unwrap_or(0);
    roster.members.keys().copied().filter(able).min_by_key(|id| (crowd(id), roster.name(*id), *id))
}

/// The voter to do without first: gone, then dead, then from the fullest domain, then last by name; never the leader.
fn worst(roster: &Roster, voters: &Voters) -> Option<RaftId> {
    let used = domains(roster, voters);
    let rank = |id: &RaftId| {
        let crowd = used.get(&roster.domain(*id)).copied().unwrap_or(0);
        (roster.gone(*id).is_some(), !roster.alive(*id), crowd, roster.name(*id), *id)
    };
    voters.iter().copied().filter(|id| *id != roster.leader).max_by_key(rank)
}

/// Both majorities of the joint change are alive, and no failure to spare is lost unless fewer voters are wanted.
fn safe(roster: &Roster, voters: &Voters, why: &Why) -> bool {
    let spare = |voters: &Voters| {
        let live = voters.iter().filter(|id| roster.alive(**id)).count();
        live.checked_sub(voters.len() / 2 + 1)
    };
    let fewer_wanted = matches!(why, Why::TooMany | Why::Left(_));
    let kept = |spare_before: usize, spare_after: usize| spare_after >= spare_before || fewer_wanted;
    voters.contains(&roster.leader)
        && *voters != roster.voters
        && spare(&roster.voters).zip(spare(voters)).is_some_and(|(before, after)| kept(before, after))
}
