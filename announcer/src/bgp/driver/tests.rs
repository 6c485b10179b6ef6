//! The driver over connections in memory, in time that passes only while all wait.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::{mpsc, oneshot};
use tokio::time;

use super::super::Prefix;
use super::super::message::{
    CapabilityList, Code, Framer, HEADER, Kind, MAX_MESSAGE, Message, Notification, Open, UpdateContext, decode,
};
use super::super::rib::{AdjRibOut, Attributes, SharedRib};
use super::super::session::{PeerAs, Settings};
use super::super::transport::{Dialer, Stream};
use super::*;

/// A connection in memory.
struct Pipe(DuplexStream);

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl Stream for Pipe {
    fn endpoints(&self) -> io::Result<Endpoints> {
        Ok(Endpoints { local: "192.0.2.1:40000".parse().unwrap(), remote: "192.0.2.2:179".parse().unwrap() })
    }
}

/// Each dialing takes the next connection; without one it fails.
#[derive(Clone, Default)]
struct Pipes(Arc<Mutex<Vec<DuplexStream>>>);

impl Dialer for Pipes {
    type Stream = Pipe;

    fn dial(&self) -> impl Future<Output = io::Result<Pipe>> + Send + 'static {
        let next = self.0.lock().unwrap().pop();
        async { next.map(Pipe).ok_or_else(|| io::ErrorKind::ConnectionRefused.into()) }
    }
}

fn prefix(number: u32) -> Prefix {
    Prefix::host(Ipv4Addr::from_bits(0x0a64_0000 + number).into())
}

fn rib(count: u32) -> SharedRib {
    let mut table = AdjRibOut::new();
    let attributes = Arc::new(Attributes::default());
    let routes: BTreeMap<_, _> = (0..count).map(|number| (prefix(number), Arc::clone(&attributes))).collect();
    table.replace(routes).unwrap();
    table.complete();
    SharedRib::new(table)
}

fn config() -> Config {
    let settings = Settings::new(65001, Ipv4Addr::new(192, 0, 2, 1), PeerAs::Given(65002));
    Config { settings, own: OwnAddresses::default(), seed: 1, restarted_until: None }
}

/// Tokio's paused time as time since boot.
fn clock() -> impl Fn() -> BootTime + Send + Clone + 'static {
    let start = time::Instant::now();
    move || BootTime::from_boot(start.elapsed())
}

struct Running {
    commands: mpsc::Sender<Command<Pipe>>,
    events: mpsc::UnboundedReceiver<Event>,
}

fn run(driver: Driver<Pipes>) -> Running {
    let (commands, receiver) = mpsc::channel(4);
    let (sender, events) = mpsc::unbounded_channel();
    tokio::spawn(driver.run(receiver, move |event| drop(sender.send(event))));
    Running { commands, events }
}

/// A driver that dials into a pipe with room for so many octets, and the other end.
async fn dialing(rib: &SharedRib, room: usize) -> (Running, Router) {
    let (ours, theirs) = duplex(room);
    let pipes = Pipes(Arc::new(Mutex::new(vec![ours])));
    let running = run(Driver::new(config(), rib.clone(), pipes, clock()));
    running.commands.send(Command::Start).await.unwrap();
    (running, Router { stream: theirs, framer: Framer::default(), heard: Heard::default() })
}

#[derive(Debug, Default)]
struct Heard {
    kinds: Vec<Kind>,
    announced: usize,
    notification: Option<Notification>,
}

/// The other end.
struct Router {
    stream: DuplexStream,
    framer: Framer,
    heard: Heard,
}

impl Router {
    async fn open(&mut self) {
        let mut capabilities = CapabilityList::default();
        capabilities.push(65, &65002u32.to_be_bytes());
        let open = Open {
            my_as: 65002,
            hold_time: 90,
            identifier: Ipv4Addr::new(192, 0, 2, 2),
            capabilities: capabilities.view(),
        };
        for message in [Message::Open(open), Message::Keepalive] {
            self.stream.write_all(&message.encode(MAX_MESSAGE).unwrap()).await.unwrap();
        }
    }

    async fn keepalive(&mut self) {
        self.stream.write_all(&Message::Keepalive.encode(MAX_MESSAGE).unwrap()).await.unwrap();
    }

