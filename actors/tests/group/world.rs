//! The world of one simulated node: its ports.

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorumlb_actors::ports::{
    Clock, Disk, Files, Frames, Hold, LinkState, Links, Listen, Routers, Segment, Segments, Stamp, Wires,
};
use quorumlb_actors::source::{self, Loaded, SourceFile};
use quorumlb_announcer::bfd::{Bfd, Event};
use quorumlb_announcer::bgp::session::Endpoints;
use quorumlb_announcer::bgp::transport::{Dialer, Password, Target};
use quorumlb_announcer::{FencedFrame, MacAddr};
use quorumlb_raft_store::log::{LogOptions, LogStore, OpenError, inline};
use quorumlb_raft_store::model::{Family, Liveness, NodeName};
use quorumlb_raft_store::net::Service;
use quorumlb_raft_store::net::quic::WireCounters;
use quorumlb_raft_store::session::BootTime;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::fabric::Fabric;
use super::router::RouterStream;
use super::wire::SimWire;

type Answering = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// What the node does with what arrives.
#[derive(Clone)]
pub struct Ears {
    pub call: Arc<dyn Fn(NodeName, Vec<u8>) -> Answering + Send + Sync>,
    pub notify: Arc<dyn Fn(NodeName, Vec<u8>) + Send + Sync>,
}

/// A disk that survives its node.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<Mutex<Vec<u8>>>);

/// Clones are handles to the same world.
#[derive(Clone)]
pub struct SimWorld {
    pub me: String,
    pub fabric: Fabric,
    pub disk: SimDisk,
    files: Arc<Mutex<(u64, String)>>,
    started: Instant,
    boot: Duration,
    randomness: Arc<AtomicU64>,
    pub ears: Arc<Mutex<Option<Ears>>>,
    frames: Arc<Mutex<Option<mpsc::UnboundedSender<Vec<u8>>>>>,
    carrier: Arc<(Mutex<bool>, Notify)>,
}

impl SimWorld {
    /// The world of a run that begins now. `boot` is what its clock shows.
    pub fn new(me: &str, fabric: Fabric, disk: SimDisk, manifests: &str, boot: Duration, seed: u64) -> Self {
        Self {
            me: me.to_owned(),
            fabric,
            disk,
            files: Arc::new(Mutex::new((1, manifests.to_owned()))),
            started: Instant::now(),
            boot,
            randomness: Arc::new(AtomicU64::new(seed)),
            ears: Arc::default(),
            frames: Arc::default(),
            carrier: Arc::new((Mutex::new(true), Notify::new())),
        }
    }

    pub fn frame(&self, frame: Vec<u8>) {
        if let Some(frames) = &*self.frames.lock().unwrap() {
            let _ = frames.send(frame);
        }
    }

    pub fn set_carrier(&self, up: bool) {
        *self.carrier.0.lock().unwrap() = up;
        self.carrier.1.notify_one();
    }

    /// The file holds something else from now on.
    pub fn write_file(&self, text: &str) {
        let mut files = self.files.lock().unwrap();
        *files = (files.0 + 1, text.to_owned());
    }

    fn has_carrier(&self) -> bool {
        *self.carrier.0.lock().unwrap()
    }

    fn number(&self) -> u8 {
        self.me.bytes().last().unwrap() - b'0'
    }
}

impl Clock for SimWorld {
    fn boot_now(&self) -> BootTime {
        BootTime(self.boot + self.started.elapsed())
    }

    fn wall_ms(&self) -> u64 {
        self.fabric.now_ms()
    }

    fn random(&self) -> u64 {
        // splitmix64
        let mut z = self.randomness.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl SimDisk {
    pub fn copied(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().unwrap().clone())))
    }
}

impl redb::StorageBackend for SimDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        out.copy_from_slice(&self.0.lock().unwrap()[from..from + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let from = usize::try_from(offset).unwrap();
        self.0.lock().unwrap()[from..from + data.len()].copy_from_slice(data);
        Ok(())
    }
}

impl Disk for SimWorld {
    fn open_store(&self) -> Result<LogStore, OpenError> {
        LogStore::with_backend(self.disk.clone(), LogOptions::default(), inline)
    }

