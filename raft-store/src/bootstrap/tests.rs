use proptest::prelude::*;
use rand::SeedableRng;

use super::*;

const FRESH: Duration = Duration::ZERO;

fn member(name: &str) -> Member {
    Member { name: name.into(), address: ([127, 0, 0, 1], 7473).into() }
}

fn plan(me: &str, founders: &[&str]) -> Plan {
    Plan { cluster: "lab".into(), me: me.into(), founders: founders.iter().map(|name| member(name)).collect() }
}

fn empty(plan: &Plan) -> Answer {
    Answer::NoGroup { cluster: plan.cluster.clone(), founders: plan.founders.clone() }
}

fn exists() -> Answer {
    Answer::Exists { cluster: "lab".into() }
}

fn heard(answers: &[(&str, Answer)]) -> BTreeMap<NodeName, Heard> {
    answers.iter().map(|(name, answer)| ((*name).into(), Heard { answer: answer.clone(), age: FRESH })).collect()
}

fn decide_at(plan: &Plan, answers: &[(&str, Answer)], asked_for: Duration) -> Decision {
    decide(plan, Disk::Empty, &heard(answers), asked_for, Patience::default())
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn founders_compute_the_same_membership() {
    let (a, b) = (plan("a", &["a", "b", "c"]), plan("b", &["a", "b", "c"]));
    let one = decide_at(&a, &[("b", empty(&a)), ("c", empty(&a))], FRESH);
    let other = decide_at(&b, &[("a", empty(&a)), ("c", empty(&a))], FRESH);
    let (Decision::Initialize { id, members }, Decision::Initialize { id: other_id, members: other_members }) =
        (one, other)
    else {
        panic!("both found");
    };
    assert_eq!(members, other_members);
    assert_eq!(members[&id].name, "a".into());
    assert_eq!(members[&other_id].name, "b".into());
    assert!(members.keys().all(|id| *id < 1 << 63));
}

#[test]
fn a_majority_goes_on_after_its_patience() {
    let a = plan("a", &["a", "b", "c"]);
    let answers = [("b", empty(&a))];
    let Decision::Wait(Reason::Late { missing, .. }) = decide_at(&a, &answers, FRESH) else { panic!("waits") };
    assert_eq!(missing, BTreeSet::from(["c".into()]));
    assert!(matches!(decide_at(&a, &answers, LONG), Decision::Initialize { .. }));
    let alone = decide_at(&a, &[], LONG);
    assert_eq!(
        alone,
        Decision::Wait(Reason::TooFew {
            present: 1,
            all: 3,
            needed: 2,
            missing: BTreeSet::from(["b".into(), "c".into()])
        })
    );
}

#[test]
fn a_single_founder_founds_alone() {
    assert!(matches!(decide_at(&plan("a", &["a"]), &[], FRESH), Decision::Initialize { .. }));
}

#[test]
fn a_group_that_exists_is_joined_and_an_identity_resumed() {
    let a = plan("a", &["a", "b", "c"]);
    let answers = [("b", empty(&a)), ("c", exists())];
    assert_eq!(decide_at(&a, &answers, LONG), Decision::Join);
    assert_eq!(decide(&a, Disk::Holds(7), &heard(&answers), LONG, Patience::default()), Decision::Resume(7));
    // Even when nobody heard of it lately, and whoever says it.
    let old = BTreeMap::from([("x".into(), Heard { answer: exists(), age: LONG })]);
    assert_eq!(decide(&a, Disk::Empty, &old, LONG, Patience::default()), Decision::Join);
}

#[test]
fn old_answers_do_not_count() {
    let a = plan("a", &["a", "b", "c"]);
    let age = Patience::default().fresh + Duration::from_millis(1);
    let old = BTreeMap::from([("b".into(), Heard { answer: empty(&a), age })]);
    let decision = decide(&a, Disk::Empty, &old, LONG, Patience::default());
    assert!(matches!(decision, Decision::Wait(Reason::TooFew { present: 1, .. })), "{decision:?}");
}

#[test]
fn differences_are_named() {
    let a = plan("a", &["a", "b", "c"]);
    let other = plan("b", &["a", "b", "d"]);
    let Decision::Wait(reason) = decide_at(&a, &[("b", empty(&other)), ("c", empty(&a))], LONG) else {
        panic!("waits")
    };
    assert_eq!(
        reason.to_string(),
        "b and this node name different founders: only here c at 127.0.0.1:7473; only at b d at 127.0.0.1:7473; \
         give both the same list of nodes and voters"
    );
    let elsewhere = Answer::Exists { cluster: "prod".into() };
    let Decision::Wait(reason) = decide_at(&a, &[("b", elsewhere)], LONG) else { panic!("waits") };
    assert_eq!(reason.to_string(), "b belongs to cluster prod, this node to lab; one of the two is configured wrongly");
    let Decision::Wait(reason) = decide_at(&plan("z", &["a", "b", "c"]), &[("a", empty(&a))], LONG) else {
        panic!("waits")
    };
    assert_eq!(reason.to_string(), "not a founder; waiting until a, b, c have founded the group");
}

fn candidate(name: &str, rack: Option<&str>) -> Candidate {
    let labels = rack.map(|rack| ("rack".to_owned(), rack.to_owned())).into_iter().collect();
    Candidate { member: member(name), labels }
}

#[test]
fn founders_are_the_first_by_name_spread_over_racks() {
    let names = |nodes: &[Candidate], voters| -> Vec<String> {
        founders(nodes, voters).into_iter().map(|member| member.name.0).collect()
    };
    let plain: Vec<Candidate> = ["d", "b", "a", "c"].into_iter().map(|name| candidate(name, None)).collect();
    assert_eq!(names(&plain, 3), ["a", "b", "c"]);
    assert_eq!(names(&plain, 5), ["a", "b", "c"]);
    assert_eq!(names(&plain[..2], 3), ["b"]);
    let racks = [("a", "r1"), ("b", "r1"), ("c", "r1"), ("d", "r2"), ("e", "r3")];
    let racks: Vec<Candidate> = racks.into_iter().map(|(name, rack)| candidate(name, Some(rack))).collect();
    assert_eq!(names(&racks, 3), ["a", "d", "e"]);
    assert_eq!(names(&racks, 5), ["a", "b", "c", "d", "e"]);
}

#[test]
fn identities_tell_names_and_lives_apart() {
    let mut randomness = rand::rngs::SmallRng::seed_from_u64(1);
    let (a, b) = ("node1".into(), "node2".into());
    let (first, second) = (joining_id("lab", &a, &mut randomness), joining_id("lab", &a, &mut randomness));
    assert_ne!(first, second);
    for id in [founding_id("lab", &a), first, second] {
        assert!(belongs("lab", &a, id));
        assert!(!belongs("lab", &b, id));
        assert!(!belongs("prod", &a, id));
    }
    assert_ne!(founding_id("ab", &"c".into()), founding_id("a", &"bc".into()));
}

/// A cluster whose nodes start, ask, decide and lose their disks in any order.
struct World {
    plans: Vec<Plan>,
    nodes: Vec<Node>,
}

#[derive(Clone, Default)]
struct Node {
    running: bool,
    holds: bool,
    /// It held the group once, so its identity of generation 0 may have voted.
    tainted: bool,
    heard: BTreeMap<NodeName, Heard>,
}

impl World {
    fn new(count: usize) -> Self {
        let names: Vec<String> = (0..count).map(|index| format!("n{index}")).collect();
        let founders: Vec<&str> = names.iter().map(String::as_str).collect();
        let plans = names.iter().map(|name| plan(name, &founders)).collect();
        Self { plans, nodes: vec![Node::default(); count] }
    }

    fn formed(&self) -> bool {
        self.nodes.iter().any(|node| node.tainted)
    }

    /// A wipe that leaves the group's data on a majority of the founders, or a wipe before there was a group.
    fn wipe_is_tolerable(&self, index: usize) -> bool {
        let rest = self.nodes.iter().enumerate().filter(|(other, node)| *other != index && node.holds).count();
        !self.formed() || rest > self.nodes.len() / 2
    }

    fn wipe(&mut self, index: usize) {
        if self.wipe_is_tolerable(index) {
            self.nodes[index] = Node { tainted: self.nodes[index].tainted, ..Node::default() };
        }
    }

    /// One round of questions from `index` to the nodes in `reach`, and the decision after it.
    fn ask_and_decide(&mut self, index: usize, reach: u8) {
        if !self.nodes[index].running {
            return;
        }
        for heard in self.nodes[index].heard.values_mut() {
            heard.age = LONG;
        }
        for other in 0..self.nodes.len() {
            if other == index || reach & (1 << other) == 0 || !self.nodes[other].running {
                continue;
            }
            let answer = if self.nodes[other].holds { exists() } else { empty(&self.plans[other]) };
            let name = self.plans[other].me.clone();
            self.nodes[index].heard.insert(name, Heard { answer, age: FRESH });
        }
        let disk = if self.nodes[index].holds { Disk::Holds(1) } else { Disk::Empty };
        let decision = decide(&self.plans[index], disk, &self.nodes[index].heard, LONG, Patience::default());
        let node = &mut self.nodes[index];
        match decision {
            Decision::Initialize { members, .. } => {
                assert!(!node.tainted, "n{index} founds again after it lost the group's disk");
                assert_eq!(members.len(), self.plans.len());
                (node.holds, node.tainted) = (true, true);
            }
            // A joining node has a new identity: losing that one later is not founding again.
            Decision::Join => (node.holds, node.tainted) = (true, true),
            Decision::Resume(_) | Decision::Wait(_) => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Start(usize),
    Stop(usize),
    Wipe(usize),
    Ask(usize, u8),
}

fn steps(count: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..count).prop_map(Step::Start),
        1 => (0..count).prop_map(Step::Stop),
        1 => (0..count).prop_map(Step::Wipe),
        5 => (0..count, any::<u8>()).prop_map(|(index, reach)| Step::Ask(index, reach)),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_wiped_founder_founds_again((count, steps) in prop_oneof![Just(3_usize), Just(5)].prop_flat_map(|count| (Just(count), steps(count)))) {
        let mut world = World::new(count);
        for step in steps {
            match step {
                Step::Start(index) => world.nodes[index].running = true,
                Step::Stop(index) => {
                    world.nodes[index].running = false;
                    world.nodes[index].heard.clear();
                }
                Step::Wipe(index) => world.wipe(index),
                Step::Ask(index, reach) => world.ask_and_decide(index, reach),
            }
        }
    }

    #[test]
    fn all_come_together_in_whatever_order_they_start(count in prop_oneof![Just(1_usize), Just(3), Just(5)], order in Just(()).prop_perturb(|(), mut random| { let mut order: Vec<usize> = (0..5).collect(); for i in (1..5).rev() { order.swap(i, (random.next_u32() as usize) % (i + 1)); } order })) {
        let mut world = World::new(count);
        for index in order.into_iter().filter(|index| *index < count) {
            world.nodes[index].running = true;
            for asker in 0..count {
                world.ask_and_decide(asker, u8::MAX);
            }
        }
        prop_assert!(world.nodes.iter().all(|node| node.holds));
    }
}
