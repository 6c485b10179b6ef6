//! FRR.

use std::net::{IpAddr, SocketAddr};

use quorumlb_announcer::bgp::Family;
use quorumlb_announcer::bgp::driver::{Command, Event};
use quorumlb_announcer::bgp::rib::OwnAddresses;
use quorumlb_announcer::bgp::session::{PeerAs, Settings, Stop};
use quorumlb_announcer::bgp::transport::{Hops, Password, Target};
use serde_json::Value;

use crate::router::{Router, eventually};
use crate::speaker::{Speaker, config, prefix, rib, routes, settings};
use crate::support::{Segment, block_on, run};

/// bgpd's configuration for us as a neighbour of both families.
pub fn bgpd(asn: u32, neighbor: &str, remote: &str, more: &str) -> String {
    format!(
        "router bgp {asn}
 bgp router-id 10.0.5.20
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor {neighbor} remote-as {remote}
 neighbor {neighbor} timers connect 1
{more}
 address-family ipv4 unicast
  neighbor {neighbor} activate
 exit-address-family
 address-family ipv6 unicast
  neighbor {neighbor} activate
 exit-address-family"
    )
}

/// A route's only path.
async fn path(frr: &Router<'_>, family: &str, prefix: &str) -> Value {
    let command = format!("show bgp {family} unicast {prefix} json");
    eventually(prefix, || async { frr.vty(&command).await["paths"].get(0).cloned() }).await
}

async fn count(frr: &Router<'_>, family: &str) -> usize {
    let routes = frr.vty(&format!("show bgp {family} unicast json")).await;
    routes["routes"].as_object().map_or(0, serde_json::Map::len)
}

pub async fn until_count(frr: &Router<'_>, family: &str, wanted: usize) {
    eventually("the routes", || async { (count(frr, family).await == wanted).then_some(()) }).await;
}

pub fn peer(address: &str) -> Target {
    Target::new(address.parse::<IpAddr>().unwrap())
}

#[test]
fn external_with_md5_and_ttl_security() {
    let segment = Segment::new();
    block_on(async {
        let more = " neighbor 10.0.5.1 password s3cret\n neighbor 10.0.5.1 ttl-security hops 1";
        let frr = Router::frr(&segment, &bgpd(65020, "10.0.5.1", "65001", more)).await;
        let password = Some(Password::new("s3cret").unwrap());
        let target = Target { password, hops: Hops::Secured(1), ..peer("10.0.5.20") };
        let mut speaker = Speaker::dial(config(settings(PeerAs::External)), target, rib(routes())).await;
        speaker.told().await;
        until_count(&frr, "ipv4", 51).await;

        let path4 = path(&frr, "ipv4", "192.0.2.1/32").await;
        assert_eq!(path4["origin"], "IGP", "{path4}");
        assert_eq!(path4["aspath"]["string"], "65001");
        assert_eq!(path4["metric"], 7);
        assert_eq!(path4["community"]["string"], "65000:100");
        assert_eq!(path4["largeCommunity"]["string"], "65000:1:2");
        assert_eq!(path4["nexthops"][0]["ip"], "10.0.5.1");
        let path6 = path(&frr, "ipv6", "2001:db8::1/128").await;
        assert_eq!(path6["nexthops"][0]["ip"], "fd00:5::1", "{path6}");

        // A change sends only what it concerns; the session stays.
        speaker.rib.update(|table| table.withdraw(prefix("192.0.2.10/32")));
        until_count(&frr, "ipv4", 50).await;
        let status = speaker.status().await;
        assert_eq!((status.counters.established, status.counters.sent[1]), (1, 6), "{status:?}");

        speaker.tell(Command::Stop(Stop::Shutdown { text: "maintenance".into() })).await;
        until_count(&frr, "ipv4", 0).await;
        let neighbor = frr.vty("show bgp neighbors 10.0.5.1 json").await;
        assert_eq!(neighbor["10.0.5.1"]["lastShutdownDescription"], "maintenance", "{neighbor}");
        speaker.end().await;
    });
}

#[test]
fn internal_over_ipv6() {
    let segment = Segment::new();
    block_on(async {
        let frr = Router::frr(&segment, &bgpd(65001, "fd00:5::1", "65001", "")).await;
        let target = Target { hops: Hops::Ttl(64), ..peer("fd00:5::20") };
        let mut speaker = Speaker::dial(config(settings(PeerAs::Internal)), target, rib(routes())).await;
        speaker.told().await;
        let path4 = path(&frr, "ipv4", "192.0.2.1/32").await;
        assert_eq!((&path4["aspath"]["string"], &path4["locPrf"]), (&"Local".into(), &150.into()), "{path4}");
        let path4 = path(&frr, "ipv4", "192.0.2.10/32").await;
        assert_eq!(path4["locPrf"], 100);
        let path6 = path(&frr, "ipv6", "2001:db8::1/128").await;
        assert_eq!(path6["nexthops"][0]["ip"], "fd00:5::1", "{path6}");
        // The router asks for everything again.
        let before = speaker.status().await.counters.sent[1];
        frr.vty("clear bgp ipv4 unicast * soft in").await;
        let refreshed = |event: &Event| matches!(event, Event::Refreshed(Family::Ipv4Unicast)).then_some(());
        speaker.until("the request", refreshed).await;
        eventually("the routes again", || async {
            (speaker.status().await.counters.sent[1] >= before + 2).then_some(())
        })
        .await;
        speaker.end().await;
    });
}

#[test]
fn ipv4_over_a_link_without_ipv4_addresses() {
    let segment = Segment::new();
    block_on(async {
        let more = " neighbor fe80::1 interface peer0\n neighbor fe80::1 capability extended-nexthop";
        let frr = Router::frr(&segment, &bgpd(65020, "fe80::1", "external", more)).await;
        let index: u32 = run(&["ip", "-o", "link", "show", "net0"]).split(':').next().unwrap().parse().unwrap();
        let mut target = peer("fe80::20");
        if let SocketAddr::V6(address) = &mut target.peer {
            address.set_scope_id(index);
        }
        let settings = Settings { extended_next_hop: true, ..settings(PeerAs::Any) };
        let mut config = config(settings);
        config.own = OwnAddresses::default();
        let mut speaker = Speaker::dial(config, target, rib(routes())).await;
        speaker.told().await;
        let path4 = path(&frr, "ipv4", "192.0.2.1/32").await;
        assert_eq!(path4["nexthops"][0]["ip"], "fe80::1", "{path4}");
        eventually("the route in the kernel", || async {
            let routes = segment.peer(&["ip", "route", "show", "192.0.2.1"]);
            routes.contains("via inet6 fe80::1 dev peer0").then_some(())
        })
        .await;
        path(&frr, "ipv6", "2001:db8::1/128").await;
        speaker.end().await;
    });
}
