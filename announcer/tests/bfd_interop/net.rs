//! The segment of the other tests, with what BFD needs beside it.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use crate::support::{OURS, Segment, run};

/// Our namespace and the peer's.
pub struct Lan {
    segment: Segment,
    peers: File,
}

impl Lan {
    pub fn new() -> Self {
        let segment = Segment::new();
        let peers = segment.at_peer(this_namespace);
        Self { segment, peers }
    }

    /// The option of nsenter for the peer's namespace.
    pub fn net(&self) -> String {
        option(&self.peers)
    }

    /// The peer's kernel drops all BFD, in both directions; the interface stays as it is.
    pub fn cut(&self) {
        let chain =
            |hook| format!("chain {hook} {{ type filter hook {hook} priority 0; udp dport {{ 3784, 4784 }} drop; }}");
        self.segment.peer(&["nft", &format!("table inet cut {{ {}; {}; }}", chain("input"), chain("output"))]);
    }

    /// The peer hears no BFD any more, and goes on to speak it.
    pub fn deafen(&self) {
        let chain = "chain input { type filter hook input priority 0; udp dport { 3784, 4784 } drop; }";
        self.segment.peer(&["nft", &format!("table inet cut {{ {chain}; }}")]);
    }

    pub fn heal(&self) {
        self.segment.peer(&["nft", "delete", "table", "inet", "cut"]);
    }
}

/// A namespace behind the peer's, which forwards.
pub struct Far {
    lan: Lan,
    there: File,
}

impl Far {
    pub fn new() -> Self {
        let lan = Lan::new();
        let there = lan.segment.at_peer(new_namespace);
        let far = Self { lan, there };
        far.connect();
        far
    }

    fn connect(&self) {
        let segment = &self.lan.segment;
        let there = format!("/proc/{}/fd/{}", std::process::id(), self.there.as_raw_fd());
        let near = ["ip", "link", "add", "far0", "type", "veth", "peer", "name", "near0", "netns", &there];
        segment.peer(&near);
        for setting in ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"] {
            segment.peer(&["sysctl", "-qw", setting]);
        }
        for (address, dev) in [("10.0.6.1/24", "far0"), ("fd00:6::1/64", "far0")] {
            segment.peer(&[&["ip", "addr", "add", address, "dev", dev][..], nodad(address)].concat());
        }
        segment.peer(&["ip", "link", "set", "far0", "up"]);
        for address in ["10.0.6.2/24", "fd00:6::2/64"] {
            self.at(&[&["ip", "addr", "add", address, "dev", "near0"][..], nodad(address)].concat());
        }
        self.at(&["ip", "link", "set", "near0", "up"]);
        self.at(&["ip", "route", "add", "default", "via", "10.0.6.1"]);
        self.at(&["ip", "-6", "route", "add", "default", "via", "fd00:6::1"]);
        run(&["ip", "route", "add", "10.0.6.0/24", "via", "10.0.5.20", "dev", OURS]);
        run(&["ip", "-6", "route", "add", "fd00:6::/64", "via", "fd00:5::20", "dev", OURS]);
    }

    /// The option of nsenter for the namespace.
    pub fn net(&self) -> String {
        option(&self.there)
    }

    /// Sends the first packet of a single hop session, with TTL 255, as the daemons would not over a router.
    pub fn send_first_word(&self, from: &str, to: &str) {
        let socket = self.lan.segment.at_peer(|| {
            enter(&self.there);
            UdpSocket::bind(SocketAddr::new(from.parse().unwrap(), 50_000)).unwrap()
        });
        socket.set_ttl(255).unwrap();
        let mut packet = [0; 24];
        packet[..8].copy_from_slice(&[0x20, 0x40, 3, 24, 0, 0, 0, 7]);
        packet[12..20].copy_from_slice(&[0, 0x0f, 0x42, 0x40, 0, 0x0f, 0x42, 0x40]);
        socket.send_to(&packet, SocketAddr::new(to.parse().unwrap(), 3784)).unwrap();
    }

    fn at(&self, command: &[&str]) {
        let net = self.net();
        run(&[&["nsenter", net.as_str()], command].concat());
    }
}

/// No duplicate detection, which would hold an address back.
fn nodad(address: &str) -> &'static [&'static str] {
    if address.contains(':') { &["nodad"] } else { &[] }
}

fn option(namespace: &File) -> String {
    format!("--net=/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd())
}

fn this_namespace() -> File {
    File::open("/proc/thread-self/ns/net").unwrap()
}

#[expect(unsafe_code, reason = "unshare can part descriptor tables")]
fn new_namespace() -> File {
    // SAFETY: only the network namespace is parted, no descriptor table.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("these tests run as root");
    this_namespace()
}

fn enter(namespace: &File) {
    use std::os::fd::AsFd;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}
