//! From what was decided to what is done: addresses first (P8), then routes, then sessions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnetwork::IpNetwork;
use quorumlb_announcer::bgp::session::Stop;
use quorumlb_announcer::bgp::transport::Password;
use quorumlb_raft_store::advertise::{GracefulShutdown, PeerKey, RouteChange, Session, SessionChange, Update};
use quorumlb_raft_store::machine::State;
use quorumlb_raft_store::model::BgpRemote;
use tokio::time::{Instant, sleep, timeout};

use super::peer::{Peer, Plan, Running, Stand, Start};
use super::tables::TableId;
use super::translate::{self, Found};
use super::{BgpDesk, BgpMessage, BgpStatus, Speaking};
use crate::holding::Claimant;
use crate::ports::World;
use crate::tree::Line;

/// Addresses that are held together.
const HOLD_BATCH: usize = 64;

/// An address that could not be held is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// How long an address is held after it is told no more: routers take a moment to turn.
const LINGER: Duration = Duration::from_secs(3);

/// How long sessions that end may take for their last words.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl<W: World> BgpDesk<W> {
    /// Brings what is told up to the state.
    pub(super) async fn look(&self, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        if !self.is_ready(speaking) {
            return;
        }
        let Some(part) = self.shared.part() else { return };
        let now = Duration::from_nanos(u64::try_from(self.shared.world.boot_now().0.as_nanos()).unwrap_or(u64::MAX));
        let update = part.view().read(|state| {
            let draining = state.members.get(&self.shared.me).is_some_and(|member| member.draining);
            speaking.shutdown.follow(draining, now);
            let phase = speaking.shutdown.phase(now);
            let entered = match phase == speaking.announcer.phase() {
                true => Update::default(),
                false => speaking.announcer.set_phase(phase),
            };
            let retried = again(speaking, state);
            let followed = speaking.announcer.follow(state);
            [entered, retried, followed].into_iter().fold(Update::default(), merge)
        });
        if !update.is_empty() {
            self.carry_out(update, me, speaking).await;
        }
    }

    async fn carry_out(&self, mut update: Update, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        let failed = self.hold(&update, speaking).await;
        if !failed.is_empty()
            && let Some(part) = self.shared.part()
        {
            let until = Instant::now() + TRY_AGAIN;
            speaking.failed.extend(failed.into_iter().map(|address| (address, until)));
            let unprogrammed = speaking.failed.keys().copied().collect();
            let without = part.view().read(|state| speaking.announcer.set_unprogrammed(state, unprogrammed));
            update = merge(update, without);
        }
        self.part_ways(speaking).await;
        for (table, changes) in of_tables(&update.routes, &speaking.peers) {
            speaking.tables.change(table, &changes);
        }
        for (peer, change) in std::mem::take(&mut update.sessions) {
            self.session(peer, change, me, speaking).await;
        }
        let until = Instant::now() + LINGER;
        speaking.lingering.extend(update.addresses.ended.iter().map(|address| (*address, until)));
        speaking.failed.retain(|address, _| !update.addresses.ended.contains(address));
        let used: BTreeSet<TableId> = speaking.peers.values().map(|peer| peer.table).collect();
        speaking.tables.keep(|table| used.contains(&table));
        self.publish(speaking).await;
    }

    /// Has the addresses held that are to be told from now on. Gives those that cannot be.
    async fn hold(&self, update: &Update, speaking: &mut Speaking<W>) -> Vec<IpAddr> {
        let Some(part) = self.shared.part() else { return Vec::new() };
        // Cluster and external IPs are not from a pool: whoever runs them takes their packets.
        let granted = |state: &State| {
            let began = update.addresses.began.iter().copied();
            began.filter(|address| state.book.users_of(*address).next().is_some()).collect::<Vec<IpAddr>>()
        };
        let began = part.view().read(granted);
        let mut failed = Vec::new();
        for batch in began.chunks(HOLD_BATCH) {
            speaking.lingering.retain(|address, _| !batch.contains(address));
            let held = self.shared.holding.hold(&self.shared.world, Claimant::Bgp, batch).await;
            match held {
                Ok(refused) => failed.extend(refused),
                Err(why) => failed.extend(batch.iter().map(|address| (*address, why.clone()))),
            }
        }
        if let Some((address, why)) = failed.first() {
            let count = failed.len();
            tracing::error!(%address, %why, count, "packets for an address cannot be taken: routers are not told of it");
        }
        failed.into_iter().map(|(address, _)| address).collect()
    }

    /// Sessions that share a table and are not told the same any more get tables of their own.
    async fn part_ways(&self, speaking: &mut Speaking<W>) {
        let mut leaders: BTreeMap<TableId, usize> = BTreeMap::new();
        let mut copies: BTreeMap<(TableId, usize), TableId> = BTreeMap::new();
        for (key, peer) in &mut speaking.peers {
            let Some(audience) = speaking.announcer.audience(key) else { continue };
            let leader = *leaders.entry(peer.table).or_insert(audience);
            if leader == audience {
                continue;
            }
            let from = peer.table;
            peer.table = *copies.entry((from, audience)).or_insert_with(|| speaking.tables.copy(from));
            if let Some(rib) = speaking.tables.get(peer.table) {
                peer.move_to(rib.clone()).await;
            }
        }
    }

    async fn session(&self, key: PeerKey, change: SessionChange, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        match change {
            SessionChange::Closed => {
                if let Some(peer) = speaking.peers.remove(&key) {
                    tracing::info!(peer = %key.1, "the BGP session is not wanted any more");
                    self.end(&key, peer.stand, Stop::Deconfigured, me, speaking).await;
                }
            }
            SessionChange::Opened(session) => {
                let table = self.table_for(&key, speaking);
                let stand = Stand::Waiting("it was just configured".to_owned());
                speaking.peers.insert(key.clone(), Peer { session: *session, table, stand, seen: None });
                self.settle(&key, me, speaking).await;
            }
            SessionChange::Changed(session) => {
                if let Some(peer) = speaking.peers.get_mut(&key) {
                    peer.session = *session;
                    self.settle(&key, me, speaking).await;
                }
            }
        }
    }

    /// The table of sessions that are told the same, or a new one.
    fn table_for(&self, key: &PeerKey, speaking: &mut Speaking<W>) -> TableId {
        let Speaking { announcer, peers, tables, .. } = speaking;
        let audience = announcer.audience(key);
        let same = peers.iter().find(|(other, _)| audience.is_some() && announcer.audience(other) == audience);
        same.map(|(_, peer)| peer.table).unwrap_or_else(|| tables.open(announcer.table(key)))
    }

    pub(super) async fn settle_all(&self, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        let keys: Vec<PeerKey> = speaking.peers.keys().cloned().collect();
        for key in keys {
            self.settle(&key, me, speaking).await;
        }
    }

    /// Has a session run as it is to, or says why it cannot.
    async fn settle(&self, key: &PeerKey, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        let Some(session) = speaking.peers.get(key).map(|peer| peer.session.clone()) else { return };
        let wanted = match self.find(&session, speaking).await {
            Ok(found) => self.plan(&session, found).map(|plan| (plan, found)),
            Err(why) => Err(why),
        };
        let (plan, found) = match wanted {
            Ok(wanted) => wanted,
            // A router that is looked for stays the one that was found until there is another.
            Err(_) if self.keeps_running(key, &session, speaking) => return,
            Err(why) => return self.wait(key, why, me, speaking).await,
        };
        let present = speaking.peers.get(key).and_then(Peer::running).map(|running| running.plan.clone());
        if present.as_ref() != Some(&plan) {
            self.begin(key, plan, me, speaking).await;
        }
        let detection = translate::detection(&session, found);
        let set = match detection {
            Ok(wanted) => speaking.detection.set(&self.shared.world, me, key, wanted).await.map(|()| wanted),
            Err(why) => Err(why),
        };
        if let Some(Peer { stand: Stand::Running(running), .. }) = speaking.peers.get_mut(key) {
            match set {
                Ok(detection) => (running.detection, running.no_detection) = (detection, String::new()),
                Err(why) => {
                    if running.no_detection != why {
                        tracing::warn!(peer = %key.1, %why, "no BFD with the router");
                    }
                    running.no_detection = why;
                }
            }
        }
    }

    fn keeps_running(&self, key: &PeerKey, session: &Session, speaking: &Speaking<W>) -> bool {
        !matches!(session.remote, BgpRemote::Address(_))
            && speaking.peers.get(key).is_some_and(|peer| peer.up().is_some())
    }

    async fn find(&self, session: &Session, speaking: &Speaking<W>) -> Result<Found, String> {
        let world = &self.shared.world;
        match &session.remote {
            BgpRemote::Address(address) => {
                let on_link = translate::is_on_link(&speaking.links, *address);
                Ok(Found { address: *address, interface: None, on_link })
            }
            BgpRemote::Interface(name) => {
                let (address, index) = world.router_on(name).await?;
                Ok(Found { address, interface: Some(index), on_link: true })
            }
            BgpRemote::DefaultGateway(family) => {
                let (address, index) = world.gateway(*family).await?;
                Ok(Found { address, interface: Some(index), on_link: true })
            }
        }
    }

    fn plan(&self, session: &Session, found: Found) -> Result<Plan, String> {
        let settings = translate::settings(session)?;
        let password = match &session.password {
            None => None,
            Some(reference) => {
                let known = self.shared.known();
                let value = known.secrets.get(reference).ok_or_else(|| {
                    format!(
                        "the files of this node have no Secret {}/{} with a key {:?}",
                        reference.namespace, reference.name, reference.key
                    )
                })?;
                Some(Password::new(value).map_err(|error| error.to_string())?)
            }
        };
        Ok(Plan { settings, target: translate::target(session, found, password) })
    }

    async fn wait(&self, key: &PeerKey, why: String, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        let Some(peer) = speaking.peers.get_mut(key) else { return };
        if let Stand::Waiting(known) = &peer.stand
            && *known == why
        {
            return;
        }
        tracing::warn!(peer = %key.1, %why, "no BGP session yet");
        let before = std::mem::replace(&mut peer.stand, Stand::Waiting(why));
        let text = "it cannot go on as configured".to_owned();
        self.end(key, before, Stop::Shutdown { text }, me, speaking).await;
    }

    /// Starts a driver, in place of one that was made for something else.
    async fn begin(&self, key: &PeerKey, plan: Plan, me: &Line<BgpMessage>, speaking: &mut Speaking<W>) {
        let Some(peer) = speaking.peers.get_mut(key) else { return };
        let (table, restart) = (peer.table, peer.session.graceful_restart_seconds);
        let before = std::mem::replace(&mut peer.stand, Stand::Waiting("it begins anew".to_owned()));
        let text = "the configuration changed".to_owned();
        if let Some(ended) = self.end(key, before, Stop::Reset { text }, me, speaking).await {
            // The router must see the end of one session before the next one.
            let _ = timeout(LAST_WORDS, ended).await;
        }
        let Some(rib) = speaking.tables.get(table).cloned() else { return };
        speaking.runs += 1;
        let own = translate::own_towards(&speaking.links, plan.target.peer.ip());
        let restarted = restart.filter(|_| speaking.restarted);
        let start = Start {
            world: &self.shared.world,
            me,
            peer: key,
            run: speaking.runs,
            plan,
            rib,
            own,
            restarted_until: restarted.map(|time| speaking.started + Duration::from_secs(time.into())),
        };
        let running = Running::start(start);
        let listening = speaking.peers.get(key).and_then(|peer| peer.session.listen_port);
        if let Some(port) = listening {
            let (target, commands) = (&running.plan.target, running.commands.clone());
            if let Err(why) = speaking.listeners.expect(&self.shared.world, port, target, commands) {
                tracing::warn!(peer = %key.1, %why, "the router cannot open the BGP session; this node still can");
            }
        }
        if let Some(peer) = speaking.peers.get_mut(key) {
            peer.stand = Stand::Running(Box::new(running));
        }
    }

    async fn end(
        &self,
        key: &PeerKey,
        stand: Stand<W>,
        stop: Stop,
        me: &Line<BgpMessage>,
        speaking: &mut Speaking<W>,
    ) -> Option<tokio::task::JoinHandle<()>> {
        let Stand::Running(running) = stand else { return None };
        speaking.listeners.forget(running.plan.target.peer.ip());
        if !matches!(stop, Stop::Reset { .. }) {
            // Ending a session never fails.
            let _ = speaking.detection.set(&self.shared.world, me, key, None).await;
        }
        Some(running.end(stop))
    }

    pub(super) async fn let_go_of_what_lingered(&self, speaking: &mut Speaking<W>) {
        let now = Instant::now();
        let due: Vec<IpAddr> =
            speaking.lingering.iter().filter(|(_, until)| **until <= now).map(|(address, _)| *address).collect();
        speaking.lingering.retain(|_, until| *until > now);
        let stale = self.leftovers(speaking).await;
        let due: Vec<IpAddr> = due.into_iter().chain(stale).collect();
        if !due.is_empty()
            && let Err(error) = self.shared.holding.let_go(&self.shared.world, Claimant::Bgp, &due).await
        {
            tracing::warn!(%error, "the loopback still holds addresses that no router is told of");
        }
    }

    /// What an earlier run held and this one does not tell, once it knows what it tells.
    async fn leftovers(&self, speaking: &mut Speaking<W>) -> Vec<IpAddr> {
        if !speaking.ready || !std::mem::take(&mut speaking.leftovers) {
            return Vec::new();
        }
        let told: BTreeSet<IpAddr> = speaking.announcer.addresses().collect();
        let held = self.shared.holding.of(Claimant::Bgp).await;
        held.into_iter().filter(|address| !told.contains(address)).collect()
    }

    /// A planned stop. Routers that keep the routes over a restart hear nothing, and packets are taken on; to the others the
    /// node first says that it will go, and then goes.
    pub(super) async fn say_goodbye(&self, speaking: &mut Speaking<W>) {
        let stays = |peer: &Peer<W>| peer.up().is_some_and(|up| up.graceful_restart);
        let staying: BTreeSet<TableId> =
            speaking.peers.values().filter(|peer| stays(peer)).map(|peer| peer.table).collect();
        let going: BTreeSet<TableId> = speaking
            .peers
            .values()
            .filter(|peer| peer.up().is_some() && !staying.contains(&peer.table))
            .map(|peer| peer.table)
            .collect();
        for table in going.iter().filter_map(|table| speaking.tables.get(*table)) {
            table.update(|table| table.set_draining(true));
        }
        if !going.is_empty() {
            sleep(GracefulShutdown::GRACE).await;
        }
        let mut ended = Vec::new();
        for peer in std::mem::take(&mut speaking.peers).into_values() {
            let stop = if stays(&peer) { Stop::Abandon } else { Stop::Shutdown { text: "this node stops".to_owned() } };
            if let Stand::Running(running) = peer.stand {
                ended.push(running.end(stop));
            }
        }
        speaking.detection.end().await;
        for task in ended {
            let _ = timeout(LAST_WORDS, task).await;
        }
        if staying.is_empty() {
            let held: Vec<IpAddr> = self.shared.holding.of(Claimant::Bgp).await.into_iter().collect();
            // The process ends: what stays is found by the next run.
            let _ = self.shared.holding.let_go(&self.shared.world, Claimant::Bgp, &held).await;
        }
    }

    pub(super) async fn publish(&self, speaking: &mut Speaking<W>) {
        for peer in speaking.peers.values_mut() {
            peer.look().await;
        }
        let detection = speaking.detection.report().await;
        let status = BgpStatus::of(speaking, detection.as_ref(), self.now());
        self.shared.board.update(|board| board.bgp = status);
    }
}

