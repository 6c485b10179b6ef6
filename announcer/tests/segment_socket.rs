//! The raw socket against a peer's kernel and programs, over a veth pair.

mod support;

use std::net::Ipv6Addr;
use std::time::Duration;

use pnet_datalink::{Channel, Config, DataLinkSender, NetworkInterface};
use quorumlb_announcer::ndp::packet::solicited_node;
use quorumlb_announcer::segment::Output;
use quorumlb_announcer::socket::{JoinError, Loss, OpenError, Sent};
use quorumlb_announcer::{Fence, MacAddr, SegmentSocket, arp, boot_now};
use support::{OURS, PEERS, Segment, Speaker, block_on, heard_now, is_send, run, soon};

const SERVICE: &str = "10.0.5.100";
const SERVICE_V6: &str = "fd00:5::100";
const NOTHING: [Vec<u8>; 0] = [];
const STATION: MacAddr = MacAddr(2, 0, 0, 0, 0, 0x20);

fn arping(count: &'static str) -> [&'static str; 8] {
    ["arping", "-c", count, "-w", "2", "-I", PEERS, SERVICE]
}

/// A request for the service from a station that is not the peer itself.
fn request() -> Vec<u8> {
    request_from(STATION)
}

fn request_from(mac: MacAddr) -> Vec<u8> {
    use arp::packet::{ArpMessage, Operation};
    ArpMessage {
        operation: Operation::Request,
        sender_mac: mac,
        sender: [10, 0, 5, 21].into(),
        target_mac: MacAddr::zero(),
        target: SERVICE.parse().unwrap(),
    }
    .build(mac, MacAddr::broadcast())
}

/// Sends any frame from the peer.
fn peer_sender(segment: &Segment) -> Box<dyn DataLinkSender> {
    segment.at_peer(|| {
        let socket = SegmentSocket::open(PEERS).unwrap();
        let (name, index) = (PEERS.to_owned(), socket.index());
        let interface = NetworkInterface { name, description: String::new(), index, mac: None, ips: vec![], flags: 0 };
        match pnet_datalink::channel(&interface, Config { promiscuous: false, ..Config::default() }).unwrap() {
            Channel::Ethernet(sender, _) => sender,
            _ => panic!("not Ethernet"),
        }
    })
}

#[test]
fn an_arp_request_is_answered_while_the_fence_is_open() {
    let segment = Segment::new();
    block_on(async {
        let mut speaker = Speaker::new();
        speaker.own(SERVICE);
        let closed = speaker.serve_until(segment.peer_beside(&arping("1"))).await;
        assert!(!closed.status.success(), "answered with the fence closed: {closed:?}");
        assert!(speaker.responder.counters().fenced > 0, "the requests were heard");

        speaker.open_fence();
        let open = speaker.serve_until(segment.peer_beside(&arping("2"))).await;
        assert!(open.status.success(), "{open:?}");
        let text = String::from_utf8(open.stdout).unwrap().to_lowercase();
        assert!(text.contains(&speaker.socket.mac().to_string()), "{text}");

        speaker.responder.fence(Fence::Closed);
        let closed = speaker.serve_until(segment.peer_beside(&arping("1"))).await;
        assert!(!closed.status.success(), "answered with the fence closed again: {closed:?}");
    });
}

#[test]
fn a_solicitation_of_the_peers_kernel_is_answered() {
    let segment = Segment::new();
    block_on(async {
        let mut speaker = Speaker::new();
        speaker.own(SERVICE_V6);
        let ndisc = ["ndisc6", "-1", "-r", "2", "-w", "500", SERVICE_V6, PEERS];
        let closed = speaker.serve_until(segment.peer_beside(&ndisc)).await;
        assert!(!closed.status.success(), "answered with the fence closed: {closed:?}");
        speaker.open_fence();
        let open = speaker.serve_until(segment.peer_beside(&ndisc)).await;
        assert!(open.status.success(), "{open:?}");

        // The peer's own kernel, too. Nobody holds the address, so the ping itself fails.
        speaker.serve_until(segment.peer_beside(&["ping", "-6", "-c", "1", "-W", "1", SERVICE_V6])).await;
        let neighbours = segment.peer(&["ip", "-6", "neigh", "show", SERVICE_V6, "dev", PEERS]);
        assert!(neighbours.contains(&speaker.socket.mac().to_string()), "{neighbours}");
    });
}

