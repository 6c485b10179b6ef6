//! BIRD 2.

use quorumlb_announcer::bgp::session::{PeerAs, Settings};
use quorumlb_announcer::bgp::transport::{Hops, Password, Target};

use crate::frr::peer;
use crate::router::{Router, eventually};
use crate::speaker::{Speaker, config, prefix, rib, routes, settings};
use crate::support::{Segment, block_on};

fn protocol(neighbor: &str, asn: u32, more: &str) -> String {
    format!(
        "protocol bgp node {{
  local as {asn};
  neighbor {neighbor};
  connect delay time 1; connect retry time 1; error wait time 1, 2;
  {more}
  ipv4 {{ import all; export none; extended next hop on; }};
  ipv6 {{ import all; export none; }};
}}"
    )
}

async fn shown(bird: &Router<'_>, command: &str, wanted: &str) -> String {
    eventually(wanted, || async { Some(bird.birdc(command).await).filter(|text| text.contains(wanted)) }).await
}

#[test]
fn external_with_md5_ttl_security_and_extended_messages() {
    let segment = Segment::new();
    block_on(async {
        let more = "direct; password \"s3cret\"; ttl security on; enable extended messages on;";
        let bird = Router::bird(&segment, &protocol("10.0.5.1 as 65001", 65020, more)).await;
        let password = Some(Password::new("s3cret").unwrap());
        let target = Target { password, hops: Hops::Secured(1), ..peer("10.0.5.20") };
        let mut speaker = Speaker::dial(config(settings(PeerAs::Given(65020))), target, rib(routes())).await;
        speaker.told().await;
        assert!(speaker.status().await.established.unwrap().0.extended_messages);
        let route = shown(&bird, "show route for 192.0.2.1 all", "BGP.large_community").await;
        for line in [
            "BGP.origin: IGP",
            "BGP.as_path: 65001",
            "BGP.next_hop: 10.0.5.1",
            "BGP.med: 7",
            "BGP.community: (65000,100)",
            "BGP.large_community: (65000, 1, 2)",
        ] {
            assert!(route.contains(line), "{line} in {route}");
        }
        let route = shown(&bird, "show route for 2001:db8::1 all", "BGP.next_hop").await;
        assert!(route.contains("BGP.next_hop: fd00:5::1"), "{route}");
        shown(&bird, "show route count", "51 of 51 routes for 51 networks in table master4").await;
        speaker.rib.update(|table| table.withdraw(prefix("192.0.2.10/32")));
        shown(&bird, "show route count", "50 of 50 routes for 50 networks in table master4").await;
        speaker.rib.update(|table| table.set_draining(true));
        shown(&bird, "show route for 192.0.2.20 all", "BGP.community: (65535,0)").await;
        speaker.end().await;
    });
}

#[test]
fn internal_over_ipv6_with_ipv6_next_hops_for_ipv4() {
    let segment = Segment::new();
    block_on(async {
        let bird = Router::bird(&segment, &protocol("fd00:5::1 as 65001", 65001, "direct;")).await;
        let target = Target { hops: Hops::Ttl(64), ..peer("fd00:5::20") };
        let mut config = config(Settings { extended_next_hop: true, ..settings(PeerAs::Internal) });
        config.own.v4 = None;
        let mut speaker = Speaker::dial(config, target, rib(routes())).await;
        speaker.told().await;
        let route = shown(&bird, "show route for 192.0.2.1 all", "BGP.large_community").await;
        for line in ["BGP.next_hop: fd00:5::1", "BGP.local_pref: 150", "BGP.as_path:"] {
            assert!(route.contains(line), "{line} in {route}");
        }
        speaker.end().await;
    });
}