    /// Reads until so many routes were announced, or to the end.
    async fn read_until(&mut self, announced: usize) {
        let mut buffer = [0; 1000];
        while self.heard.announced < announced {
            let count = self.stream.read(&mut buffer).await.unwrap();
            if count == 0 {
                return;
            }
            self.framer.feed(&buffer[..count]);
            while let Some(frame) = self.framer.next_frame().unwrap() {
                self.heard.kinds.push(frame.kind);
                assert!(frame.len() >= HEADER);
                match decode(frame, &UpdateContext { wide_as: true, external: true }).unwrap() {
                    Message::Update(update, flaw) => {
                        assert_eq!(flaw, None);
                        self.heard.announced += update.nlri.len();
                    }
                    Message::Notification(notification) => self.heard.notification = Some(notification),
                    _ => {}
                }
            }
        }
    }
}

async fn down(running: &mut Running) -> Failure {
    loop {
        if let Event::Down(failure) = running.events.recv().await.unwrap() {
            return failure;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_read_costs_one_batch_and_is_left() {
    let rib = rib(100_000);
    let (mut running, mut router) = dialing(&rib, 5000).await;
    router.open().await;
    let events = &mut running.events;
    assert!(matches!(events.recv().await, Some(Event::Established(..))));
    for _ in 0..8 {
        time::sleep(Duration::from_secs(59)).await;
        router.keepalive().await;
    }
    // One batch was taken: about 64 KiB of some 500.
    let mut peer = None;
    rib.read(|table| peer = table.positions().next());
    assert!((10_000..15_000).contains(&peer.unwrap().told), "{peer:?}");
    assert_eq!(down(&mut running).await, Failure::SendHoldTimer(480));
    // A message that was begun is finished, and the reason comes after it.
    router.read_until(usize::MAX).await;
    assert_eq!(router.heard.notification, Some(Code::SEND_HOLD_TIMER.into()));
    assert!(router.heard.announced < 2500, "{}", router.heard.announced);
    assert!(router.framer.partial().is_empty());
}

#[tokio::test(start_paused = true)]
async fn changes_reach_a_peer_and_it_is_told_why_it_ends() {
    let rib = rib(10);
    let (mut running, mut router) = dialing(&rib, 5000).await;
    router.open().await;
    router.read_until(10).await;
    assert_eq!(router.heard.kinds, [Kind::Open, Kind::Keepalive, Kind::Update]);
    rib.update(|table| table.announce(prefix(11), Attributes::default())).unwrap();
    router.read_until(11).await;
    let (reply, status) = oneshot::channel();
    running.commands.send(Command::Inspect(reply)).await.unwrap();
    let status = status.await.unwrap();
    assert_eq!((status.state, status.told, status.counters.sent[1]), (State::Established, true, 2));
    running.commands.send(Command::Stop(Stop::Shutdown { text: "bye".into() })).await.unwrap();
    router.read_until(usize::MAX).await;
    assert_eq!(router.heard.notification, Some(Notification::with_text(Code::ADMINISTRATIVE_SHUTDOWN, "bye")));
    assert_eq!(down(&mut running).await, Failure::Stopped("administrative shutdown"));
    assert_eq!(rib.read(|table| table.positions().count()), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_is_handed_over_in_the_middle_of_a_message() {
    let rib = rib(50_000);
    let (running, mut router) = dialing(&rib, 5000).await;
    router.open().await;
    router.read_until(3000).await;
    let (reply, released) = oneshot::channel();
    running.commands.send(Command::Release(reply)).await.unwrap();
    let released = released.await.unwrap().unwrap();
    assert!(!released.saved.unsent.is_empty());
    let saved = rib.read(AdjRibOut::save);
    let rib = SharedRib::new(AdjRibOut::resume(saved));
    let driver = Driver::resume(config(), rib, Pipes::default(), clock(), released).unwrap();
    let running = run(driver);
    router.read_until(50_000).await;
    assert_eq!((router.heard.announced, router.heard.notification), (50_000, None));
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_tried_again() {
    let rib = rib(1);
    let pipes = Pipes::default();
    let mut running = run(Driver::new(config(), rib, pipes.clone(), clock()));
    running.commands.send(Command::Start).await.unwrap();
    for _ in 0..5 {
        let event = running.events.recv().await.unwrap();
        assert_eq!(event, Event::AttemptFailed(Failure::Connect("connection refused".into())));
    }
    let (ours, theirs) = duplex(5000);
    pipes.0.lock().unwrap().push(ours);
    let mut router = Router { stream: theirs, framer: Framer::default(), heard: Heard::default() };
    router.open().await;
    router.read_until(1).await;
}
