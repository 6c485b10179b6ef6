//! One session that a node keeps, and the driver that speaks for it.

use std::sync::Arc;

use quorumlb_announcer::bfd::{self, Path};
use quorumlb_announcer::bgp::driver::{self, Command, Config, Driver};
use quorumlb_announcer::bgp::rib::{OwnAddresses, SharedRib};
use quorumlb_announcer::bgp::session::{Negotiated, Stop};
use quorumlb_announcer::bgp::transport::Target;
use quorumlb_raft_store::advertise::{PeerKey, Session};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::tables::TableId;
use super::{BgpMessage, translate};
use crate::ports::{LinkState, Routers, World};
use crate::tree::Line;

/// Commands that may wait for a driver. It takes them at once.
const COMMANDS: usize = 16;

type Stream<W> = <W as Routers>::Stream;

/// A session that a node keeps.
pub(super) struct Peer<W: World> {
    pub session: Session,
    pub table: TableId,
    pub stand: Stand<W>,
    /// How it stood when it was last looked at.
    pub seen: Option<driver::Status>,
}

/// Whether it runs.
pub(super) enum Stand<W: World> {
    /// It cannot yet, and why.
    Waiting(String),
    /// It does.
    Running(Box<Running<W>>),
}

/// All that a driver is made from: with another of these it has to begin anew.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub settings: quorumlb_announcer::bgp::session::Settings,
    pub target: Target,
}

/// A driver at work.
pub(super) struct Running<W: World> {
    pub run: u64,
    pub plan: Plan,
    pub detection: Option<(Path, bfd::Settings)>,
    /// Why there is no BFD; empty when there is, or none is wanted.
    pub no_detection: String,
    pub commands: mpsc::Sender<Command<Stream<W>>>,
    pub task: JoinHandle<()>,
    pub up: Option<Arc<Negotiated>>,
    own: OwnAddresses,
}

/// What a driver is started with.
pub(super) struct Start<'a, W: World> {
    pub world: &'a W,
    pub me: &'a Line<BgpMessage>,
    pub peer: &'a PeerKey,
    pub run: u64,
    pub plan: Plan,
    pub rib: SharedRib,
    pub own: OwnAddresses,
    pub restarted_until: Option<quorumlb_announcer::BootTime>,
}

impl<W: World> Running<W> {
    /// Starts a driver.
    pub fn start(start: Start<'_, W>) -> Self {
        let Start { world, me, peer, run, plan, rib, own, restarted_until } = start;
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let config = Config { settings: plan.settings.clone(), own, seed: world.random(), restarted_until };
        let clock = world.clone();
        let driver =
            Driver::new(config, rib, world.dialer(plan.target.clone()), move || super::boot_time(clock.boot_now()));
        let (line, peer) = (me.clone(), peer.clone());
        let task = tokio::spawn(driver.run(receiver, move |event| {
            line.answer(BgpMessage::Session { peer: peer.clone(), run, event });
        }));
        let running = Self { run, plan, detection: None, no_detection: String::new(), commands, task, up: None, own };
        running.say(Command::Start);
        running
    }

    /// A driver takes commands at once; one that does not has ended.
    fn say(&self, command: Command<Stream<W>>) {
        let _ = self.commands.try_send(command);
    }

    /// Ends the session, and the driver after its last words.
    pub fn end(self, stop: Stop) -> JoinHandle<()> {
        self.say(Command::Stop(stop));
        self.task
    }

    async fn inspect(&self) -> Option<driver::Status> {
        let (reply, asked) = oneshot::channel();
        self.say(Command::Inspect(reply));
        asked.await.ok()
    }
}

impl<W: World> Peer<W> {
    /// Which run of a driver it has.
    pub fn run(&self) -> Option<u64> {
        self.running().map(|running| running.run)
    }

    pub fn running(&self) -> Option<&Running<W>> {
        match &self.stand {
            Stand::Running(running) => Some(running),
            Stand::Waiting(_) => None,
        }
    }

    /// What was agreed on, while the session is up.
    pub fn up(&self) -> Option<&Negotiated> {
        self.running()?.up.as_deref()
    }

    /// Something happened on the session.
    pub fn note(&mut self, event: driver::Event, links: &[LinkState]) {
        let name = &self.session.peer.1;
        let Stand::Running(running) = &mut self.stand else { return };
        match event {
            driver::Event::Established(negotiated, endpoints) => {
                let (router, asn) = (endpoints.remote.ip(), negotiated.peer_as);
                tracing::info!(peer = %name, %router, asn, "BGP session established");
                running.own = translate::own_addresses(links, endpoints.local.ip().to_canonical());
                running.say(Command::SetOwn(running.own));
                running.up = Some(negotiated);
            }
            driver::Event::Down(failure) => {
                tracing::warn!(peer = %name, why = %failure, "BGP session down");
                running.up = None;
            }
            driver::Event::AttemptFailed(failure) => {
                tracing::debug!(peer = %name, why = %failure, "no BGP session");
            }
            driver::Event::Told | driver::Event::Refreshed(_) => {}
        }
    }

    /// BFD says that the router cannot be reached: its routes go at once, and the session begins anew.
    pub async fn lost(&self) {
        if let Some(running) = self.running() {
            running.say(Command::Stop(Stop::BfdDown));
            running.say(Command::Start);
        }
    }

    /// It is told from another table from now on, and goes on where it stands.
    pub async fn move_to(&self, rib: SharedRib) {
        if let Some(running) = self.running() {
            let (moved, done) = oneshot::channel();
            running.say(Command::Move(rib, moved));
            // A driver that has ended is told from no table.
            let _ = done.await;
        }
    }

    /// Looks how it stands.
    pub async fn look(&mut self) {
        let seen = match self.running() {
            Some(running) => running.inspect().await,
            None => None,
        };
        self.seen = seen.or(self.seen.take());
    }
}
