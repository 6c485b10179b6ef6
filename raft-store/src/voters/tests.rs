use proptest::prelude::*;

use super::*;

const LIVE: Seen = Seen { silent: Duration::ZERO, caught_up: true };

fn dead(seconds: u64) -> Seen {
    Seen { silent: Duration::from_secs(seconds), caught_up: false }
}

/// A member at an address that follows from its name.
fn member(name: &str) -> Member {
    let number: u8 = name.trim_start_matches('n').parse().unwrap();
    Member { name: name.into(), address: ([10, 0, 5, number], 7473).into() }
}

fn at(host: u8) -> SocketAddr {
    ([10, 0, 9, host], 7473).into()
}

/// The wanted state gives a node another address.
fn readdress(roster: &mut Roster, node: &str, address: SocketAddr) {
    roster.addresses.insert(node.into(), address);
}

/// Identities 1, 2, 3... named n1, n2, n3..., of which the first `voters` vote and 1 leads; all alive and caught up.
fn roster(nodes: u64, voters: u64) -> Roster {
    Roster {
        members: (1..=nodes).map(|id| (id, member(&format!("n{id}")))).collect(),
        voters: (1..=voters).collect(),
        leader: 1,
        seen: (1..=nodes).map(|id| (id, LIVE)).collect(),
        labels: BTreeMap::new(),
        joining: BTreeMap::new(),
        addresses: BTreeMap::new(),
        answered: BTreeMap::new(),
        left: BTreeSet::new(),
        wanted: 3,
        dead_after: DEAD_AFTER,
    }
}

fn racks(roster: &mut Roster, racks: &[(u64, &str)]) {
    for (id, rack) in racks {
        let labels = Labels::from([("rack".into(), (*rack).into())]);
        roster.labels.insert(format!("n{id}").as_str().into(), labels);
    }
}

fn voters(step: Option<Step>) -> Vec<RaftId> {
    match step {
        Some(Step::Voters { voters, .. }) => voters.into_iter().collect(),
        other => panic!("voters should change, not {other:?}"),
    }
}

#[test]
fn a_full_and_healthy_group_is_left_alone() {
    assert_eq!(next_step(&roster(5, 3)), None);
    assert_eq!(next_step(&roster(1, 1)), None);
    assert_eq!(next_step(&roster(2, 1)), None);
}

#[test]
fn a_joining_node_becomes_a_learner_first() {
    let mut roster = roster(3, 3);
    roster.joining.insert(9, member("n9"));
    assert_eq!(next_step(&roster), Some(Step::AddLearner { id: 9, member: member("n9") }));
    roster.left.insert("n9".into());
    assert_eq!(next_step(&roster), None);
}

#[test]
fn a_dead_voter_is_replaced_after_the_patience() {
    let mut roster = roster(4, 3);
    roster.seen.insert(2, dead(9));
    assert_eq!(next_step(&roster), None);
    roster.seen.insert(2, dead(10));
    let Some(Step::Voters { voters, why }) = next_step(&roster) else { panic!("replaced") };
    assert_eq!(voters, BTreeSet::from([1, 3, 4]));
    assert_eq!(why.to_string(), "n2 has been silent for 10 s");
    roster.seen.insert(4, Seen { caught_up: false, ..LIVE });
    assert_eq!(next_step(&roster), None, "a learner that lags cannot vote");
    roster.seen.insert(4, dead(20));
    assert_eq!(next_step(&roster), None, "a dead learner cannot vote");
}

#[test]
fn a_wiped_voter_is_replaced_by_its_new_identity_at_once() {
    let mut roster = roster(3, 3);
    roster.seen.insert(2, dead(1));
    roster.members.insert(22, member("n2"));
    roster.seen.insert(22, Seen { caught_up: false, ..LIVE });
    assert_eq!(next_step(&roster), None, "not before it has caught up");
    roster.seen.insert(22, LIVE);
    let Some(Step::Voters { voters, why }) = next_step(&roster) else { panic!("replaced") };
    assert_eq!((voters.clone(), why), (BTreeSet::from([1, 3, 22]), Why::Superseded { node: "n2".into(), by: 22 }));
    roster.voters = voters;
    let why = Why::Superseded { node: "n2".into(), by: 22 };
    assert_eq!(next_step(&roster), Some(Step::Remove { id: 2, why }));
}

