//! Two endpoints' tasks over a wire and a clock in memory.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU8;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::SmallRng;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::BootTime;
use crate::bfd::packet::{Discriminator, State};
use crate::bfd::path::{Arrival, Hops};
use crate::bfd::session::{Change, DownReason, Timing};
use crate::bfd::wire::Take;

/// Tokio's paused clock.
struct SimTimer(Instant);

impl Timer for SimTimer {
    fn now(&self) -> BootTime {
        BootTime::from_boot(self.0.elapsed())
    }

    async fn wait_until(&mut self, deadline: Option<BootTime>) {
        match deadline {
            Some(deadline) => tokio::time::sleep_until(self.0 + deadline.since_boot()).await,
            None => std::future::pending().await,
        }
    }
}

/// What has come for one node.
#[derive(Default)]
struct Inbox {
    datagrams: Mutex<VecDeque<Vec<u8>>>,
    filled: Notify,
}

/// What a test does to a wire.
#[derive(Default)]
struct Faults {
    /// Nothing leaves any more.
    cut: bool,
    /// The next opens fail with these.
    opens: VecDeque<OpenError>,
    /// The last datagram that came.
    heard: Option<Vec<u8>>,
    /// Sockets that are open.
    open: BTreeSet<Discriminator>,
}

#[derive(Clone)]
struct SimWire {
    address: IpAddr,
    here: Arc<Inbox>,
    there: Arc<Inbox>,
    faults: Arc<Mutex<Faults>>,
}

impl Wire for SimWire {
    fn open(&mut self, id: Discriminator, _: &Path, _: u16) -> Result<(), OpenError> {
        let mut faults = self.faults.lock().unwrap();
        match faults.opens.pop_front() {
            Some(error) => Err(error),
            None => {
                assert!(faults.open.insert(id), "opened twice");
                Ok(())
            }
        }
    }

    fn close(&mut self, id: Discriminator) {
        assert!(self.faults.lock().unwrap().open.remove(&id), "closed twice");
    }

    fn send(&mut self, id: Discriminator, bytes: &[u8]) -> io::Result<()> {
        let faults = self.faults.lock().unwrap();
        assert!(faults.open.contains(&id), "sent by a socket that is not open");
        if !faults.cut {
            self.there.datagrams.lock().unwrap().push_back(bytes.to_vec());
            self.there.filled.notify_one();
        }
        Ok(())
    }

    fn receive(&mut self, limit: usize, take: Take<'_>) -> bool {
        let arrival = Arrival { hops: Hops::Single, from: self.address, to: None, interface: None, ttl: Some(255) };
        for _ in 0..limit {
            let datagram = self.here.datagrams.lock().unwrap().pop_front();
            match datagram {
                Some(datagram) => {
                    take(&arrival, &datagram);
                    self.faults.lock().unwrap().heard = Some(datagram);
                }
                None => return false,
            }
        }
        true
    }

    async fn readable(&mut self) {
        self.here.filled.notified().await;
    }
}

/// One of two nodes.
struct Node {
    bfd: Bfd,
    events: mpsc::Receiver<Event>,
    faults: Arc<Mutex<Faults>>,
    /// The path to the other one.
    path: Path,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    /// Starts a node on a wire, whose packets come from the other node's address.
    fn start(wire: SimWire, seed: u64) -> Self {
        let (faults, path) = (Arc::clone(&wire.faults), Path::new(wire.address, Hops::Single, None, None).unwrap());
        let start = Instant::now() - Duration::from_secs(1000);
        let randomness = Box::new(SmallRng::seed_from_u64(seed));
        let (bfd, events, driver) = Driver::new(wire, SimTimer(start), randomness);
        Self { bfd, events, faults, path, task: tokio::spawn(driver.run()) }
    }

    async fn add(&self) {
        self.bfd.add(self.path, settings()).await.unwrap();
    }

    async fn change(&mut self) -> Change {
        tokio::time::timeout(Duration::from_secs(60), self.events.recv()).await.expect("an event").unwrap().change
    }

    async fn state(&self) -> State {
        self.bfd.report().await.unwrap().rows[0].status.state
    }
}

fn settings() -> Settings {
    let interval = Duration::from_millis(50);
    Settings { timing: Timing::new(interval, interval, NonZeroU8::new(3).unwrap()).unwrap(), ..Settings::default() }
}

fn wires() -> [SimWire; 2] {
    let [one, other] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    let (here, there) = (Arc::<Inbox>::default(), Arc::<Inbox>::default());
    let first = SimWire { address: other, here: Arc::clone(&here), there: Arc::clone(&there), faults: Arc::default() };
    let second = SimWire { address: one, here: there, there: here, faults: Arc::default() };
    [first, second]
}

async fn both_up() -> ([Node; 2], SimWire) {
    let [first, second] = wires();
    let kept = first.clone();
    let mut nodes = [Node::start(first, 1), Node::start(second, 2)];
    for node in &nodes {
        node.add().await;
    }
    for node in &mut nodes {
        assert_eq!(node.change().await, Change::Up);
    }
    (nodes, kept)
}

