//! A process that dies, one that is told to go, and one that hands its session over: what the router makes of it.

use std::process::{Child, Command as Process, Stdio};
use std::time::Duration;

use quorumlb_announcer::bgp::driver::{Config, Released};
use quorumlb_announcer::bgp::session::{GracefulRestart, PeerAs, Settings};
use quorumlb_announcer::boot_now;
use tokio::net::TcpStream;

use crate::frr::peer;
use crate::router::{Router, eventually};
use crate::speaker::{Speaker, config, prefix, rib, routes, settings};
use crate::support::{PATIENCE, Segment, block_on};

const FRR: &str = "router bgp 65020
 bgp router-id 10.0.5.20
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
 neighbor 10.0.5.1 remote-as 65001
 neighbor 10.0.5.1 timers connect 1
 address-family ipv4 unicast
  neighbor 10.0.5.1 activate
 exit-address-family
 address-family ipv6 unicast
  neighbor 10.0.5.1 activate
 exit-address-family";

/// In the environment of [`a_process`]: `1` in the first one, `2` in the one after it.
const ROLE: &str = "BGP_INTEROP_PROCESS";

fn restarting() -> Config {
    let restart = GracefulRestart { restart_time: 60, notification: true, forwarding_preserved: true };
    config(Settings { graceful_restart: Some(restart), ..settings(PeerAs::External) })
}

/// A node's process; what it is killed in the middle of. Run by the test below, in the test's namespace.
#[test]
#[ignore = "run by a_killed_process_is_not_noticed"]
fn a_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    block_on(async {
        let mut config = restarting();
        config.restarted_until = (role == "2").then(|| boot_now() + Duration::from_secs(60));
        let mut routes = routes();
        if role == "2" {
            // One route is gone meanwhile: the router has to drop it at End-of-RIB.
            routes.remove(&prefix("192.0.2.59/32"));
        }
        let mut speaker = Speaker::dial(config, peer("10.0.5.20"), rib(routes)).await;
        speaker.told().await;
        // Its parent kills it; without a parent it ends by itself.
        tokio::time::sleep(PATIENCE * 3).await;
    });
}

fn spawn(role: &str) -> Child {
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.args(["--exact", "restart::a_process", "--ignored", "--nocapture"]).env(ROLE, role);
    process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Routes of ours in the router's kernel.
fn kernel_routes(segment: &Segment) -> usize {
    segment.peer(&["ip", "route", "show", "proto", "bgp"]).lines().count()
}

#[test]
fn a_killed_process_is_not_noticed() {
    let segment = Segment::new();
    block_on(async {
        let frr = Router::frr(&segment, FRR).await;
        let mut first = spawn("1");
        eventually("the routes", || std::future::ready((kernel_routes(&segment) == 51).then_some(()))).await;
        let monitor = Process::new("nsenter")
            .arg(segment.net())
            .args(["ip", "monitor", "route"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut monitor = Killed(monitor);
        first.kill().unwrap();
        first.wait().unwrap();
        eventually("the end of the session", || async {
            let summary = frr.vty("show bgp ipv4 unicast summary json").await;
            (summary["peers"]["10.0.5.1"]["state"] != "Established").then_some(())
        })
        .await;
        assert_eq!(kernel_routes(&segment), 51);
        let mut second = Killed(spawn("2"));
        eventually("the lost route's end", || std::future::ready((kernel_routes(&segment) == 50).then_some(()))).await;
        monitor.0.kill().unwrap();
        let mut seen = String::new();
        std::io::Read::read_to_string(monitor.0.stdout.as_mut().unwrap(), &mut seen).unwrap();
        let gone: Vec<&str> =
            seen.lines().filter(|line| line.starts_with("Deleted") && line.contains("proto bgp")).collect();
        assert!(gone.len() == 1 && gone[0].contains("192.0.2.59"), "{gone:?}");
        second.0.kill().unwrap();
    });
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// As descriptor and bytes, the way that another process gets them.
fn through_bytes(released: Released<TcpStream>) -> Released<TcpStream> {
    let saved = serde_json::to_vec(&released.saved).unwrap();
    let stream = released.stream.into_std().unwrap();
    Released { saved: serde_json::from_slice(&saved).unwrap(), stream: TcpStream::from_std(stream).unwrap() }
}

#[test]
fn a_session_that_is_handed_over_is_not_noticed() {
    let segment = Segment::new();
    block_on(async {
        let frr = Router::frr(&segment, FRR).await;
        let mut speaker = Speaker::dial(restarting(), peer("10.0.5.20"), rib(routes())).await;
        speaker.told().await;
        eventually("the routes", || std::future::ready((kernel_routes(&segment) == 51).then_some(()))).await;
        let before = frr.vty("show bgp neighbors 10.0.5.1 json").await["10.0.5.1"].clone();
        let table = speaker.rib.clone();
        let released = through_bytes(speaker.release().await);
        let saved = serde_json::to_vec(&table.read(|table| table.save())).unwrap();
        let saved = serde_json::from_slice(&saved).unwrap();
        let rib = quorumlb_announcer::bgp::rib::SharedRib::new(quorumlb_announcer::bgp::rib::AdjRibOut::resume(saved));
        let speaker = Speaker::resume(restarting(), peer("10.0.5.20"), rib, released);
        // The new process has computed its routes: one is new, one is gone.
        let mut wanted = routes();
        let plain = wanted.remove(&prefix("192.0.2.10/32")).unwrap();
        wanted.insert(prefix("192.0.2.200/32"), plain);
        speaker.rib.update(|table| table.replace(wanted)).unwrap();
        eventually("the difference", || {
            let routes = segment.peer(&["ip", "route", "show", "proto", "bgp"]);
            std::future::ready((routes.contains("192.0.2.200") && !routes.contains("192.0.2.10 ")).then_some(()))
        })
        .await;
        let after = frr.vty("show bgp neighbors 10.0.5.1 json").await["10.0.5.1"].clone();
        assert_eq!(after["bgpState"], "Established");
        for same in ["connectionsEstablished", "connectionsDropped"] {
            assert_eq!(before[same], after[same], "{same}");
        }
        let updates = |neighbor: &serde_json::Value| neighbor["messageStats"]["updatesRecv"].as_u64().unwrap();
        assert_eq!(updates(&after) - updates(&before), 2, "{after}");
        assert_eq!(speaker.status().await.counters.established, 1);
        speaker.end().await;
    });
}
