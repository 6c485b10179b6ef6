//! Addresses on the loopback interface, and what the kernel itself says of them on the segment.

mod support;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use quorumlb_announcer::Holder;
use quorumlb_announcer::hold::HoldError;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use support::{PEERS, Segment, Speaker, block_on, is_send, run};

const SERVICE: &str = "10.0.5.100";
const SERVICE_V6: &str = "fd00:5::100";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn prepared() -> Holder {
    let mut holder = Holder::open().await.unwrap();
    is_send(holder.prepare()).await.unwrap();
    holder
}

fn arping(address: &str) -> [&str; 8] {
    ["arping", "-c", "1", "-w", "1", "-I", PEERS, address]
}

#[test]
fn the_kernel_says_nothing_of_held_addresses() {
    let segment = Segment::new();
    block_on(async {
        run(&["ip", "addr", "add", "10.0.5.101/32", "dev", "lo"]);
        assert!(segment.try_peer(&arping("10.0.5.101")).status.success(), "this is what a kernel does by itself");

        let mut holder = Holder::open().await.unwrap();
        let told = holder.prepare().await.unwrap();
        let want = ["net.ipv4.conf.all.arp_ignore = 1 (was 0)", "net.ipv4.conf.all.arp_announce = 2 (was 0)"];
        assert_eq!(told.changed, want);
        assert!(holder.prepare().await.unwrap().changed.is_empty());
        assert!(holder.add(&[ip(SERVICE), ip(SERVICE_V6)]).await.unwrap().is_empty());
        for address in [SERVICE, "10.0.5.101"] {
            let answer = segment.try_peer(&arping(address));
            assert!(!answer.status.success(), "the kernel answered for {address}: {answer:?}");
        }
        let answer = segment.try_peer(&["ndisc6", "-1", "-r", "1", "-w", "300", SERVICE_V6, PEERS]);
        assert!(!answer.status.success(), "the kernel answered for {SERVICE_V6}: {answer:?}");
        assert!(segment.try_peer(&arping("10.0.5.1")).status.success(), "its own address is answered for as ever");
    });
}

#[test]
fn a_held_address_is_reached_where_the_responder_answers_for_it() {
    let segment = Segment::new();
    block_on(async {
        let mut holder = prepared().await;
        assert!(holder.add(&[ip(SERVICE), ip(SERVICE_V6)]).await.unwrap().is_empty());
        let mut speaker = Speaker::new();
        speaker.own(SERVICE);
        speaker.own(SERVICE_V6);
        speaker.open_fence();
        for address in [SERVICE, SERVICE_V6] {
            let ping =
                speaker.serve_until(segment.peer_beside(&["ping", "-c", "3", "-i", "0.05", "-W", "2", address])).await;
            assert!(ping.status.success(), "{ping:?}");
        }
        // The node asks for the peer while it answers: never in the name of the service.
        run(&["ip", "neigh", "flush", "all"]);
        run(&["ping", "-c", "1", "-W", "2", "-I", SERVICE, "10.0.5.20"]);
        let known = segment.peer(&["ip", "neigh", "show", "dev", PEERS]);
        assert!(known.contains("10.0.5.1 "), "the peer was not asked by the interface's own address: {known}");

        assert!(holder.remove(&[ip(SERVICE)]).await.unwrap().is_empty());
        let ping = speaker.serve_until(segment.peer_beside(&["ping", "-c", "1", "-W", "1", SERVICE])).await;
        assert!(!ping.status.success(), "reached after its end: {ping:?}");
    });
}