#[test]
fn the_number_of_voters_stays_odd() {
    let mut grown = roster(3, 1);
    assert_eq!(voters(next_step(&grown)), [1, 2, 3]);
    grown.seen.insert(3, Seen { caught_up: false, ..LIVE });
    assert_eq!(next_step(&grown), None, "one of the two lags");
    let mut five = roster(5, 5);
    assert_eq!(voters(next_step(&five)), [1, 2, 3]);
    five.seen.insert(2, dead(20));
    assert_eq!(voters(next_step(&five)), [1, 3, 4], "the dead one goes first");
    let mut one = roster(3, 3);
    one.wanted = 1;
    assert_eq!(voters(next_step(&one)), [1]);
}

#[test]
fn a_node_that_left_goes_for_good() {
    let mut with_learner = roster(4, 3);
    with_learner.left.insert("n2".into());
    assert_eq!(voters(next_step(&with_learner)), [1, 3, 4]);
    with_learner.voters = BTreeSet::from([1, 3, 4]);
    assert_eq!(next_step(&with_learner), Some(Step::Remove { id: 2, why: Why::Left("n2".into()) }));
    let mut without = roster(3, 3);
    without.left.insert("n2".into());
    assert_eq!(voters(next_step(&without)), [1], "two nodes are left, and one of them votes");
    let mut leader = roster(3, 3);
    leader.left.insert("n1".into());
    assert_eq!(next_step(&leader), Some(Step::HandOver { to: 2 }));
}

#[test]
fn a_node_is_reached_at_its_new_address_once_it_answers_there() {
    let mut roster = roster(4, 3);
    readdress(&mut roster, "n2", at(2));
    readdress(&mut roster, "n4", at(4));
    let wanted = |id, address| Readdressing { id, member: Member { address, ..member(&format!("n{id}")) } };
    assert_eq!(roster.to_probe(), [wanted(2, at(2)), wanted(4, at(4))]);
    assert_eq!(next_step(&roster), None, "nobody has answered");
    roster.answered.insert(2, at(9));
    assert_eq!(next_step(&roster), None, "it answered elsewhere");
    // It has moved, so it is silent where the membership has it.
    roster.seen.insert(2, dead(9));
    roster.answered = BTreeMap::from([(2, at(2)), (4, at(4))]);
    let Some(Step::Readdress { id, member: moved }) = next_step(&roster) else { panic!("one of them") };
    assert_eq!((id, moved.address), (2, at(2)));
    roster.members.insert(id, moved);
    assert!(matches!(next_step(&roster), Some(Step::Readdress { id: 4, .. })), "then the other");
    roster.joining.insert(9, member("n9"));
    assert!(matches!(next_step(&roster), Some(Step::AddLearner { .. })), "who joins comes first");
}

#[test]
fn an_address_that_another_has_or_wants_is_not_given() {
    for taken in ["member", "wish", "joining"] {
        let mut roster = roster(3, 3);
        readdress(&mut roster, "n2", at(2));
        roster.answered.insert(2, at(2));
        match taken {
            "member" => roster.members.get_mut(&3).unwrap().address = at(2),
            "wish" => readdress(&mut roster, "n3", at(2)),
            _ => drop(roster.joining.insert(9, Member { address: at(2), ..member("n9") })),
        }
        assert!(!matches!(next_step(&roster), Some(Step::Readdress { .. })), "{taken}");
        assert!(roster.to_probe().iter().all(|probe| probe.id != 2), "{taken}");
    }
    let mut swapped = roster(3, 3);
    readdress(&mut swapped, "n2", member("n3").address);
    readdress(&mut swapped, "n3", member("n2").address);
    swapped.answered = BTreeMap::from([(2, member("n3").address), (3, member("n2").address)]);
    assert_eq!(next_step(&swapped), None);
}

