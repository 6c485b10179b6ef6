//! Where we listen: routers that connect, and strangers whose packets the kernel drops. What was dropped is counted there.

use std::fs;

use quorumlb_announcer::bgp::driver::{Command, Config};
use quorumlb_announcer::bgp::session::{PeerAs, Settings};
use quorumlb_announcer::bgp::transport::{Hops, Listener, Password, Target};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::frr::{bgpd, peer, until_count};
use crate::router::{Router, eventually};
use crate::speaker::{Speaker, config, rib, routes, settings};
use crate::support::{Segment, block_on};

fn passive() -> Config {
    config(Settings { passive: true, ..settings(PeerAs::External) })
}

/// Accepts as an actor does.
async fn listen(target: Target) -> Speaker {
    let listener = Listener::bind(Listener::ANY_V4, None).unwrap();
    listener.set_password(target.peer.ip(), None).unwrap();
    listener.set_password(target.peer.ip(), target.password.as_ref()).unwrap();
    let speaker = Speaker::dial(passive(), target.clone(), rib(routes())).await;
    let accepted = speaker.commands();
    tokio::spawn(async move {
        loop {
            let stream = listener.accept().await.unwrap();
            target.prepare(&stream).unwrap();
            accepted.send(Command::Accepted(stream)).await.unwrap();
        }
    });
    speaker
}

/// A counter of the kernel's in our namespace.
fn counter(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/thread-self/net/netstat").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:")).map(|line| line.split(' '));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let found = names.zip(values).find(|(other, _)| *other == name).map(|(_, value)| value.parse().unwrap());
    found.unwrap_or_else(|| panic!("no counter {name}"))
}

#[test]
fn a_router_connects_with_md5_and_ttl_security() {
    let segment = Segment::new();
    block_on(async {
        let password = Some(Password::new("s3cret").unwrap());
        let mut speaker = listen(Target { password, hops: Hops::Secured(1), ..peer("10.0.5.20") }).await;
        let more = " neighbor 10.0.5.1 password s3cret\n neighbor 10.0.5.1 ttl-security hops 1";
        let frr = Router::frr(&segment, &bgpd(65020, "10.0.5.1", "65001", more)).await;
        speaker.told().await;
        until_count(&frr, "ipv4", 51).await;
    });
}

#[test]
fn packets_that_crossed_a_router_are_dropped() {
    let segment = Segment::new();
    block_on(async {
        let speaker = listen(Target { hops: Hops::Secured(1), ..peer("10.0.5.20") }).await;
        let socket = segment.at_peer(|| TcpSocket::new_v4().unwrap());
        let mut stream = socket.connect("10.0.5.1:179".parse().unwrap()).await.unwrap();
        // Only an accepted connection knows its peer, so it is opened before the first packet is dropped.
        eventually("the connection", || async { (speaker.status().await.counters.sent[0] == 1).then_some(()) }).await;
        stream.write_all(&[0; 19]).await.unwrap();
        eventually("a dropped packet", || async { (counter("TCPMinTTLDrop") > 0).then_some(()) }).await;
        assert_eq!(speaker.status().await.last_failure, None);
    });
}

#[test]
fn unsigned_connections_are_dropped() {
    let segment = Segment::new();
    block_on(async {
        let password = Some(Password::new("s3cret").unwrap());
        let speaker = listen(Target { password, ..peer("10.0.5.20") }).await;
        let socket = segment.at_peer(|| TcpSocket::new_v4().unwrap());
        let stranger = tokio::spawn(socket.connect("10.0.5.1:179".parse().unwrap()));
        eventually("a dropped packet", || async { (counter("TCPMD5NotFound") > 0).then_some(()) }).await;
        assert!(!stranger.is_finished());
        assert_eq!(speaker.status().await.counters.sent[0], 0);
        stranger.abort();
    });
}