#[test]
fn other_traffic_does_not_wake_the_socket() {
    let segment = Segment::new();
    block_on(async {
        // What the kernels need to know of each other is known before the socket is there.
        segment.peer(&["ping", "-c", "1", "-W", "2", "10.0.5.1"]);
        segment.peer(&["ping", "-c", "1", "-W", "2", "fd00:5::1"]);
        let (our_mac, socket) = {
            let socket = SegmentSocket::open(OURS).unwrap();
            (socket.mac().to_string(), socket)
        };
        for address in ["10.0.5.1", "fd00:5::1"] {
            segment.peer(&["ip", "neigh", "replace", address, "lladdr", &our_mac, "nud", "permanent", "dev", PEERS]);
        }
        let peers_mac = segment.at_peer(|| SegmentSocket::open(PEERS).unwrap().mac().to_string());
        for address in ["10.0.5.20", "fd00:5::20"] {
            run(&["ip", "neigh", "replace", address, "lladdr", &peers_mac, "nud", "permanent", "dev", OURS]);
        }
        while !heard_now(&socket).await.is_empty() {}

        segment.peer(&["ping", "-c", "20", "-i", "0.01", "-W", "2", "10.0.5.1"]);
        segment.peer(&["ping", "-c", "20", "-i", "0.01", "-W", "2", "fd00:5::1"]);
        assert_eq!(heard_now(&socket).await, NOTHING, "pings woke the socket");

        let mut sender = peer_sender(&segment);
        let mut send = |frame: &[u8]| sender.send_to(frame, None).unwrap().unwrap();
        let mut tagged = request();
        tagged.splice(12..12, [0x81, 0x00, 0x00, 0x07]);
        send(&tagged);
        let mut elsewhere = request();
        elsewhere[..6].copy_from_slice(&[2, 0, 0, 0, 0, 0x99]);
        send(&elsewhere);
        assert_eq!(heard_now(&socket).await, NOTHING, "a frame of another VLAN or for another station woke the socket");

        // What the node itself sends is not heard either.
        run(&["arping", "-c", "1", "-w", "1", "-U", "-I", OURS, "10.0.5.1"]);
        assert_eq!(heard_now(&socket).await, NOTHING, "the node's own announcement woke the socket");

        let mut priority = request();
        priority.splice(12..12, [0x81, 0x00, 0x60, 0x00]);
        send(&priority);
        send(&request());
        let mut heard = Vec::new();
        while heard.len() < 2 {
            soon("a request", socket.recv_batch(8, |frame| heard.push(frame.to_vec()))).await.unwrap();
        }
        assert_eq!(heard, [request(), request()], "the priority tag is taken off");
        assert_eq!(socket.kernel_drops().unwrap(), 0);
    });
}

#[test]
fn questions_that_waited_are_answered_by_the_fence_of_the_moment_of_sending() {
    let segment = Segment::new();
    block_on(async {
        let mut speaker = Speaker::new();
        speaker.own(SERVICE);
        speaker.open_fence();
        let observer = segment.at_peer(|| SegmentSocket::open(PEERS).unwrap());
        let mut sender = peer_sender(&segment);
        for _ in 0..3 {
            sender.send_to(&request_from(observer.mac()), None).unwrap().unwrap();
        }

        // The first is read and answered on paper while the fence is open, and sent when it has closed.
        let mut buffer = [0; 2048];
        let length = soon("a request", speaker.socket.recv(&mut buffer)).await.unwrap();
        let outputs = speaker.responder.handle(&buffer[..length], boot_now());
        assert!(matches!(outputs[..], [Output::Send(_)]), "{outputs:?}");
        speaker.responder.fence(Fence::ValidUntil(boot_now()));
        assert_eq!(speaker.act(outputs), [Sent::HeldBack]);

        // The second waited in the kernel while the fence closed.
        let length = soon("a request", speaker.socket.recv(&mut buffer)).await.unwrap();
        assert!(speaker.responder.handle(&buffer[..length], boot_now()).is_empty());
        assert_eq!(heard_now(&observer).await, NOTHING, "an answer left behind a closed fence");

        // The third finds it open again.
        speaker.open_fence();
        let length = soon("a request", speaker.socket.recv(&mut buffer)).await.unwrap();
        let outputs = speaker.responder.handle(&buffer[..length], boot_now());
        assert_eq!(speaker.act(outputs), [Sent::Sent]);
        let answers = heard_now(&observer).await;
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(speaker.responder.counters().answered, 2);
    });
}