#[test]
fn what_is_not_ours_is_never_removed() {
    let _segment = Segment::new();
    block_on(async {
        run(&["ip", "addr", "add", "10.0.5.102/32", "dev", "lo"]);
        run(&["ip", "addr", "add", "fd00:5::102/128", "dev", "lo"]);
        let theirs = [ip("10.0.5.102"), ip("fd00:5::102")];
        let mut holder = prepared().await;
        assert!(holder.add(&theirs).await.unwrap().is_empty());
        assert!(is_send(holder.add(&theirs)).await.unwrap().is_empty());
        assert!(holder.leftovers().await.unwrap().is_empty());
        assert!(is_send(holder.remove(&theirs)).await.unwrap().is_empty());
        assert!(holder.remove(&[ip("127.0.0.1"), ip("::1"), ip("10.0.5.1"), ip("10.9.9.9")]).await.unwrap().is_empty());
        let left = run(&["ip", "-o", "addr", "show", "dev", "lo"]);
        for address in ["127.0.0.1/8", "::1/128", "10.0.5.102/32", "fd00:5::102/128"] {
            assert!(left.contains(address), "{address} was removed: {left}");
        }
        let refused = holder.add(&[ip("127.0.0.9"), ip("224.0.0.5"), ip(SERVICE)]).await.unwrap();
        assert_eq!(
            refused.iter().map(|refused| refused.address).collect::<Vec<_>>(),
            [ip("127.0.0.9"), ip("224.0.0.5")]
        );
    });
}

#[test]
fn what_a_killed_process_left_behind_is_found() {
    let _segment = Segment::new();
    block_on(async {
        let all = [ip(SERVICE), ip("10.0.5.120"), ip(SERVICE_V6)];
        let mut holder = prepared().await;
        assert!(holder.add(&all).await.unwrap().is_empty());
        assert!(holder.add(&all).await.unwrap().is_empty(), "the same again");
        // A killed process closes its sockets and does nothing else.
        drop(holder);

        // And one that ran on a kernel that keeps no protocol of an address.
        run(&["ip", "addr", "add", "10.0.5.103/32", "dev", "lo", "metric", "5327938"]);
        let mut holder = Holder::open().await.unwrap();
        let left = holder.leftovers().await.unwrap();
        assert_eq!(left, [ip(SERVICE), ip("10.0.5.103"), ip("10.0.5.120"), ip(SERVICE_V6)]);
        assert!(holder.remove(&left).await.unwrap().is_empty());
        assert!(holder.remove(&left).await.unwrap().is_empty(), "the same again");
        assert!(holder.leftovers().await.unwrap().is_empty());
        assert!(!run(&["ip", "-o", "addr", "show", "dev", "lo"]).contains("10.0.5."));
    });
}

#[test]
fn thousands_are_held_and_let_go() {
    let _segment = Segment::new();
    block_on(async {
        let v4 = (0..2000).map(|number| IpAddr::V4(Ipv4Addr::from_bits(0x0a05_0000 + number)));
        let v6 = (0..2000).map(|number| IpAddr::V6(Ipv6Addr::from_bits((0xfd00_0005 << 96) + 0x1000 + number)));
        let all: Vec<IpAddr> = v4.chain(v6).collect();
        let mut holder = prepared().await;
        assert!(holder.add(&all).await.unwrap().is_empty());
        assert_eq!(holder.leftovers().await.unwrap(), all);
        assert!(holder.remove(&all).await.unwrap().is_empty());
        assert!(holder.leftovers().await.unwrap().is_empty());
    });
}

#[test]
fn nothing_is_held_before_the_settings_are_right() {
    let _segment = Segment::new();
    block_on(async {
        let mut holder = Holder::open().await.unwrap();
        assert!(matches!(holder.add(&[ip(SERVICE)]).await, Err(HoldError::NotPrepared)));
        run(&["ip", "link", "set", "lo", "down"]);
        assert!(matches!(holder.prepare().await, Err(HoldError::LoopbackDown)));
        run(&["ip", "link", "set", "lo", "up"]);

        make_settings_read_only();
        let text = holder.prepare().await.unwrap_err().to_string();
        assert!(text.contains("set the sysctl net.ipv4.conf.all.arp_ignore=1"), "{text}");
        assert!(text.contains("Read-only"), "{text}");
        assert!(matches!(holder.add(&[ip(SERVICE)]).await, Err(HoldError::NotPrepared)));
        assert!(holder.leftovers().await.unwrap().is_empty());
    });
}

/// As in a container that is not privileged, for this thread alone.
#[expect(unsafe_code, reason = "unshare can part descriptor tables")]
fn make_settings_read_only() {
    // SAFETY: only the mounts are parted, no descriptor table.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
    run(&["mount", "--make-rprivate", "/"]);
    run(&["mount", "--bind", "/proc/sys", "/proc/sys"]);
    run(&["mount", "-o", "remount,bind,ro", "/proc/sys"]);
}
