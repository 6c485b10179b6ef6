//! Our side: a driver on `net0`, as a node has one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use quorumlb_announcer::bgp::Prefix;
use quorumlb_announcer::bgp::driver::{Command, Config, Driver, Event, Released, Status};
use quorumlb_announcer::bgp::rib::{AdjRibOut, Attributes, LargeCommunity, OwnAddresses, SharedRib};
use quorumlb_announcer::bgp::session::{PeerAs, Settings};
use quorumlb_announcer::bgp::transport::{Target, TcpDialer};
use quorumlb_announcer::boot_now;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::support::soon;

pub const OUR_AS: u32 = 65001;

/// Settings for a peer, without waits that a test would have to sit through.
pub fn settings(peer_as: PeerAs) -> Settings {
    Settings {
        connect_retry: std::time::Duration::from_secs(1),
        ..Settings::new(OUR_AS, Ipv4Addr::new(10, 0, 5, 1), peer_as)
    }
}

pub fn config(settings: Settings) -> Config {
    let v6 = Some("fd00:5::1".parse().unwrap());
    let own = OwnAddresses { v4: Some(Ipv4Addr::new(10, 0, 5, 1)), v6, link_local: None };
    Config { settings, own, seed: 1, restarted_until: None }
}

/// 192.0.2.1/32 and 2001:db8::1/128 with communities, and some more.
pub fn routes() -> BTreeMap<Prefix, Arc<Attributes>> {
    let marked = Arc::new(Attributes {
        local_pref: Some(150),
        med: Some(7),
        communities: [65000 << 16 | 100].into(),
        large_communities: [LargeCommunity { global: 65000, local1: 1, local2: 2 }].into(),
        ..Attributes::default()
    });
    let plain = Arc::new(Attributes::default());
    let mut routes: BTreeMap<_, _> =
        ["192.0.2.1/32", "2001:db8::1/128"].map(|text| (prefix(text), Arc::clone(&marked))).into();
    routes.extend((10..60).map(|number| (prefix(&format!("192.0.2.{number}/32")), Arc::clone(&plain))));
    routes
}

pub fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

pub fn rib(routes: BTreeMap<Prefix, Arc<Attributes>>) -> SharedRib {
    let mut table = AdjRibOut::new();
    table.replace(routes).unwrap();
    table.complete();
    SharedRib::new(table)
}

pub struct Speaker {
    pub rib: SharedRib,
    commands: mpsc::Sender<Command<TcpStream>>,
    events: mpsc::UnboundedReceiver<Event>,
    task: JoinHandle<()>,
}

impl Speaker {
    /// Dials.
    pub async fn dial(config: Config, target: Target, rib: SharedRib) -> Self {
        let speaker = Self::run(Driver::new(config, rib.clone(), TcpDialer::new(target), boot_now), rib);
        speaker.tell(Command::Start).await;
        speaker
    }

    pub fn resume(config: Config, target: Target, rib: SharedRib, released: Released<TcpStream>) -> Self {
        let driver = Driver::resume(config, rib.clone(), TcpDialer::new(target), boot_now, released).unwrap();
        Self::run(driver, rib)
    }

    fn run(driver: Driver<TcpDialer>, rib: SharedRib) -> Self {
        let (commands, receiver) = mpsc::channel(8);
        let (sender, events) = mpsc::unbounded_channel();
        let task = tokio::spawn(driver.run(receiver, move |event| drop(sender.send(event))));
        Self { rib, commands, events, task }
    }

    pub async fn tell(&self, command: Command<TcpStream>) {
        self.commands.send(command).await.unwrap();
    }

    /// Another way to tell it something.
    pub fn commands(&self) -> mpsc::Sender<Command<TcpStream>> {
        self.commands.clone()
    }

    /// Waits for an event, and gives what it says.
    pub async fn until<T>(&mut self, what: &str, wanted: impl Fn(&Event) -> Option<T>) -> T {
        soon(what, async {
            loop {
                let event = self.events.recv().await.expect("the driver runs");
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
        })
        .await
    }

    /// Waits until the peer was told everything.
    pub async fn told(&mut self) {
        self.until("the end of the table", |event| matches!(event, Event::Told).then_some(())).await;
    }

    pub async fn status(&self) -> Status {
        let (reply, status) = oneshot::channel();
        self.tell(Command::Inspect(reply)).await;
        soon("the status", status).await.unwrap()
    }

    pub async fn release(self) -> Released<TcpStream> {
        let (reply, released) = oneshot::channel();
        self.tell(Command::Release(reply)).await;
        let released = soon("the session", released).await.unwrap().expect("it is up");
        soon("the task's end", self.task).await.unwrap();
        released
    }

    /// Lets last words be said.
    pub async fn end(self) {
        drop(self.commands);
        soon("the task's end", self.task).await.unwrap();
    }
}