fn reason(change: Change) -> Option<DownReason> {
    if let Change::Down { reason, .. } = change { Some(reason) } else { None }
}

#[tokio::test(start_paused = true)]
async fn a_cut_is_told_with_its_reason_on_both_sides() {
    let ([mut one, mut other], _) = both_up().await;
    one.faults.lock().unwrap().cut = true;
    assert_eq!(reason(other.change().await), Some(DownReason::DetectionTimeExpired));
    assert_eq!(reason(one.change().await), Some(DownReason::PeerSignaledDown));
    one.faults.lock().unwrap().cut = false;
    assert_eq!((one.change().await, other.change().await), (Change::Up, Change::Up));
}

#[tokio::test(start_paused = true)]
async fn closing_tells_the_peer_that_nothing_failed_and_ends() {
    let ([mut one, mut other], _) = both_up().await;
    one.bfd.close().await;
    assert_eq!(reason(one.change().await), Some(DownReason::AdminDown));
    assert_eq!(reason(other.change().await), Some(DownReason::PeerAdminDown));
    one.task.await.unwrap();
    assert!(one.faults.lock().unwrap().open.is_empty());
    assert!(matches!(one.bfd.report().await, Err(Error::Ended)));
}

#[tokio::test(start_paused = true)]
async fn a_session_can_be_held_down_changed_and_removed() {
    let ([one, mut other], _) = both_up().await;
    one.bfd.set_admin_down(one.path, true).await.unwrap();
    assert_eq!(reason(other.change().await), Some(DownReason::PeerAdminDown));
    one.bfd.set_admin_down(one.path, false).await.unwrap();
    assert_eq!(other.change().await, Change::Up);
    let slow = Duration::from_millis(400);
    let timing = Timing::new(slow, slow, NonZeroU8::new(3).unwrap()).unwrap();
    one.bfd.change(one.path, Settings { timing, ..settings() }).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let row = &other.bfd.report().await.unwrap().rows[0];
    assert_eq!((row.status.receive_interval, row.status.transmit_interval), (Some(slow), slow));
    one.bfd.remove(one.path).await.unwrap();
    assert!(matches!(one.bfd.remove(one.path).await, Err(Error::NoSession(_))));
    assert_eq!(reason(other.change().await), Some(DownReason::PeerAdminDown));
    while !one.bfd.report().await.unwrap().rows.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(one.faults.lock().unwrap().open.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_peer_does_not_notice_a_hand_over() {
    let ([one, mut other], wire) = both_up().await;
    let saved = one.bfd.hand_over().await.unwrap();
    assert!(one.faults.lock().unwrap().open.is_empty(), "closed before the next process opens them");
    one.task.await.unwrap();
    let next = Node::start(wire, 3);
    assert!(next.bfd.take_over(saved).await.unwrap().is_empty());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((next.state().await, other.state().await), (State::Up, State::Up));
    assert!(other.events.try_recv().is_err(), "nothing happened");
}

#[tokio::test(start_paused = true)]
async fn without_a_hand_over_the_peer_does_notice() {
    let ([one, mut other], _) = both_up().await;
    drop(one.bfd);
    one.task.await.unwrap();
    assert_eq!(reason(other.change().await), Some(DownReason::DetectionTimeExpired));
}

#[tokio::test(start_paused = true)]
async fn a_source_port_in_use_is_not_the_end() {
    let [wire, _] = wires();
    let node = Node::start(wire, 1);
    let opens = [50_000, 50_001].map(OpenError::SourcePortInUse);
    node.faults.lock().unwrap().opens.extend(opens);
    node.add().await;
    node.faults.lock().unwrap().opens.push_back(OpenError::PortInUse { port: 3784 });
    let other = Path::new("10.0.0.9".parse().unwrap(), Hops::Single, None, None).unwrap();
    let error = node.bfd.add(other, settings()).await.unwrap_err();
    assert!(error.to_string().contains("another BFD daemon"), "{error}");
    assert_eq!(node.bfd.report().await.unwrap().rows.len(), 1);
    assert!(matches!(node.bfd.add(node.path, settings()).await, Err(Error::Add(_))));
}

/// The task is not run for longer than the detection time, and a packet of the peer waits.
#[tokio::test(start_paused = true)]
async fn what_came_while_the_task_was_held_up_still_counts() {
    let ([mut one, other], wire) = both_up().await;
    other.faults.lock().unwrap().cut = true;
    let last = one.faults.lock().unwrap().heard.clone().unwrap();
    wire.here.datagrams.lock().unwrap().push_back(last);
    tokio::time::advance(Duration::from_millis(200)).await;
    assert_eq!(one.state().await, State::Up);
    assert!(one.events.try_recv().is_err());
    // It was good for one more detection time.
    assert_eq!(reason(one.change().await), Some(DownReason::DetectionTimeExpired));
}
