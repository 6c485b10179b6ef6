//! Whole nodes in one thread: the real actors, the real log, machine and messages; only the ports are simulated. A client
//! asks for every address every other millisecond, and whatever claims one is kept with its time.

mod bgp;
mod cluster;
mod fabric;
mod router;
mod wire;
mod world;

use cluster::Cluster;
use quorumlb_actors::status::Phase;

/// hold 500 ms, its margin of 12 ms, the ping that was just answered, a commit and some steps.
const TAKEOVER_MS: u64 = 500 + 12 + 100;

/// When the leader dies, too: an election within one `hold` after its last heartbeat, and what its promises take.
const TAKEOVER_WITH_LEADER_MS: u64 = TAKEOVER_MS + 500;

#[test]
fn a_group_forms_and_spreads_the_addresses_and_does_the_same_each_time() {
    let first = Cluster::formed();
    first.check_one_answer();
    let second = Cluster::formed();
    assert!(first.fabric.spoken() == second.fabric.spoken(), "the same seed, another trace");
}

#[test]
fn what_a_killed_node_owned_is_taken_over_in_time() {
    let mut cluster = Cluster::formed();
    let victim = cluster.follower();
    let from = cluster.fabric.now_ms();
    cluster.kill(victim);
    cluster.run(2000);
    assert!(cluster.answered_by_others_than(victim), "{:?}", cluster.owners());
    let gap = cluster.longest_gap(from);
    assert!(gap <= TAKEOVER_MS, "{gap} ms");
    cluster.start(victim);
    cluster.run_until("it has its share again", 10_000, |cluster| cluster.spread() == [2, 2, 2]);
    cluster.check_one_answer();
}

#[test]
fn what_a_killed_leader_owned_is_taken_over_in_time() {
    let mut cluster = Cluster::formed();
    let victim = cluster.leader();
    let from = cluster.fabric.now_ms();
    cluster.kill(victim);
    cluster.run(3000);
    assert!(cluster.answered_by_others_than(victim), "{:?}", cluster.owners());
    let gap = cluster.longest_gap(from);
    assert!(gap <= TAKEOVER_WITH_LEADER_MS, "{gap} ms");
    cluster.check_one_answer();
}

#[test]
fn a_node_that_is_cut_off_falls_silent_before_others_answer() {
    for leader in [false, true] {
        let mut cluster = Cluster::formed();
        let victim = if leader { cluster.leader() } else { cluster.follower() };
        cluster.fabric.part(&[victim]);
        cluster.run(3000);
        assert!(cluster.answered_by_others_than(victim), "{:?}", cluster.owners());
        cluster.fabric.part(&[]);
        cluster.run_until("it has its share again", 15_000, |cluster| cluster.spread() == [2, 2, 2]);
        cluster.check_one_answer();
    }
}

#[test]
fn a_process_that_stood_still_does_not_answer_for_what_it_lost() {
    for (leader, ms) in [(false, 300), (false, 2000), (true, 2000)] {
        let mut cluster = Cluster::formed();
        let victim = if leader { cluster.leader() } else { cluster.follower() };
        cluster.stop(victim, true);
        cluster.run(ms);
        cluster.stop(victim, false);
        cluster.run_until("it has its share again", 15_000, |cluster| cluster.spread() == [2, 2, 2]);
        cluster.check_one_answer();
    }
}

#[test]
fn a_carrier_that_comes_and_goes_never_makes_two_answers() {
    let mut cluster = Cluster::formed();
    let victim = cluster.follower();
    for ms in [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144] {
        cluster.set_carrier(victim, false);
        cluster.run(ms);
        cluster.set_carrier(victim, true);
        cluster.run(ms * 3);
    }
    cluster.run(500);
    cluster.set_carrier(victim, false);
    let took = cluster.run_until("others answer", 2000, |cluster| cluster.answered_by_others_than(victim));
    assert!(took < 150, "{took} ms");
    cluster.check_one_answer();
}

#[test]
fn a_node_that_stops_hands_over_without_a_gap() {
    for leader in [false, true] {
        let mut cluster = Cluster::formed();
        let victim = if leader { cluster.leader() } else { cluster.follower() };
        let from = cluster.fabric.now_ms();
        cluster.retire(victim);
        cluster.run_until("others answer", 2000, |cluster| cluster.answered_by_others_than(victim));
        cluster.run(4500);
        cluster.kill(victim);
        cluster.run(500);
        let gap = cluster.longest_gap(from);
        assert!(gap < 100, "{gap} ms");
        cluster.check_one_answer();
    }
}

#[test]
fn everything_survives_the_crash_of_every_node_at_once() {
    let mut cluster = Cluster::formed();
    cluster::NODES.into_iter().for_each(|node| cluster.kill(node));
    cluster.run(50);
    cluster::NODES.into_iter().for_each(|node| cluster.start(node));
    cluster.run_until("all addresses are answered for", 10_000, Cluster::all_answered);
    cluster.run_until("they are spread", 10_000, |cluster| cluster.spread() == [2, 2, 2]);
    cluster.check_one_answer();
}

#[test]
fn a_node_with_the_data_directory_of_another_one_takes_no_part() {
    let mut cluster = Cluster::formed();
    let (victim, other) = (cluster.follower(), cluster.leader());
    cluster.kill(victim);
    cluster.give_disk_of(other, victim);
    cluster.start(victim);
    let aside = |cluster: &Cluster| {
        cluster.status(victim, |status| matches!(&status.phase, Phase::Aside(why) if why.contains("belongs to")))
    };
    cluster.run_until("it says whose directory it has", 5000, aside);
    cluster.run(3000);
    assert!(cluster.answered_by_others_than(victim), "{:?}", cluster.owners());
    let told = cluster.status(victim, |status| status.phase.clone());
    let expected = format!("this data directory belongs to {other}, and this is {victim}: ");
    assert!(matches!(&told, Phase::Aside(why) if why.starts_with(&expected)), "{told:?}");
    cluster.check_one_answer();
}

#[test]
fn an_emptied_file_takes_nothing_away() {
    let mut cluster = Cluster::formed();
    let node = cluster.leader();
    cluster.write_file(node, "");
    let refused = |cluster: &Cluster| cluster.status(node, |status| status.config.error.contains("were they emptied"));
    cluster.run_until("it says so", 5000, refused);
    cluster.run(5000);
    assert_eq!(cluster.spread(), [2, 2, 2]);
    cluster.check_one_answer();
}