#[test]
fn identities_that_are_gone_stay_where_they_were() {
    let mut roster = roster(3, 3);
    roster.left.insert("n3".into());
    readdress(&mut roster, "n3", at(3));
    roster.answered.insert(3, at(3));
    assert!(!matches!(next_step(&roster), Some(Step::Readdress { .. })));
}

#[test]
fn a_leader_that_moves_lets_another_lead_that_can_ask_it() {
    let mut three = roster(3, 3);
    readdress(&mut three, "n1", at(1));
    three.answered.insert(1, at(1));
    assert_eq!(next_step(&three), Some(Step::HandOver { to: 2 }));
    readdress(&mut three, "n2", at(2));
    assert_eq!(next_step(&three), Some(Step::HandOver { to: 3 }), "not to one that would hand back");
    readdress(&mut three, "n3", at(3));
    assert_eq!(next_step(&three), None);
    let mut alone = roster(2, 1);
    readdress(&mut alone, "n1", at(1));
    assert!(matches!(next_step(&alone), Some(Step::Readdress { id: 1, .. })), "nobody else could");
}

#[test]
fn voters_spread_over_domains_and_then_stay() {
    let mut roster = roster(5, 3);
    racks(&mut roster, &[(1, "r1"), (2, "r1"), (3, "r1"), (4, "r2"), (5, "r3")]);
    let first = next_step(&roster);
    assert!(matches!(first, Some(Step::Voters { why: Why::Spread, .. })), "{first:?}");
    roster.voters = voters(first).into_iter().collect();
    assert_eq!(roster.voters, BTreeSet::from([1, 2, 4]));
    roster.voters = voters(next_step(&roster)).into_iter().collect();
    assert_eq!(roster.voters, BTreeSet::from([1, 4, 5]));
    assert_eq!(next_step(&roster), None);
}

#[test]
fn a_replacement_comes_from_the_least_used_domain() {
    let mut roster = roster(5, 3);
    racks(&mut roster, &[(1, "r1"), (2, "r2"), (3, "r3"), (4, "r1"), (5, "r2")]);
    roster.seen.insert(2, dead(11));
    assert_eq!(voters(next_step(&roster)), [1, 3, 5]);
}

#[test]
fn zones_come_before_racks() {
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    assert_eq!(
        domain(&labels(&[("rack", "r1"), ("topology.kubernetes.io/zone", "z")])),
        "topology.kubernetes.io/zone=z"
    );
    assert_eq!(domain(&labels(&[("rack", "r1")])), "rack=r1");
    assert_eq!(domain(&labels(&[])), "");
}

fn any_seen() -> impl Strategy<Value = Seen> {
    (0_u64..20, any::<bool>()).prop_map(|(seconds, caught_up)| Seen { silent: Duration::from_secs(seconds), caught_up })
}

prop_compose! {
    fn any_roster()(
        names in proptest::collection::vec(0_u8..7, 1..9),
        seen in proptest::collection::vec(proptest::option::of(any_seen()), 9),
        votes in any::<u16>(),
        racks in proptest::collection::vec(0_u8..3, 7),
        left in proptest::collection::btree_set(0_u8..7, 0..2),
        moves in proptest::collection::btree_map(0_u8..7, 0_u8..10, 0..4),
        answers in proptest::collection::btree_map(1_u64..9, 0_u8..10, 0..6),
        wanted in prop_oneof![Just(1_u8), Just(3), Just(5)],
    ) -> Roster {
        let mut roster = roster(0, 0);
        roster.members = names.iter().zip(1..).map(|(name, id)| (id, member(&format!("n{name}")))).collect();
        let ids: Vec<RaftId> = roster.members.keys().copied().collect();
        roster.voters = ids.iter().copied().filter(|id| *id == 1 || votes & (1 << id) != 0).collect();
        roster.seen = ids.iter().zip(seen).filter_map(|(id, seen)| Some((*id, seen?))).collect();
        roster.labels = racks.iter().enumerate().map(|(node, rack)| {
            let labels = Labels::from([("rack".into(), rack.to_string())]);
            (format!("n{node}").as_str().into(), labels)
        }).collect();
        roster.left = left.iter().map(|node| format!("n{node}").as_str().into()).collect();
        // Some are another's present address.
        let place = |host: u8| if host < 7 { at(host) } else { member(&format!("n{}", host - 7)).address };
        roster.addresses = moves.iter().map(|(node, host)| (format!("n{node}").as_str().into(), place(*host))).collect();
        roster.answered = answers.iter().map(|(id, host)| (*id, place(*host))).collect();
        roster.wanted = wanted;
        roster
    }
}

