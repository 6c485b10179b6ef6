//! ExaBGP.

use quorumlb_announcer::bgp::session::PeerAs;
use serde_json::Value;

use crate::frr::peer;
use crate::router::{Router, eventually};
use crate::speaker::{Speaker, config, prefix, rib, routes, settings};
use crate::support::{Segment, block_on};

const NEIGHBOR: &str = "neighbor 10.0.5.1 {
  router-id 10.0.5.20;
  local-address 10.0.5.20;
  local-as 65020;
  peer-as 65001;
  passive true;
  listen 179;
  family { ipv4 unicast; ipv6 unicast; }
  api { processes [ heard ]; receive { parsed; update; } }
}
";

/// The UPDATEs in which a prefix is announced or withdrawn.
fn updates<'a>(heard: &'a [Value], action: &str, prefix: &str) -> Vec<&'a Value> {
    let updates = heard.iter().map(|message| &message["neighbor"]["message"]["update"]);
    updates.filter(|update| update[action].to_string().contains(prefix)).collect()
}

#[test]
fn external_with_both_families() {
    let segment = Segment::new();
    block_on(async {
        let exabgp = Router::exabgp(&segment, NEIGHBOR);
        let mut speaker = Speaker::dial(config(settings(PeerAs::Given(65020))), peer("10.0.5.20"), rib(routes())).await;
        speaker.told().await;
        let update = eventually("the route", || async {
            updates(&exabgp.heard(), "announce", "\"192.0.2.1/32\"").first().map(|update| Value::clone(update))
        })
        .await;
        let attribute = &update["attribute"];
        assert_eq!((&attribute["origin"], &attribute["med"]), (&"igp".into(), &7.into()), "{update}");
        assert_eq!(attribute["as-path"].to_string(), "[65001]");
        assert_eq!(attribute["community"].to_string(), "[[65000,100]]");
        assert_eq!(attribute["large-community"].to_string(), "[[65000,1,2]]");
        eventually("the IPv6 route", || async {
            let heard = exabgp.heard();
            let updates = updates(&heard, "announce", "2001:db8::1/128");
            updates.iter().any(|update| update.to_string().contains("fd00:5::1")).then_some(())
        })
        .await;
        speaker.rib.update(|table| table.withdraw(prefix("192.0.2.10/32")));
        eventually("the withdrawal", || async {
            (!updates(&exabgp.heard(), "withdraw", "192.0.2.10/32").is_empty()).then_some(())
        })
        .await;
        speaker.end().await;
    });
}
