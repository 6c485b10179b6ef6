//! The node's BGP sessions: what was decided for it (`advertise`) is told to its routers. An actor around
//! [`Announcer`], which decides, and one driver for each session, which speaks.
//!
//! ```text
//!   applied state ──> Announcer ──> Update ──┬─> addresses held (P8)
//!   files: passwords                         ├─> tables: one for all sessions that are told the same
//!   interfaces, BFD                          └─> sessions: opened, changed, closed
//! ```
//!
//! Nothing here asks for a quorum (P11): a node that starts anew without one tells what its disk says.
//!
//! | file | what |
//! |---|---|
//! | `translate` | what was decided, in the speaker's words |
//! | `desk` | from an update to what is done |
//! | `peer` | one session that runs |
//! | `tables` | which sessions share a table |
//! | `detection` | BFD |
//! | `listeners` | connections that routers open |
//! | `status` | for operators |

mod desk;
mod detection;
mod listeners;
mod peer;
mod status;
mod tables;
mod translate;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use quorumlb_announcer::BootTime;
use quorumlb_announcer::bfd;
use quorumlb_announcer::bgp::driver;
use quorumlb_raft_store::advertise::{Announcer, GracefulShutdown, PeerKey};
use tokio::time::Instant;

use crate::holding::Claimant;
use crate::node::{Follower, Noticed, Shared, nudge};
use crate::ports::{LinkState, World};
use crate::tree::{Alarm, Failure, Line, Role};

pub use status::{BgpStatus, PeerStatus};

use detection::Detection;
use listeners::Listeners;
use peer::Peer;
use tables::Tables;

/// How often what changes by itself is looked at: routers that were not found, addresses that could not be held, counters.
const TICK: Duration = Duration::from_secs(1);

/// After a start, how long the node waits for the group's word before it tells what its disk says.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the keeper of the sessions is told.
#[derive(Clone, Debug)]
pub enum BgpMessage {
    /// The node's part in the group began or ended.
    GroupChanged,
    /// The applied state changed.
    StateChanged,
    /// The files were read.
    Look,
    /// All interfaces as they are now.
    Links(Vec<LinkState>),
    /// Something happened on a session.
    Session {
        /// Of which peer.
        peer: PeerKey,
        /// Which run of it; what an earlier one told late is passed over.
        run: u64,
        /// What.
        event: driver::Event,
    },
    /// BFD came up or went down.
    Detected(bfd::Event),
    /// It is time to look.
    Tick,
}

/// The keeper of the BGP sessions.
pub struct BgpDesk<W: World> {
    shared: Shared<W>,
}

/// What it keeps.
pub struct Speaking<W: World> {
    announcer: Announcer,
    shutdown: GracefulShutdown,
    follow: Option<(Follower, Noticed)>,
    /// Since when there is a state to look at.
    attached: Option<Instant>,
    /// Whether the state may be told: it is the group's, or there is no word of the group.
    ready: bool,
    links: Vec<LinkState>,
    peers: BTreeMap<PeerKey, Peer<W>>,
    tables: Tables,
    detection: Detection,
    listeners: Listeners<W>,
    /// Addresses that could not be held, and when to try again.
    failed: BTreeMap<IpAddr, Instant>,
    /// Addresses that are told no more, and until when they are held.
    lingering: BTreeMap<IpAddr, Instant>,
    /// An earlier run of this node may have had the sessions.
    restarted: bool,
    /// What it held has not been looked through yet.
    leftovers: bool,
    started: BootTime,
    runs: u64,
    tick: Alarm,
}

impl<W: World> BgpDesk<W> {
    /// A keeper for this node.
    pub fn new(shared: Shared<W>) -> Self {
        Self { shared }
    }

    fn now(&self) -> BootTime {
        boot_time(self.shared.world.boot_now())
    }

    fn attach(&self, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        let part = self.shared.part();
        speaking.follow = part.map(|part| nudge(part.view(), me, BgpMessage::StateChanged));
        // Without a part in the group what was told goes on being told.
        if speaking.follow.is_some() {
            speaking.attached = Some(Instant::now());
            speaking.ready = false;
        }
    }

