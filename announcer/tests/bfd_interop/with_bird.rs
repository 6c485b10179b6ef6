//! BIRD as the peer.

use quorumlb_announcer::bfd::{DownReason, Settings};

use crate::bird::Bird;
use crate::net::{Far, Lan};
use crate::node::{Node, every, ms, multi, single, unnumbered, until};
use crate::support::block_on;

const OURS4: &str = "10.0.5.1";
const PEERS4: &str = "10.0.5.20";

fn lines(interval: u64, neighbours: &str) -> String {
    let timing = format!("min rx interval {interval} ms; min tx interval {interval} ms; multiplier 3;");
    format!("  interface \"*\" {{ {timing} }};\n  multihop {{ {timing} }};\n{neighbours}")
}

const V4: &str = "  neighbor 10.0.5.1 dev \"peer0\";\n";

/// A segment, BIRD on it, and our session with it, up.
async fn up(interval: u64) -> (Lan, Bird, Node) {
    let lan = Lan::new();
    let bird = Bird::start(&lan.net(), &lines(interval, V4));
    let mut node = Node::start();
    node.bfd.add(single(PEERS4, OURS4), every(ms(interval))).await.unwrap();
    node.up().await;
    (lan, bird, node)
}

#[test]
fn intervals_are_agreed() {
    block_on(async {
        let lan = Lan::new();
        let bird = Bird::start(&lan.net(), &lines(60, V4));
        let mut node = Node::start();
        node.bfd.add(single(PEERS4, OURS4), every(ms(50))).await.unwrap();
        node.up().await;
        node.agreed(ms(60), ms(60)).await;
        // BIRD's interval of sending, and its detection time.
        until("BIRD's word", || bird.session(OURS4) == ("Up".into(), 0.06, 0.18)).await;
        node.bfd.change(single(PEERS4, OURS4), every(ms(200))).await.unwrap();
        node.agreed(ms(200), ms(200)).await;
        until("BIRD to know", || bird.session(OURS4) == ("Up".into(), 0.2, 0.6)).await;
        let row = node.row().await;
        assert_eq!((row.counters.ups, row.counters.downs), (1, 0));
        assert_eq!(row.discards.iter().count(), 0, "{:?}", row.discards);
    });
}

#[test]
fn a_silent_cut_is_noticed_by_both_and_healed() {
    block_on(async {
        let (lan, bird, mut node) = up(50).await;
        node.agreed(ms(50), ms(50)).await;
        lan.cut();
        assert_eq!(node.down().await, DownReason::DetectionTimeExpired);
        until("BIRD to notice", || bird.is(OURS4, "Down")).await;
        lan.heal();
        node.up().await;
        until("BIRD's word", || bird.is(OURS4, "Up")).await;
    });
}

#[test]
fn the_peer_notices_when_we_are_gone_and_is_told_when_we_stop() {
    block_on(async {
        let (_lan, bird, mut node) = up(50).await;
        drop(node.bfd);
        node.task.await.unwrap();
        until("BIRD to notice", || bird.is(OURS4, "Down")).await;
        node = Node::start();
        node.bfd.add(single(PEERS4, OURS4), every(ms(50))).await.unwrap();
        node.up().await;
        node.bfd.close().await;
        assert_eq!(node.down().await, DownReason::AdminDown);
        node.task.await.unwrap();
        until("BIRD to be told", || bird.is(OURS4, "Down")).await;
    });
}

/// BIRD says nothing when it stops, so that looks like a failure until it is back.
#[test]
fn a_peer_that_was_restarted_comes_up_again() {
    block_on(async {
        let (lan, bird, mut node) = up(50).await;
        drop(bird);
        assert_eq!(node.down().await, DownReason::DetectionTimeExpired);
        let _again = Bird::start(&lan.net(), &lines(50, V4));
        node.up().await;
    });
}

#[test]
fn the_peer_does_not_notice_a_hand_over() {
    block_on(async {
        let (_lan, bird, mut node) = up(50).await;
        node.agreed(ms(50), ms(50)).await;
        until("BIRD's word", || bird.is(OURS4, "Up")).await;
        let since = bird.since(OURS4);
        for _ in 0..5 {
            let saved = node.bfd.hand_over().await.unwrap();
            node = Node::start();
            assert!(node.bfd.take_over(saved).await.unwrap().is_empty());
            let before = node.row().await.counters.received;
            node.until("packets", |row| row.counters.received > before + 5).await;
        }
        assert_eq!((bird.since(OURS4), bird.is(OURS4, "Up")), (since, true));
    });
}

#[test]
fn ipv6_and_link_local_addresses() {
    block_on(async {
        let lan = Lan::new();
        let neighbours = "  neighbor fd00:5::1 dev \"peer0\";\n  neighbor fe80::1 dev \"peer0\";\n";
        let bird = Bird::start(&lan.net(), &lines(50, neighbours));
        let mut node = Node::start();
        for path in [single("fd00:5::20", "fd00:5::1"), unnumbered("fe80::20")] {
            node.bfd.add(path, every(ms(50))).await.unwrap();
        }
        for ours in ["fd00:5::1", "fe80::1"] {
            node.up().await;
            until("BIRD's word", || bird.is(ours, "Up")).await;
        }
        lan.cut();
        assert_eq!(node.down().await, DownReason::DetectionTimeExpired);
        assert_eq!(node.down().await, DownReason::DetectionTimeExpired);
    });
}

#[test]
fn multihop_through_a_router() {
    block_on(async {
        let far = Far::new();
        let neighbours =
            "  neighbor 10.0.5.1 local 10.0.6.2 multihop on;\n  neighbor fd00:5::1 local fd00:6::2 multihop on;\n";
        let bird = Bird::start(&far.net(), &lines(50, neighbours));
        let mut node = Node::start();
        for path in [multi("10.0.6.2", OURS4), multi("fd00:6::2", "fd00:5::1")] {
            // Over several hops BIRD sends with the system's TTL, 64.
            node.bfd.add(path, Settings { least_ttl: 63, ..every(ms(50)) }).await.unwrap();
        }
        for ours in [OURS4, "fd00:5::1"] {
            node.up().await;
            until("BIRD's word", || bird.is(ours, "Up")).await;
        }
    });
}
