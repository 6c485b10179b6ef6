//! The interfaces of a namespace, followed while they change.

mod support;

use std::fmt::Write as _;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use quorumlb_announcer::{Link, LinkWatch};
use support::{OURS, PEERS, Segment, block_on, is_send, run, soon};

fn find<'a>(links: &'a [Link], name: &str) -> Option<&'a Link> {
    links.iter().find(|link| link.name == name)
}

/// Waits until the interfaces are as wanted.
async fn until(watch: &mut LinkWatch, what: &str, wanted: impl Fn(&[Link]) -> bool) {
    soon(what, async {
        while !wanted(watch.links()) {
            is_send(watch.changed()).await.unwrap();
        }
    })
    .await;
}

fn addresses(links: &[Link], name: &str) -> Vec<String> {
    let link = find(links, name).unwrap();
    link.addresses.iter().map(|(address, prefix)| format!("{address}/{prefix}")).collect()
}

#[test]
fn carrier_addresses_and_interfaces_are_followed() {
    let segment = Segment::new();
    block_on(async {
        let mut watch = LinkWatch::open().await.unwrap();
        let net0 = find(watch.links(), OURS).unwrap();
        assert!(net0.up && net0.ethernet && net0.mac.is_some() && !net0.loopback && net0.master.is_none(), "{net0:?}");
        assert_eq!(addresses(watch.links(), OURS), ["10.0.5.1/24", "fd00:5::1/64", "fe80::1/64"]);
        let lo = find(watch.links(), "lo").unwrap();
        assert!(lo.up && lo.loopback && !lo.ethernet && lo.mac.is_none(), "{lo:?}");

        // The carrier goes with the other end, while the interface stays set up.
        segment.peer(&["ip", "link", "set", PEERS, "down"]);
        until(&mut watch, "the loss of the carrier", |links| !find(links, OURS).unwrap().up).await;
        segment.peer(&["ip", "link", "set", PEERS, "up"]);
        until(&mut watch, "the carrier", |links| find(links, OURS).unwrap().up).await;
        run(&["ip", "link", "set", OURS, "down"]);
        until(&mut watch, "the interface's being set down", |links| !find(links, OURS).unwrap().up).await;
        run(&["ip", "link", "set", OURS, "up"]);
        until(&mut watch, "the carrier", |links| find(links, OURS).unwrap().up).await;

        run(&["ip", "addr", "add", "10.0.6.1/25", "dev", OURS]);
        until(&mut watch, "an address", |links| addresses(links, OURS).contains(&"10.0.6.1/25".into())).await;
        run(&["ip", "addr", "del", "10.0.5.1/24", "dev", OURS]);
        until(&mut watch, "an address's end", |links| !addresses(links, OURS).contains(&"10.0.5.1/24".into())).await;

        run(&["ip", "link", "add", "br0", "type", "bridge"]);
        run(&["ip", "link", "set", OURS, "master", "br0"]);
        until(&mut watch, "the bridge's port", |links| {
            let bridge = find(links, "br0").map(|link| link.index);
            bridge.is_some() && find(links, OURS).unwrap().master == bridge
        })
        .await;
        run(&["ip", "link", "set", OURS, "nomaster"]);
        until(&mut watch, "the port's leaving", |links| find(links, OURS).unwrap().master.is_none()).await;

        run(&["ip", "link", "set", OURS, "down"]);
        run(&["ip", "link", "set", OURS, "name", "uplink"]);
        until(&mut watch, "the new name", |links| find(links, "uplink").is_some() && find(links, OURS).is_none()).await;
        run(&["ip", "link", "del", "uplink"]);
        until(&mut watch, "the interface's end", |links| find(links, "uplink").is_none()).await;
    });
}

#[test]
fn a_lost_carrier_is_seen_before_the_kernel_tells_of_it() {
    let segment = Segment::new();
    block_on(async {
        let mut watch = LinkWatch::open().await.unwrap();
        let index = find(watch.links(), OURS).unwrap().index;
        // From the second round on, the kernel holds the news back.
        for round in 0..3 {
            until(&mut watch, "the carrier", |links| find(links, OURS).unwrap().up).await;
            segment.peer(&["ip", "link", "set", PEERS, "down"]);
            let links = is_send(watch.look(&[index])).await.unwrap().expect("a change");
            assert!(!find(links, OURS).unwrap().up, "round {round}");
            segment.peer(&["ip", "link", "set", PEERS, "up"]);
        }
        until(&mut watch, "the carrier", |links| find(links, OURS).unwrap().up).await;
        assert!(watch.look(&[index]).await.unwrap().is_none());
        run(&["ip", "link", "del", OURS]);
        let links = watch.look(&[index]).await.unwrap().expect("a change");
        assert!(find(links, OURS).is_none());
        assert!(watch.look(&[index]).await.unwrap().is_none());
    });
}

#[test]
fn what_changed_while_nobody_looked_is_caught_up_with() {
    let _segment = Segment::new();
    block_on(async {
        let mut watch = LinkWatch::open().await.unwrap();
        // Far more than the socket's buffer holds: the kernel drops the rest, with the removals at the end.
        let all: Vec<IpAddr> = (0..4000u32).map(|number| IpAddr::V4((0x0a09_0000 + number).into())).collect();
        let mut lines = String::new();
        for verb in ["add", "del"] {
            for address in &all[usize::from(verb == "del")..] {
                writeln!(lines, "addr {verb} {address}/32 dev {OURS}").unwrap();
            }
        }
        let mut batch = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut batch.stdin.take().unwrap(), lines.as_bytes()).unwrap();
        assert!(batch.wait().unwrap().success());

        let want = ["10.0.5.1/24", "10.9.0.0/32", "fd00:5::1/64", "fe80::1/64"];
        until(&mut watch, "what is left", |links| addresses(links, OURS) == want).await;
        run(&["ip", "addr", "del", "10.9.0.0/32", "dev", OURS]);
        until(&mut watch, "a later change", |links| addresses(links, OURS).len() == 3).await;
    });
}