fn live(roster: &Roster, voters: &BTreeSet<RaftId>) -> usize {
    let answers = |id: &&RaftId| {
        **id == roster.leader || roster.seen.get(*id).is_some_and(|seen| seen.silent < roster.dead_after)
    };
    voters.iter().filter(answers).count()
}

fn carry_out(roster: &mut Roster, step: &Step) {
    match step {
        Step::AddLearner { id, member } => drop(roster.members.insert(*id, member.clone())),
        Step::Readdress { id, member } => drop(roster.members.insert(*id, member.clone())),
        Step::HandOver { to } => roster.leader = *to,
        Step::Remove { id, .. } => drop(roster.members.remove(id)),
        Step::Voters { voters, .. } => roster.voters.clone_from(voters),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_step_keeps_a_live_majority(roster in any_roster()) {
        if let Some(Step::Voters { voters, why }) = next_step(&roster) {
            prop_assert!(live(&roster, &voters) > voters.len() / 2, "{why}");
            prop_assert!(live(&roster, &roster.voters) > roster.voters.len() / 2, "{why}");
            prop_assert!(voters.contains(&roster.leader));
            prop_assert!(voters.iter().all(|id| roster.members.contains_key(id)));
            let spare = |voters: &BTreeSet<RaftId>| live(&roster, voters) - voters.len() / 2 - 1;
            if !matches!(why, Why::TooMany | Why::Left(_)) {
                prop_assert!(spare(&voters) >= spare(&roster.voters), "{why}");
            }
        }
    }

    #[test]
    fn an_address_changes_to_one_that_is_free_and_proven(roster in any_roster()) {
        if let Some(Step::Readdress { id, member }) = next_step(&roster) {
            let before = &roster.members[&id];
            prop_assert_eq!(&before.name, &member.name);
            prop_assert_ne!(before.address, member.address);
            prop_assert_eq!(roster.addresses.get(&member.name), Some(&member.address));
            prop_assert!(roster.members.iter().all(|(other, them)| *other == id || them.address != member.address));
            let alone = id == roster.leader && roster.voters.len() == 1;
            prop_assert!(alone || roster.answered.get(&id) == Some(&member.address));
        }
    }

    #[test]
    fn steps_come_to_rest(mut roster in any_roster()) {
        let mut steps = 0;
        while let Some(step) = next_step(&roster) {
            carry_out(&mut roster, &step);
            steps += 1;
            prop_assert!(steps < 40, "no rest: {step:?}");
        }
    }

    #[test]
    fn a_live_group_gets_the_voters_it_wants(nodes in 1_u64..8, wanted in prop_oneof![Just(1_u8), Just(3), Just(5)], now in 0_usize..3) {
        let voters = [1, 3, 5][now].min(if nodes % 2 == 0 { nodes - 1 } else { nodes });
        let mut roster = roster(nodes, voters);
        roster.wanted = wanted;
        while let Some(step) = next_step(&roster) {
            carry_out(&mut roster, &step);
        }
        prop_assert_eq!(roster.voters.len(), feasible(wanted, usize::try_from(nodes).unwrap()));
    }
}
