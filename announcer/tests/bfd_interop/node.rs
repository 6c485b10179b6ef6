//! Our side, as a node runs it.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use quorumlb_announcer::bfd::{
    Bfd, BootTimer, Change, DownReason, Driver, Event, Hops, Path, Row, Settings, State, Timing, UdpWire,
};
use rand::rngs::StdRng;
use rustix::net::{AddressFamily, SocketType, netdevice};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time;

use crate::support::{OURS, PATIENCE, soon};

pub struct Node {
    pub bfd: Bfd,
    pub events: mpsc::Receiver<Event>,
    pub task: JoinHandle<()>,
    _thread: Thread,
}

/// The sessions' own thread: the test's waits for programs. It is made by the test's thread, in whose namespace it then is.
struct Thread(Option<Runtime>);

impl Drop for Thread {
    fn drop(&mut self) {
        // It must not wait inside of the test's runtime.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Node {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let entered = runtime.enter();
        let (wire, timer) = (UdpWire::new(), BootTimer::open().unwrap());
        let (bfd, events, driver) = Driver::new(wire, timer, Box::new(rand::make_rng::<StdRng>()));
        let task = tokio::spawn(driver.run());
        drop(entered);
        Self { bfd, events, task, _thread: Thread(Some(runtime)) }
    }

    pub async fn change(&mut self) -> Change {
        soon("an event", self.events.recv()).await.expect("the task runs").change
    }

    pub async fn up(&mut self) {
        assert_eq!(self.change().await, Change::Up);
    }

    pub async fn down(&mut self) -> DownReason {
        match self.change().await {
            Change::Down { reason, .. } => reason,
            Change::Up => panic!("up instead of down"),
        }
    }

    pub async fn row(&self) -> Row {
        self.bfd.report().await.unwrap().rows.remove(0)
    }

    /// Waits until the session is as it should be.
    pub async fn until(&self, what: &str, mut fits: impl FnMut(&Row) -> bool) {
        let wait = async {
            while !fits(&self.row().await) {
                time::sleep(Duration::from_millis(10)).await;
            }
        };
        if time::timeout(PATIENCE, wait).await.is_err() {
            panic!("{what} did not come: {:?}", self.row().await);
        }
    }

    /// Waits until both sides are Up at these intervals, and know it.
    pub async fn agreed(&self, transmit: Duration, receive: Duration) {
        self.until("an agreement", |row| {
            let status = row.status;
            let both_up = (status.state, status.remote_state) == (State::Up, State::Up);
            let intervals = (status.transmit_interval, status.receive_interval) == (transmit, Some(receive));
            both_up && intervals && !status.polling
        })
        .await;
    }
}

/// Waits until something outside is as it should be.
pub async fn until(what: &str, mut fits: impl FnMut() -> bool) {
    let wait = async {
        while !fits() {
            time::sleep(Duration::from_millis(10)).await;
        }
    };
    soon(what, wait).await;
}

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn every(interval: Duration) -> Settings {
    Settings { timing: Timing::new(interval, interval, NonZeroU8::new(3).unwrap()).unwrap(), ..Settings::default() }
}

pub fn single(peer: &str, local: &str) -> Path {
    Path::new(address(peer), Hops::Single, Some(address(local)), None).unwrap()
}

pub fn multi(peer: &str, local: &str) -> Path {
    Path::new(address(peer), Hops::Multi, Some(address(local)), None).unwrap()
}

/// A link-local peer on our interface.
pub fn unnumbered(peer: &str) -> Path {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    let index = netdevice::name_to_index(&socket, OURS).unwrap();
    Path::new(address(peer), Hops::Single, None, NonZeroU32::new(index)).unwrap()
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}
