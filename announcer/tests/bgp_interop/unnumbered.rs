//! Sessions over link-local addresses with routers that are found by their advertisements: FRR and BIRD.

use std::net::Ipv6Addr;
use std::time::Duration;

use quorumlb_announcer::bgp::driver::Event;
use quorumlb_announcer::bgp::rib::OwnAddresses;
use quorumlb_announcer::bgp::session::{PeerAs, Settings as Session};
use quorumlb_announcer::bgp::transport::Target;
use quorumlb_announcer::router::neighbour::{NeighbourWatch, Outcome, Settings};
use quorumlb_announcer::{Link, LinkWatch};
use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::router::{Router, eventually};
use crate::speaker::{Speaker, config, rib, routes, settings};
use crate::support::{OURS, PEERS, Segment, block_on, is_send, run, soon};

const OWN: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x20);

const FRR: &str = "router bgp 65020
 bgp router-id 10.0.5.20
 no bgp ebgp-requires-policy
 neighbor peer0 interface remote-as external
 neighbor peer0 timers connect 1
 address-family ipv6 unicast
  neighbor peer0 activate
 exit-address-family";

fn net0(links: &[Link]) -> &Link {
    links.iter().find(|link| link.name == OURS).unwrap()
}

/// A watch on `net0`, as that is now.
async fn watch(settings: Settings) -> NeighbourWatch {
    let mut watch = NeighbourWatch::open(OURS, settings, Box::new(SmallRng::seed_from_u64(1))).unwrap();
    assert_eq!(watch.outcome(), &Outcome::Down);
    watch.set_link(net0(LinkWatch::open().await.unwrap().links()));
    watch
}

async fn until(watch: &mut NeighbourWatch, what: &str, wanted: impl Fn(&Outcome) -> bool) {
    soon(what, async { while !wanted(is_send(watch.changed()).await) {} }).await;
}

fn found(outcome: &Outcome) -> bool {
    *outcome == Outcome::Found { router: ROUTER, own: OWN, others: vec![] }
}

/// A speaker that has nothing but the link to talk over.
async fn dial(watch: &NeighbourWatch) -> Speaker {
    let peer = watch.socket_address(179).unwrap();
    let target = Target { peer, source: Some(OWN.into()), ..Target::new(peer.ip()) };
    let mut config = config(Session { extended_next_hop: true, ..settings(PeerAs::Any) });
    config.own = OwnAddresses::default();
    Speaker::dial(config, target, rib(routes())).await
}

#[test]
fn frr_learns_this_node_by_its_advertisements_and_takes_routes_from_it() {
    let segment = Segment::new();
    block_on(async {
        let frr = Router::frr(&segment, FRR).await;
        let mut silent = watch(Settings { advertise: false, ..Settings::default() }).await;
        until(&mut silent, "FRR's advertisement", found).await;
        // FRR does not know this node: it does not take its connection.
        let mut speaker = dial(&silent).await;
        let refused = |event: &Event| matches!(event, Event::AttemptFailed(_)).then_some(());
        speaker.until("the refusal", refused).await;
        let neighbor = frr.vty("show bgp neighbors peer0 json").await;
        assert_eq!(neighbor["peer0"]["bgpNeighborAddr"], "none", "{neighbor}");
        drop(silent);

        let mut heard = watch(Settings::default()).await;
        until(&mut heard, "FRR's advertisement", found).await;
        let watching = tokio::spawn(async move { while found(heard.changed().await) {} });
        speaker.told().await;
        let kernel = || async {
            let output = segment.peer_beside(&["ip", "-4", "route", "show", "192.0.2.1"]).await;
            let routes = String::from_utf8(output.stdout).unwrap();
            routes.contains("via inet6 fe80::1 dev peer0").then_some(())
        };
        eventually("the route in the router's kernel", kernel).await;
        let path = frr.vty("show bgp ipv4 unicast 192.0.2.1/32 json").await["paths"][0].clone();
        assert_eq!(path["nexthops"][0]["ip"], "fe80::1", "{path}");
        assert_eq!(path["aspath"]["string"], "65001");
        assert!(!watching.is_finished(), "nothing else was found meanwhile");
        watching.abort();
        speaker.end().await;
        // To the hosts of the link this node is no router.
        assert_eq!(segment.peer(&["ip", "-6", "route", "show", "default"]), "");
    });
}

/// BIRD's `radv` with these lines for the interface.
async fn bird<'a>(segment: &'a Segment, lines: &str) -> Router<'a> {
    Router::bird(segment, &format!("protocol radv {{ interface \"{PEERS}\" {{ default lifetime 0; {lines} }}; }}"))
        .await
}

#[test]
fn a_router_answers_when_it_is_asked() {
    let segment = Segment::new();
    block_on(async {
        // The kernel does not ask, and what BIRD says unasked does not come here.
        run(&["sysctl", "-qw", "net.ipv6.conf.net0.accept_ra=0", "net.ipv6.conf.net0.router_solicitations=0"]);
        let chain = "chain output { type filter hook output priority 0; ip6 daddr ff02::1 icmpv6 type 134 drop; }";
        segment.peer(&["nft", &format!("table inet quiet {{ {chain}; }}")]);
        let _bird = bird(&segment, "solicited ra unicast yes;").await;
        let mut watch = watch(Settings::default()).await;
        until(&mut watch, "BIRD's answer", found).await;
        assert!(watch.discovery().counters().solicitations > 0);
    });
}

#[test]
fn a_router_that_falls_silent_is_lost_and_so_is_one_behind_a_broken_link() {
    let segment = Segment::new();
    block_on(async {
        let lines = "min ra interval 3; max ra interval 4;";
        let router = bird(&segment, lines).await;
        let mut watch = watch(Settings { hold: Duration::from_secs(5), ..Settings::default() }).await;
        until(&mut watch, "BIRD's advertisement", found).await;
        drop(router);
        until(&mut watch, "the loss", |outcome| *outcome != Outcome::Down && outcome.router().is_none()).await;

        let _router = bird(&segment, lines).await;
        until(&mut watch, "the router's return", found).await;
        let mut links = LinkWatch::open().await.unwrap();
        segment.peer(&["ip", "link", "set", PEERS, "down"]);
        let down = async { while net0(links.changed().await.unwrap()).up {} };
        soon("the loss of the carrier", down).await;
        watch.set_link(net0(links.links()));
        until(&mut watch, "the news", |outcome| *outcome == Outcome::Down).await;
        // Without an address of its own it has nothing to speak from.
        segment.peer(&["ip", "link", "set", PEERS, "up"]);
        run(&["ip", "addr", "del", "fe80::1/64", "dev", OURS]);
        soon("the carrier", async { while !net0(links.changed().await.unwrap()).up {} }).await;
        watch.set_link(net0(links.links()));
        until(&mut watch, "the news", |outcome| *outcome == Outcome::NoLinkLocal).await;
    });
}