    fn probe(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Files for SimWorld {
    fn name(&self) -> String {
        "cluster.yaml".to_owned()
    }

    fn stamp(&self) -> Stamp {
        Stamp(self.files.lock().unwrap().0)
    }

    fn load(&self) -> Loaded {
        source::read(vec![
            SourceFile::from_bytes("cluster.yaml", self.files.lock().unwrap().1.clone().into_bytes()).unwrap(),
        ])
    }
}

pub struct SimSegment {
    world: SimWorld,
    frames: tokio::sync::Mutex<mpsc::UnboundedReceiver<Vec<u8>>>,
}

impl Segment for SimSegment {
    fn mac(&self) -> MacAddr {
        MacAddr::new(2, 0, 0, 0, 0, self.world.number())
    }

    async fn receive(&self) -> io::Result<Frames> {
        let frame = self.frames.lock().await.recv().await.ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(vec![frame])
    }

    fn send(&self, frame: &FencedFrame) -> io::Result<bool> {
        let now = quorumlb_announcer::BootTime::from_boot(self.world.boot_now().0);
        let Some(bytes) = frame.release(now) else { return Ok(false) };
        self.world.fabric.broadcast(&self.world.me, bytes);
        Ok(true)
    }

    fn join(&self, _: Ipv6Addr) -> Result<(), String> {
        Ok(())
    }

    fn leave(&self, _: Ipv6Addr) {}

    fn dropped(&self) -> u64 {
        0
    }
}

impl Segments for SimWorld {
    type Segment = SimSegment;

    fn open_segment(&self, _: &str) -> Result<SimSegment, String> {
        let (to, frames) = mpsc::unbounded_channel();
        *self.frames.lock().unwrap() = Some(to);
        Ok(SimSegment { world: self.clone(), frames: tokio::sync::Mutex::new(frames) })
    }
}

impl Hold for SimWorld {
    async fn hold(&self, addresses: &[IpAddr]) -> Result<Vec<(IpAddr, String)>, String> {
        self.fabric.hold(&self.me, addresses);
        Ok(Vec::new())
    }

    async fn let_go(&self, addresses: &[IpAddr]) -> Result<(), String> {
        self.fabric.let_go(&self.me, addresses);
        Ok(())
    }

    async fn held(&self) -> Result<BTreeSet<IpAddr>, String> {
        Ok(self.fabric.held(&self.me))
    }
}

/// The world, and whether its first word was given.
pub struct SimWatch(SimWorld, bool);

impl Links for SimWorld {
    type Watch = SimWatch;

    async fn watch(&self) -> Result<SimWatch, String> {
        Ok(SimWatch(self.clone(), false))
    }

    async fn next(watch: &mut SimWatch) -> Result<Vec<LinkState>, String> {
        if std::mem::replace(&mut watch.1, true) {
            watch.0.carrier.1.notified().await;
        }
        let addresses = vec![format!("10.0.5.1{}/24", watch.0.number()).parse().unwrap()];
        Ok(vec![LinkState { name: "net0".to_owned(), up: watch.0.has_carrier(), speaks: true, addresses }])
    }
}

impl Wires for SimWorld {
    type Wire = SimWire;

    fn bind(&self, service: Arc<impl Service>, _: Liveness) -> Result<SimWire, String> {
        let other = Arc::clone(&service);
        let call = move |from, bytes| -> Answering {
            let service = Arc::clone(&service);
            Box::pin(async move { service.call(from, bytes).await })
        };
        let notify = move |from, bytes| other.notify(from, bytes);
        *self.ears.lock().unwrap() = Some(Ears { call: Arc::new(call), notify: Arc::new(notify) });
        Ok(SimWire { me: self.me.clone(), fabric: self.fabric.clone() })
    }

    fn counters(_: &SimWire) -> WireCounters {
        WireCounters::default()
    }
}

/// Reaches the routers of the fabric.
pub struct SimDialer {
    fabric: Fabric,
    endpoints: Endpoints,
}

impl Dialer for SimDialer {
    type Stream = RouterStream;

    fn dial(&self) -> impl Future<Output = io::Result<RouterStream>> + Send + 'static {
        let (fabric, endpoints) = (self.fabric.clone(), self.endpoints);
        async move { fabric.router().ok_or(io::ErrorKind::ConnectionRefused)?.connect(endpoints) }
    }
}

/// Nobody dials these nodes.
pub struct Deaf;

impl Listen for Deaf {
    type Stream = RouterStream;

    fn set_password(&self, _: IpAddr, _: Option<&Password>) -> io::Result<()> {
        Ok(())
    }

    async fn accept(&self) -> io::Result<RouterStream> {
        std::future::pending().await
    }
}

impl Routers for SimWorld {
    type Stream = RouterStream;
    type Dialer = SimDialer;
    type Listener = Deaf;

    fn dialer(&self, target: Target) -> SimDialer {
        let local = SocketAddr::new(format!("10.0.5.1{}", self.number()).parse().unwrap(), 40_000);
        SimDialer { fabric: self.fabric.clone(), endpoints: Endpoints { local, remote: target.peer } }
    }

    fn listen(&self, _: SocketAddr) -> io::Result<Deaf> {
        Ok(Deaf)
    }

    fn prepare(&self, _: &Target, _: &RouterStream) -> io::Result<()> {
        Ok(())
    }

    fn start_bfd(&self) -> Result<(Bfd, mpsc::Receiver<Event>), String> {
        Err("there is no BFD here".to_owned())
    }

    async fn gateway(&self, _: Family) -> Result<(IpAddr, NonZeroU32), String> {
        Err("there is no default route here".to_owned())
    }

    async fn router_on(&self, _: &str) -> Result<(IpAddr, NonZeroU32), String> {
        Err("there is no router here".to_owned())
    }
}
