//! GoBGP.

use quorumlb_announcer::bgp::session::PeerAs;
use quorumlb_announcer::bgp::transport::{Password, Target};

use crate::frr::peer;
use crate::router::{Router, eventually};
use crate::speaker::{Speaker, config, prefix, rib, routes, settings};
use crate::support::{Segment, block_on};

const CONFIGURATION: &str = r#"
[global.config]
  as = 65020
  router-id = "10.0.5.20"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.5.1"
    peer-as = 65001
    auth-password = "s3cret"
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
"#;

#[test]
fn external_with_md5_and_both_families() {
    let segment = Segment::new();
    block_on(async {
        let gobgp = Router::gobgp(&segment, CONFIGURATION);
        let target = Target { password: Some(Password::new("s3cret").unwrap()), ..peer("10.0.5.20") };
        let mut speaker = Speaker::dial(config(settings(PeerAs::Any)), target, rib(routes())).await;
        speaker.told().await;
        assert_eq!(speaker.status().await.established.unwrap().0.peer_as, 65020);
        let count = |wanted: usize| {
            let gobgp = &gobgp;
            eventually("the routes", move || async move {
                let routes = gobgp.gobgp_json("global rib -a ipv4").await;
                routes.as_object().filter(|routes| routes.len() == wanted).cloned()
            })
        };
        let found = count(51).await;
        let attributes = found["192.0.2.1/32"][0]["attrs"].to_string();
        for part in [
            r#"{"type":1,"value":0}"#,
            r#"{"nexthop":"10.0.5.1","type":3}"#,
            r#"{"metric":7,"type":4}"#,
            &format!(r#"{{"communities":[{}],"type":8}}"#, 65000u32 << 16 | 100),
            r#""type":32"#,
        ] {
            assert!(attributes.contains(part), "{part} in {attributes}");
        }
        let found = gobgp.gobgp_json("global rib -a ipv6").await;
        assert!(found["2001:db8::1/128"].to_string().contains("fd00:5::1"), "{found}");
        speaker.rib.update(|table| table.withdraw(prefix("192.0.2.10/32")));
        count(50).await;
        speaker.end().await;
    });
}
