//! FRR as the peer.

use quorumlb_announcer::bfd::{DownReason, Settings};

use crate::frr::Frr;
use crate::net::{Far, Lan};
use crate::node::{Node, every, ms, multi, single, unnumbered, until};
use crate::support::block_on;

const OURS4: &str = "10.0.5.1";
const PEERS4: &str = "10.0.5.20";

/// A peer's section.
fn peer(head: &str, interval: u64) -> String {
    let timing = format!("detect-multiplier 3\n  receive-interval {interval}\n  transmit-interval {interval}");
    format!(" peer {head}\n  {timing}\n  no shutdown\n")
}

fn v4(interval: u64) -> String {
    peer(&format!("{OURS4} local-address {PEERS4} interface peer0"), interval)
}

/// A segment, FRR on it, and our session with it, up.
async fn up(interval: u64) -> (Lan, Frr, Node) {
    let lan = Lan::new();
    let frr = Frr::start(&lan.net(), &v4(interval));
    let mut node = Node::start();
    node.bfd.add(single(PEERS4, OURS4), every(ms(interval))).await.unwrap();
    node.up().await;
    (lan, frr, node)
}

#[test]
fn intervals_are_agreed() {
    block_on(async {
        let lan = Lan::new();
        let frr = Frr::start(&lan.net(), &v4(60));
        let mut node = Node::start();
        node.bfd.add(single(PEERS4, OURS4), every(ms(50))).await.unwrap();
        node.up().await;
        // The slower side decides.
        node.agreed(ms(60), ms(60)).await;
        until("FRR's word", || frr.is(OURS4, "up")).await;
        let seen = frr.peer(OURS4);
        assert_eq!((&seen["remote-receive-interval"], &seen["remote-transmit-interval"]), (&50.into(), &50.into()));
        assert_eq!(seen["remote-detect-multiplier"], 3);
        assert_eq!(node.row().await.status.detection_time, Some(ms(180)));
        // Both sides change their minds while the session is up.
        node.bfd.change(single(PEERS4, OURS4), every(ms(200))).await.unwrap();
        node.agreed(ms(200), ms(200)).await;
        until("FRR to know", || frr.peer(OURS4)["remote-transmit-interval"] == 200).await;
        let head = format!("peer {OURS4} local-address {PEERS4} interface peer0");
        frr.vty(&["configure", "bfd", &head, "transmit-interval 300", "receive-interval 400"]);
        node.agreed(ms(400), ms(300)).await;
        assert_eq!(frr.ups_and_downs(OURS4), (1, 0));
        let row = node.row().await;
        assert_eq!((row.counters.ups, row.counters.downs, row.counters.send_errors), (1, 0, 0));
        assert_eq!(row.discards.iter().count(), 0, "{:?}", row.discards);
    });
}

#[test]
fn a_silent_cut_is_noticed_by_both_and_healed() {
    block_on(async {
        let (lan, frr, mut node) = up(50).await;
        node.agreed(ms(50), ms(50)).await;
        lan.cut();
        assert_eq!(node.down().await, DownReason::DetectionTimeExpired);
        until("FRR to notice", || frr.is(OURS4, "down")).await;
        assert_eq!(frr.peer(OURS4)["diagnostic"], "control detection time expired");
        lan.heal();
        node.up().await;
        until("FRR's word", || frr.is(OURS4, "up")).await;
    });
}

#[test]
fn a_peer_that_hears_nothing_tells_us() {
    block_on(async {
        let (lan, _frr, mut node) = up(50).await;
        node.agreed(ms(50), ms(50)).await;
        lan.deafen();
        assert_eq!(node.down().await, DownReason::PeerSignaledDown);
    });
}

#[test]
fn detection_goes_down_to_ten_milliseconds_times_three() {
    block_on(async {
        let (lan, _frr, mut node) = up(10).await;
        node.agreed(ms(10), ms(10)).await;
        assert_eq!(node.row().await.status.detection_time, Some(ms(30)));
        lan.cut();
        assert!(node.down().await.is_failure());
    });
}

#[test]
fn the_peer_notices_when_we_are_gone_and_is_told_when_we_stop() {
    block_on(async {
        let (_lan, frr, mut node) = up(50).await;
        drop(node.bfd);
        node.task.await.unwrap();
        until("FRR to notice", || frr.is(OURS4, "down")).await;
        assert_eq!(frr.peer(OURS4)["diagnostic"], "control detection time expired");
        // Started anew, under another discriminator; then stopped as planned.
        node = Node::start();
        node.bfd.add(single(PEERS4, OURS4), every(ms(50))).await.unwrap();
        node.up().await;
        until("FRR's word", || frr.is(OURS4, "up")).await;
        node.bfd.close().await;
        assert_eq!(node.down().await, DownReason::AdminDown);
        node.task.await.unwrap();
        let seen = frr.peer(OURS4);
        assert_eq!((&seen["status"], &seen["diagnostic"]), (&"down".into(), &"neighbor signaled session down".into()));
        assert_eq!(seen["remote-diagnostic"], "administratively down");
    });
}

