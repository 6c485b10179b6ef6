//! What lies between the nodes: one queue of everything that is under way, in order, and the switch that they hang on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard};

use quorumlb_announcer::MacAddr;
use tokio::sync::oneshot;

use super::router::Router;

/// One step of the world, in milliseconds: what is sent in one arrives in the next.
pub const STEP_MS: u64 = 1;

/// What arrives at a node.
pub enum Arrival {
    Request { from: String, bytes: Vec<u8>, id: u64 },
    Reply { id: u64, bytes: Vec<u8> },
    Notice { from: String, bytes: Vec<u8> },
    Frame(Vec<u8>),
}

/// An ARP frame that a node sent, and the address that it claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    pub ms: u64,
    pub node: String,
    pub address: Ipv4Addr,
}

#[derive(Default)]
struct Inner {
    now_ms: u64,
    arriving: BTreeMap<String, VecDeque<(u64, Arrival)>>,
    waiting: BTreeMap<u64, oneshot::Sender<Vec<u8>>>,
    last_id: u64,
    /// Nodes that reach only one another.
    apart: BTreeSet<String>,
    spoken: Vec<Spoken>,
    /// What each machine's loopback holds; it outlives processes.
    held: BTreeMap<String, BTreeSet<IpAddr>>,
    router: Option<Router>,
}

/// The fabric. Clones are handles to the same one.
#[derive(Clone, Default)]
pub struct Fabric(Arc<Mutex<Inner>>);

impl Fabric {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub fn now_ms(&self) -> u64 {
        self.inner().now_ms
    }

    pub fn advance(&self) {
        self.inner().now_ms += STEP_MS;
    }

    /// A router that every node reaches, from now on.
    pub fn set_router(&self, router: Router) {
        self.inner().router = Some(router);
    }

    pub fn router(&self) -> Option<Router> {
        self.inner().router.clone()
    }

    pub fn hold(&self, node: &str, addresses: &[IpAddr]) {
        self.inner().held.entry(node.to_owned()).or_default().extend(addresses);
    }

    pub fn let_go(&self, node: &str, addresses: &[IpAddr]) {
        if let Some(held) = self.inner().held.get_mut(node) {
            held.retain(|address| !addresses.contains(address));
        }
    }

    pub fn held(&self, node: &str) -> BTreeSet<IpAddr> {
        self.inner().held.get(node).cloned().unwrap_or_default()
    }

    /// Cuts these nodes off from the others; nobody: heals.
    pub fn part(&self, nodes: &[&str]) {
        self.inner().apart = nodes.iter().map(ToString::to_string).collect();
    }

    pub fn plug(&self, node: &str) {
        self.inner().arriving.insert(node.to_owned(), VecDeque::new());
    }

    pub fn unplug(&self, node: &str) {
        self.inner().arriving.remove(node);
    }

    fn put(&self, from: &str, to: &str, arrival: Arrival) {
        let mut inner = self.inner();
        let cut = inner.apart.contains(from) != inner.apart.contains(to);
        let due = inner.now_ms + STEP_MS;
        if let Some(queue) = inner.arriving.get_mut(to).filter(|_| !cut) {
            queue.push_back((due, arrival));
        }
    }

    /// Sends a request; the answer comes, or never does.
    pub fn ask(&self, from: &str, to: &str, bytes: Vec<u8>) -> oneshot::Receiver<Vec<u8>> {
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut inner = self.inner();
            inner.last_id += 1;
            let id = inner.last_id;
            inner.waiting.insert(id, answer);
            id
        };
        self.put(from, to, Arrival::Request { from: from.to_owned(), bytes, id });
        answered
    }

    pub fn reply(&self, from: &str, to: &str, id: u64, bytes: Vec<u8>) {
        self.put(from, to, Arrival::Reply { id, bytes });
    }

    pub fn replied(&self, id: u64, bytes: Vec<u8>) {
        let waiting = self.inner().waiting.remove(&id);
        // Whoever asked may have given up.
        let _ = waiting.map(|waiting| waiting.send(bytes));
    }

    pub fn notice(&self, from: &str, to: &str, bytes: Vec<u8>) {
        self.put(from, to, Arrival::Notice { from: from.to_owned(), bytes });
    }

    /// A frame on the segment: everyone hears it, whoever reaches whom elsewhere.
    pub fn broadcast(&self, from: &str, frame: &[u8]) {
        let mut inner = self.inner();
        if let Some(address) = claimed(frame).filter(|_| !from.is_empty()) {
            let ms = inner.now_ms;
            inner.spoken.push(Spoken { ms, node: from.to_owned(), address });
        }
        let due = inner.now_ms + STEP_MS;
        for (_, queue) in inner.arriving.iter_mut().filter(|(node, _)| *node != from) {
            queue.push_back((due, Arrival::Frame(frame.to_vec())));
        }
    }

    /// What has arrived at a node by now.
    pub fn take(&self, node: &str) -> Vec<Arrival> {
        let mut inner = self.inner();
        let now = inner.now_ms;
        let Some(queue) = inner.arriving.get_mut(node) else { return Vec::new() };
        let due = queue.iter().take_while(|(due, _)| *due <= now).count();
        queue.drain(..due).map(|(_, arrival)| arrival).collect()
    }

    /// Who claimed each address last, of those that someone claimed since then.
    pub fn claimed_since(&self, ms: u64) -> BTreeMap<Ipv4Addr, String> {
        let inner = self.inner();
        let from = inner.spoken.partition_point(|spoken| spoken.ms < ms);
        inner.spoken[from..].iter().map(|spoken| (spoken.address, spoken.node.clone())).collect()
    }

    /// Every claim so far.
    pub fn spoken(&self) -> Vec<Spoken> {
        self.inner().spoken.clone()
    }
}

/// A client's question.
pub fn who_has(address: Ipv4Addr) -> Vec<u8> {
    let client = MacAddr::new(2, 0, 0, 0, 0, 99);
    let mut frame = vec![0xff; 6];
    frame.extend(client.octets());
    frame.extend([0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1]);
    frame.extend(client.octets());
    frame.extend([10, 0, 5, 99]);
    frame.extend([0; 6]);
    frame.extend(address.octets());
    frame
}

/// The address that an ARP frame says its sender has.
fn claimed(frame: &[u8]) -> Option<Ipv4Addr> {
    let arp = frame.get(12..14)? == [0x08, 0x06];
    let sender: [u8; 4] = frame.get(28..32)?.try_into().ok()?;
    arp.then_some(Ipv4Addr::from(sender))
}