    /// Right after a start the state may be that of long ago: the group's word is waited for, but not for ever.
    fn is_ready(&self, speaking: &mut Speaking<W>) -> bool {
        let Some(part) = self.shared.part() else { return false };
        let waited = speaking.attached.is_some_and(|since| since.elapsed() >= PATIENCE);
        speaking.ready |= part.is_caught_up() || waited;
        speaking.ready && part.view().read(|state| state.config.is_some())
    }

    /// What an earlier run held for routers is held on until this one knows better.
    async fn adopt_holds(&self, speaking: &mut Speaking<W>) {
        match self.shared.world.held().await {
            Ok(held) => {
                speaking.restarted = !held.is_empty();
                self.shared.holding.adopt(Claimant::Bgp, held).await;
            }
            Err(error) => tracing::warn!(%error, "what an earlier run left on the loopback is not known"),
        }
    }

    fn session_event(&self, peer: &PeerKey, run: u64, event: driver::Event, speaking: &mut Speaking<W>) {
        let Speaking { peers, links, .. } = speaking;
        let Some(running) = peers.get_mut(peer).filter(|peer| peer.run() == Some(run)) else { return };
        running.note(event, links);
    }

    async fn detected(&self, event: bfd::Event, speaking: &mut Speaking<W>) {
        let Some(peer) = speaking.detection.peer_of(&event.path).cloned() else { return };
        let Some(running) = speaking.peers.get_mut(&peer) else { return };
        if let bfd::Change::Down { reason, .. } = event.change
            && reason.is_failure()
        {
            running.lost().await;
        }
    }
}

fn boot_time(time: quorumlb_raft_store::session::BootTime) -> BootTime {
    BootTime::from_boot(time.0)
}

impl<W: World> Role for BgpDesk<W> {
    type Message = BgpMessage;
    type State = Speaking<W>;

    async fn start(&self, me: &Line<BgpMessage>) -> Result<Speaking<W>, Failure> {
        let mut speaking = Speaking {
            announcer: Announcer::new(self.shared.me.clone()),
            shutdown: GracefulShutdown::new(GracefulShutdown::GRACE),
            follow: None,
            attached: None,
            ready: false,
            links: Vec::new(),
            peers: BTreeMap::new(),
            tables: Tables::default(),
            detection: Detection::default(),
            listeners: Listeners::default(),
            failed: BTreeMap::new(),
            lingering: BTreeMap::new(),
            restarted: false,
            leftovers: true,
            started: self.now(),
            runs: 0,
            tick: Alarm::default(),
        };
        self.adopt_holds(&mut speaking).await;
        self.attach(me, &mut speaking);
        speaking.tick.set(me, Duration::ZERO, BgpMessage::Tick);
        Ok(speaking)
    }

    async fn handle(
        &self,
        me: &Line<BgpMessage>,
        message: BgpMessage,
        speaking: &mut Speaking<W>,
    ) -> Result<(), Failure> {
        match message {
            BgpMessage::GroupChanged => self.attach(me, speaking),
            BgpMessage::StateChanged => {
                if let Some((_, noticed)) = &speaking.follow {
                    noticed.take();
                }
                self.look(me, speaking).await;
            }
            BgpMessage::Look => self.settle_all(me, speaking).await,
            BgpMessage::Links(links) => {
                speaking.links = links;
                self.settle_all(me, speaking).await;
            }
            BgpMessage::Session { peer, run, event } => {
                self.session_event(&peer, run, event, speaking);
                self.publish(speaking).await;
            }
            BgpMessage::Detected(event) => {
                self.detected(event, speaking).await;
                self.publish(speaking).await;
            }
            BgpMessage::Tick => {
                self.look(me, speaking).await;
                self.settle_all(me, speaking).await;
                self.let_go_of_what_lingered(speaking).await;
                self.publish(speaking).await;
                speaking.tick.set(me, TICK, BgpMessage::Tick);
            }
        }
        Ok(())
    }

    async fn stop(&self, speaking: &mut Speaking<W>) {
        self.say_goodbye(speaking).await;
    }
}
