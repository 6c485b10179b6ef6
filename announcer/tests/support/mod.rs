//! Two network namespaces joined by a veth pair. They have no names and live as long as the descriptors on them, so nothing
//! is left behind however a test ends.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Command, Output};
use std::time::Duration;

use quorumlb_announcer::segment::{Output as Act, Responder, Settings};
use quorumlb_announcer::socket::Sent;
use quorumlb_announcer::{Fence, SegmentSocket, boot_now};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use tokio::time;

/// Our interface, in the namespace of the test.
pub const OURS: &str = "net0";
/// The other end, in the peer's namespace.
pub const PEERS: &str = "peer0";
/// A bound on waiting for what must come. It fails a test, it never makes one pass.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The peer's namespace. The test's own thread is in ours.
pub struct Segment {
    ours: File,
    peers: File,
}

impl Segment {
    /// Moves the calling thread into a new namespace, joined by a veth pair to another new one. `net0` is 10.0.5.1/24 and
    /// fd00:5::1/64, `peer0` is 10.0.5.20/24 and fd00:5::20/64.
    pub fn new() -> Self {
        let peers = enter_new();
        let ours = enter_new();
        let segment = Self { ours, peers };
        let there = format!("/proc/{}/fd/{}", std::process::id(), segment.peers.as_raw_fd());
        run(&["ip", "link", "add", OURS, "type", "veth", "peer", "name", PEERS, "netns", &there]);
        // Link-local addresses by hand: duplicate detection would make traffic at moments of its own.
        run(&["ip", "link", "set", OURS, "addrgenmode", "none"]);
        segment.peer(&["ip", "link", "set", PEERS, "addrgenmode", "none"]);
        for arguments in [
            &["addr", "add", "10.0.5.1/24", "dev", OURS][..],
            &["link", "set", "lo", "up"],
            &["link", "set", OURS, "up"],
        ] {
            run(&[&["ip"], arguments].concat());
        }
        for (ours, peers) in [("fd00:5::1/64", "fd00:5::20/64"), ("fe80::1/64", "fe80::20/64")] {
            run(&["ip", "addr", "add", ours, "dev", OURS, "nodad"]);
            segment.peer(&["ip", "addr", "add", peers, "dev", PEERS, "nodad"]);
        }
        segment.peer(&["ip", "addr", "add", "10.0.5.20/24", "dev", PEERS]);
        segment.peer(&["ip", "link", "set", "lo", "up"]);
        segment.peer(&["ip", "link", "set", PEERS, "up"]);
        segment.await_links();
        segment
    }

    /// Waits until both ends have seen their carrier: only then do they have a route to IPv6 groups.
    fn await_links(&self) {
        let routes = |dev| ["ip", "-6", "route", "show", "table", "local", "ff00::/8", "dev", dev];
        let start = time::Instant::now();
        while run(&routes(OURS)).is_empty() || self.peer(&routes(PEERS)).is_empty() {
            assert!(start.elapsed() < PATIENCE, "the veth pair did not come up");
        }
    }

    /// Runs a command in the peer's namespace; it must succeed.
    pub fn peer(&self, command: &[&str]) -> String {
        let output = self.try_peer(command);
        assert!(output.status.success(), "{command:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command in the peer's namespace.
    pub fn try_peer(&self, command: &[&str]) -> Output {
        let (program, arguments) = command.split_first().unwrap();
        Command::new("nsenter").arg(self.net()).arg(program).args(arguments).output().expect("util-linux is installed")
    }

    /// The same, without blocking the runtime.
    pub async fn peer_beside(&self, command: &[&str]) -> Output {
        let (program, arguments) = command.split_first().unwrap();
        let mut nsenter = tokio::process::Command::new("nsenter");
        nsenter.arg(self.net()).arg(program).args(arguments).kill_on_drop(true);
        time::timeout(PATIENCE, nsenter.output()).await.expect("the command ends").expect("util-linux is installed")
    }

    /// Does something in the peer's namespace; sockets opened there stay there.
    pub fn at_peer<T>(&self, work: impl FnOnce() -> T) -> T {
        enter(&self.peers);
        let result = work();
        enter(&self.ours);
        result
    }

    /// How `nsenter` finds the peer's namespace.
    pub fn net(&self) -> String {
        format!("--net=/proc/{}/fd/{}", std::process::id(), self.peers.as_raw_fd())
    }
}

#[expect(unsafe_code, reason = "unshare can part descriptor tables")]
fn enter_new() -> File {
    // SAFETY: only the network namespace is parted, no descriptor table.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("these tests run as root");
    File::open("/proc/thread-self/ns/net").unwrap()
}

fn enter(namespace: &impl AsFd) {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// Runs a command in our namespace; it must succeed.
pub fn run(command: &[&str]) -> String {
    let output =
        Command::new(command[0]).args(&command[1..]).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a test body on a runtime of one thread, the test's own, which is in the namespace.
pub fn block_on<T>(body: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(body)
}

/// Waits for what must come.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// A responder and its socket on `net0`, wired as a node wires them.
pub struct Speaker {
    pub socket: SegmentSocket,
    pub responder: Responder,
}

impl Speaker {
    pub fn new() -> Self {
        let socket = SegmentSocket::open(OURS).unwrap();
        let mut responder = Responder::new(socket.mac(), Settings::default());
        assert!(responder.socket_opened().is_empty());
        Self { socket, responder }
    }

    /// Opens the fence for a minute.
    pub fn open_fence(&mut self) {
        self.responder.fence(Fence::ValidUntil(boot_now() + Duration::from_secs(60)));
    }

    pub fn own(&mut self, address: &str) {
        let outputs = self.responder.own(address.parse().unwrap(), 1);
        self.act(outputs);
    }

    /// Carries outputs out; gives what became of the frames.
    pub fn act(&mut self, outputs: Vec<Act>) -> Vec<Sent> {
        let mut sent = Vec::new();
        for output in outputs {
            match output {
                Act::Send(frame) => sent.push(self.socket.send(&frame).unwrap()),
                Act::Join(group) => {
                    self.socket.join(group).unwrap();
                    let outputs = self.responder.group_joined(group);
                    sent.extend(self.act(outputs));
                }
                Act::Leave(group) => self.socket.leave(group).unwrap(),
                Act::Programmed { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        sent
    }

    /// Answers what comes until `done` is; gives what that gave.
    pub async fn serve_until<T>(&mut self, done: impl Future<Output = T>) -> T {
        let mut done = std::pin::pin!(done);
        loop {
            let mut frames = Vec::new();
            tokio::select! {
                biased;
                result = &mut done => return result,
                count = self.socket.recv_batch(16, |frame| frames.push(frame.to_vec())) => assert!(count.unwrap() > 0),
            }
            for frame in frames {
                let outputs = self.responder.handle(&frame, boot_now());
                self.act(outputs);
            }
        }
    }
}

/// What the socket has to give by now. By the time a sender's call or program has ended, the other end has queued it.
pub async fn heard_now(socket: &SegmentSocket) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let read = socket.recv_batch(64, |frame| frames.push(frame.to_vec()));
    // The runtime must look at the socket once, which it does only when there is some time to wait.
    let _ = time::timeout(Duration::from_millis(20), read).await;
    frames
}

/// An actor's task may hold it across threads.
pub fn is_send<T: Send>(value: T) -> T {
    value
}
