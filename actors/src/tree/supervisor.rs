//! Starts actors, restarts those that fail, and stops them in an order of ours (ractor's own tree has none).

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::role::Player;
use super::{Line, Role};

/// Waits between a failure and the restart: the first, and the longest.
const WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// An actor that ran for so long is taken for healthy: its next failure waits the first time again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// How long one actor may take to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// The place of an actor in the order of starting; they are stopped the other way round.
pub type Rank = (u8, String);

type Spawning = Pin<Box<dyn Future<Output = Result<ActorCell, SpawnErr>> + Send>>;

/// How to start one actor, as often as it takes.
#[derive(Clone)]
pub struct Child {
    name: &'static str,
    spawn: Arc<dyn Fn(ActorCell) -> Spawning + Send + Sync>,
}

impl Child {
    /// An actor that plays the role that `make` makes, reached by `line`.
    pub fn new<R: Role>(
        name: &'static str,
        line: Line<R::Message>,
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        let spawn = move |supervisor: ActorCell| -> Spawning {
            let player = Player { role: make(), line: line.clone() };
            Box::pin(async move {
                let (actor, _) = Actor::spawn_linked(None, player, (), supervisor).await?;
                Ok(actor.get_cell())
            })
        };
        Self { name, spawn: Arc::new(spawn) }
    }
}

/// What a supervisor is told.
pub enum Order {
    /// Start this, and keep it running.
    Supervise(Rank, Child),
    /// Stop this one; answers when it has stopped.
    Dismiss(Rank, oneshot::Sender<()>),
    /// Start again what failed.
    Restart(Rank),
    /// Stop all, the last first; answers when they have stopped.
    StopAll(oneshot::Sender<()>),
}

struct Kept {
    child: Child,
    cell: Option<ActorCell>,
    started: Instant,
    failures: u32,
}

/// How often each actor failed and was started anew.
pub type RestartCounts = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// The supervisor of a node's actors.
pub struct Supervisor {
    restarts: RestartCounts,
}

/// The actors under a supervisor, by rank.
#[derive(Default)]
pub struct Kin(BTreeMap<Rank, Kept>);

impl Actor for Supervisor {
    type Msg = Order;
    type State = Kin;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Order>, (): ()) -> Result<Kin, ActorProcessingErr> {
        Ok(Kin::default())
    }

    async fn handle(&self, myself: ActorRef<Order>, order: Order, kin: &mut Kin) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Supervise(rank, child) => {
                kin.0.insert(rank.clone(), Kept { child, cell: None, started: Instant::now(), failures: 0 });
                self.start(&myself, &rank, kin).await;
            }
            Order::Restart(rank) => self.start(&myself, &rank, kin).await,
            Order::Dismiss(rank, done) => {
                if let Some(kept) = kin.0.remove(&rank) {
                    stop(kept).await;
                }
                // Whoever asked may not wait for it.
                let _ = done.send(());
            }
            Order::StopAll(done) => {
                while let Some((_, kept)) = kin.0.pop_last() {
                    stop(kept).await;
                }
                let _ = done.send(());
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Order>,
        event: SupervisionEvent,
        kin: &mut Kin,
    ) -> Result<(), ActorProcessingErr> {
        let (cell, reason) = match event {
            SupervisionEvent::ActorFailed(cell, error) => (cell, error.to_string()),
            SupervisionEvent::ActorTerminated(cell, ..) => (cell, "it ended".to_owned()),
            _ => return Ok(()),
        };
        let id = cell.get_id();
        let failed = kin.0.iter_mut().find(|(_, kept)| kept.cell.as_ref().is_some_and(|cell| cell.get_id() == id));
        if let Some((rank, kept)) = failed {
            kept.cell = None;
            self.restart_later(&myself, rank.clone(), kept, &reason);
        }
        Ok(())
    }
}

impl Supervisor {
    async fn start(&self, myself: &ActorRef<Order>, rank: &Rank, kin: &mut Kin) {
        let Some(kept) = kin.0.get_mut(rank).filter(|kept| kept.cell.is_none()) else { return };
        kept.started = Instant::now();
        match (kept.child.spawn)(myself.get_cell()).await {
            Ok(cell) => kept.cell = Some(cell),
            Err(error) => self.restart_later(myself, rank.clone(), kept, &error.to_string()),
        }
    }

    fn restart_later(&self, myself: &ActorRef<Order>, rank: Rank, kept: &mut Kept, reason: &str) {
        if kept.started.elapsed() > HEALTHY_AFTER {
            kept.failures = 0;
        }
        let wait = WAIT.0.saturating_mul(2_u32.saturating_pow(kept.failures.min(16))).min(WAIT.1);
        kept.failures = kept.failures.saturating_add(1);
        *self.restarts.lock().unwrap_or_else(PoisonError::into_inner).entry(kept.child.name).or_default() += 1;
        tracing::error!(actor = kept.child.name, what = rank.1, %reason, ?wait, "an actor failed; it is started anew");
        drop(myself.send_after(wait, move || Order::Restart(rank)));
    }
}

async fn stop(kept: Kept) {
    let Some(cell) = kept.cell else { return };
    if cell.stop_and_wait(None, Some(STOP_PATIENCE)).await.is_err() {
        tracing::warn!(actor = kept.child.name, "an actor did not stop in time");
        cell.kill();
    }
}

/// The door to a supervisor.
#[derive(Clone)]
pub struct Family {
    supervisor: ActorRef<Order>,
    restarts: RestartCounts,
}

impl Family {
    /// A supervisor without actors.
    ///
    /// # Errors
    /// When ractor cannot start it.
    pub async fn new() -> Result<Self, SpawnErr> {
        let restarts = RestartCounts::default();
        let (supervisor, _) = Actor::spawn(None, Supervisor { restarts: Arc::clone(&restarts) }, ()).await?;
        Ok(Self { supervisor, restarts })
    }

    /// Starts an actor and keeps it running.
    pub fn supervise(&self, rank: Rank, child: Child) {
        // Fails only after the supervisor was stopped, and then nothing is to run any more.
        let _ = self.supervisor.send_message(Order::Supervise(rank, child));
    }

    /// Stops one actor and waits for it.
    pub async fn dismiss(&self, rank: Rank) {
        let (done, stopped) = oneshot::channel();
        if self.supervisor.send_message(Order::Dismiss(rank, done)).is_ok() {
            let _ = stopped.await;
        }
    }

    /// Stops all actors, the last of the order first, and the supervisor.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.supervisor.send_message(Order::StopAll(done)).is_ok() {
            let _ = stopped.await;
        }
        self.supervisor.stop(None);
    }

    /// How often each actor failed and was started anew.
    pub fn restarts(&self) -> BTreeMap<&'static str, u64> {
        self.restarts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