#[test]
fn what_nobody_reads_is_dropped_and_counted() {
    let segment = Segment::new();
    block_on(async {
        let socket = SegmentSocket::open(OURS).unwrap();
        is_send(&socket);
        let mut sender = peer_sender(&segment);
        let mut sent = 0u64;
        while socket.kernel_drops().unwrap() == 0 {
            assert!(sent < 100_000, "the queue has no bound");
            sender
                .build_and_send(50, request().len(), &mut |frame| frame.copy_from_slice(&request()))
                .unwrap()
                .unwrap();
            sent += 50;
        }
        let mut heard = 0;
        while heard + socket.kernel_drops().unwrap() < sent {
            heard += soon("a queued request", is_send(socket.recv_batch(64, |_| ()))).await.unwrap() as u64;
        }
        assert!(heard >= 1000, "only {heard} fit into the queue");
        assert_eq!(heard + socket.kernel_drops().unwrap(), sent);
    });
}

#[test]
fn groups_are_joined_by_the_hundred_and_left() {
    let _segment = Segment::new();
    block_on(async {
        // More than one holder has room for, at the option memory that kernels come with.
        let socket = SegmentSocket::open(OURS).unwrap();
        let joined = |of: &str| run(&["ip", "maddr", "show", "dev", OURS]).matches(of).count();
        let (link_before, inet6_before) = (joined("link"), joined("inet6"));
        let groups: Vec<Ipv6Addr> = (0..4000u128)
            .map(|number| solicited_node(Ipv6Addr::from_bits((0xfd00 << 112) + number + 0x10_0000)))
            .collect();
        for &group in &groups {
            socket.join(group).unwrap();
        }
        socket.join(groups[0]).unwrap();
        assert_eq!(joined("inet6") - inet6_before, groups.len());
        let details = run(&["ip", "-d", "link", "show", OURS]);
        assert!(details.contains("allmulti 1"), "{details}");
        for &group in &groups {
            socket.leave(group).unwrap();
        }
        socket.leave(groups[0]).unwrap();
        assert_eq!((joined("link"), joined("inet6")), (link_before, inet6_before));
        let details = run(&["ip", "-d", "link", "show", OURS]);
        assert!(details.contains("allmulti 0"), "{details}");
    });
}

#[test]
fn without_ipv6_a_group_is_refused_with_the_setting_to_change() {
    let _segment = Segment::new();
    block_on(async {
        let socket = SegmentSocket::open(OURS).unwrap();
        std::fs::write("/proc/sys/net/ipv6/conf/net0/disable_ipv6", "1").unwrap();
        let error = socket.join("ff02::1:ff00:1".parse().unwrap()).unwrap_err();
        assert!(matches!(error, JoinError::Ipv6Disabled { .. }), "{error}");
        assert!(error.to_string().contains("net.ipv6.conf.net0.disable_ipv6"), "{error}");
    });
}

#[test]
fn what_cannot_be_opened_says_why() {
    let _segment = Segment::new();
    block_on(async {
        let error = SegmentSocket::open("nowhere").unwrap_err();
        assert!(matches!(error, OpenError::NoSuchInterface { .. }), "{error}");
        let error = SegmentSocket::open("a-name-that-is-far-too-long").unwrap_err();
        assert!(matches!(error, OpenError::NoSuchInterface { .. }), "{error}");
        let error = SegmentSocket::open("lo").unwrap_err();
        assert!(matches!(error, OpenError::NotEthernet { hardware: 772, .. }), "{error}");
    });
}

#[test]
fn an_interface_that_went_down_or_away_is_told() {
    let segment = Segment::new();
    block_on(async {
        let mut speaker = Speaker::new();
        speaker.own(SERVICE);
        speaker.open_fence();
        run(&["ip", "link", "set", OURS, "down"]);
        let mut buffer = [0; 2048];
        let error = loop {
            if let Err(error) = soon("the loss", speaker.socket.recv(&mut buffer)).await {
                break error;
            }
        };
        assert_eq!(speaker.socket.loss(&error), Some(Loss::Down), "{error}");

        // Up again, the same socket works on.
        run(&["ip", "link", "set", OURS, "up"]);
        let answer = speaker.serve_until(segment.peer_beside(&arping("1"))).await;
        assert!(answer.status.success(), "{answer:?}");

        let outputs = speaker.responder.poll(boot_now() + Duration::from_secs(1));
        run(&["ip", "link", "del", OURS]);
        let error = loop {
            if let Err(error) = soon("the loss", speaker.socket.recv(&mut buffer)).await {
                break error;
            }
        };
        assert_eq!(speaker.socket.loss(&error), Some(Loss::Gone), "{error}");
        let Some(Output::Send(frame)) = outputs.into_iter().next() else { panic!("no announcement was due") };
        let error = speaker.socket.send(&frame).unwrap_err();
        assert_eq!(speaker.socket.loss(&error), Some(Loss::Gone), "{error}");
    });
}