#[test]
fn the_peers_operator_and_a_restart_are_not_failures() {
    block_on(async {
        let (lan, frr, mut node) = up(50).await;
        let head = format!("peer {OURS4} local-address {PEERS4} interface peer0");
        frr.vty(&["configure", "bfd", &head, "shutdown"]);
        assert_eq!(node.down().await, DownReason::PeerAdminDown);
        frr.vty(&["configure", "bfd", &head, "no shutdown"]);
        node.up().await;
        drop(frr);
        let _again = Frr::start(&lan.net(), &v4(50));
        // Depending on how long it took, we noticed that it was away.
        assert!(matches!(node.down().await, DownReason::DetectionTimeExpired | DownReason::PeerRestarted));
        node.up().await;
    });
}

#[test]
fn the_peer_does_not_notice_a_hand_over() {
    block_on(async {
        let (_lan, frr, mut node) = up(50).await;
        node.agreed(ms(50), ms(50)).await;
        let port = node.row().await.source_port;
        for _ in 0..5 {
            let saved = node.bfd.hand_over().await.unwrap();
            node = Node::start();
            assert!(node.bfd.take_over(saved).await.unwrap().is_empty());
            let before = node.row().await.counters.received;
            node.until("packets", |row| row.counters.received > before + 5).await;
        }
        assert_eq!(node.row().await.source_port, port);
        assert_eq!(frr.ups_and_downs(OURS4), (1, 0));
        assert!(node.events.try_recv().is_err());
    });
}

#[test]
fn both_families_and_link_local_addresses_at_once() {
    block_on(async {
        let lan = Lan::new();
        let global = peer("fd00:5::1 local-address fd00:5::20", 50);
        let local = peer("fe80::1 local-address fe80::20 interface peer0", 50);
        let frr = Frr::start(&lan.net(), &[v4(50), global, local].concat());
        let mut node = Node::start();
        for path in [single(PEERS4, OURS4), single("fd00:5::20", "fd00:5::1"), unnumbered("fe80::20")] {
            node.bfd.add(path, every(ms(50))).await.unwrap();
        }
        for _ in 0..3 {
            node.up().await;
        }
        for ours in [OURS4, "fd00:5::1", "fe80::1"] {
            until("FRR's word", || frr.is(ours, "up")).await;
        }
        let rows = node.bfd.report().await.unwrap().rows;
        let mut ports: Vec<_> = rows.iter().map(|row| row.source_port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert!(ports.len() == 3 && ports[0] >= 49_152, "{ports:?}");
        lan.cut();
        for _ in 0..3 {
            assert_eq!(node.down().await, DownReason::DetectionTimeExpired);
        }
    });
}

#[test]
fn multihop_through_a_router_and_no_farther_than_allowed() {
    block_on(async {
        let far = Far::new();
        let sections = ["10.0.5.1 multihop local-address 10.0.6.2", "fd00:5::1 multihop local-address fd00:6::2"];
        let _frr = Frr::start(&far.net(), &sections.map(|head| peer(head, 50)).concat());
        let mut node = Node::start();
        let path = multi("10.0.6.2", OURS4);
        let paths = [path, multi("fd00:6::2", "fd00:5::1")];
        for path in paths {
            node.bfd.add(path, every(ms(50))).await.unwrap();
        }
        node.up().await;
        node.up().await;
        // FRR's packets come with 254.
        node.bfd.change(path, Settings { least_ttl: 255, ..every(ms(50)) }).await.unwrap();
        assert_eq!(node.down().await, DownReason::DetectionTimeExpired);
        let rows = node.bfd.report().await.unwrap().rows;
        assert!(rows.iter().any(|row| row.path == path && row.discards.of("ttl") > 0), "{rows:?}");
    });
}

/// Any router on the way makes the TTL smaller: nobody from outside the link can speak for a peer.
#[test]
fn single_hop_does_not_cross_a_router() {
    block_on(async {
        let far = Far::new();
        let node = Node::start();
        node.bfd.add(single("10.0.6.2", OURS4), every(ms(50))).await.unwrap();
        far.send_first_word("10.0.6.2", OURS4);
        node.until("a packet", |row| row.discards.of("ttl") > 0).await;
        assert_eq!(node.row().await.counters.received, 0);
    });
}