/// Addresses that could not be held are told, and so tried, again.
fn again<W: World>(speaking: &mut Speaking<W>, state: &State) -> Update {
    let now = Instant::now();
    let before = speaking.failed.len();
    speaking.failed.retain(|_, until| *until > now);
    if speaking.failed.len() == before {
        return Update::default();
    }
    let unprogrammed = speaking.failed.keys().copied().collect();
    speaking.announcer.set_unprogrammed(state, unprogrammed)
}

/// One update after another as one: of a route, what was said last.
fn merge(mut first: Update, second: Update) -> Update {
    for (peer, changes) in second.routes {
        let routes = match first.routes.remove(&peer) {
            None => changes,
            Some(earlier) => {
                let all = earlier.iter().chain(changes.iter());
                let last: BTreeMap<IpNetwork, RouteChange> = all.map(|one| (one.prefix, one.clone())).collect();
                last.into_values().collect()
            }
        };
        first.routes.insert(peer, routes);
    }
    first.sessions.extend(second.sessions);
    for address in second.addresses.began {
        if !first.addresses.ended.remove(&address) {
            first.addresses.began.insert(address);
        }
    }
    for address in second.addresses.ended {
        if !first.addresses.began.remove(&address) {
            first.addresses.ended.insert(address);
        }
    }
    first
}

/// The changes of each table: those of any of the sessions that are told from it, since they are told the same.
fn of_tables<W: World>(
    routes: &BTreeMap<PeerKey, Arc<[RouteChange]>>,
    peers: &BTreeMap<PeerKey, Peer<W>>,
) -> BTreeMap<TableId, Arc<[RouteChange]>> {
    let of = |(key, changes): (&PeerKey, &Arc<[RouteChange]>)| Some((peers.get(key)?.table, Arc::clone(changes)));
    routes.iter().filter_map(of).collect()
}
