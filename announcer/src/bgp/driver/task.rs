//! The task of one peer.

use std::future::pending;
use std::io;
use std::pin::Pin;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time;

use super::link::{Io, Links};
use super::{Command, Config, Event, Released, Saved, Status};
use crate::BootTime;
use crate::bgp::rib::{OwnAddresses, Profile, SharedRib, Subscription};
use crate::bgp::session::{ConnectionId, ImportError, Input, Output, Session, Stop, Waiting};
use crate::bgp::transport::{Dialer, Stream};

/// Last words of sessions that are being said at the same time at most; more are cut short.
const MAX_LINGERING: usize = 8;

type Dialing<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// The session that is up.
#[derive(Debug)]
struct Up {
    id: ConnectionId,
    subscription: Subscription,
    /// Whether [`Event::Told`] was said.
    told: bool,
}

/// The task of one peer.
pub struct Driver<D: Dialer> {
    session: Session,
    own: OwnAddresses,
    rib: SharedRib,
    dialer: D,
    clock: Box<dyn Fn() -> BootTime + Send>,
    links: Links<D::Stream>,
    dialing: Option<(ConnectionId, Dialing<D::Stream>)>,
    /// A connection of the peer's that the session is being asked about.
    offered: Option<D::Stream>,
    up: Option<Up>,
    lingering: JoinSet<()>,
}

/// Whether the task goes on.
enum Next {
    Go,
    End,
}

impl<D: Dialer> Driver<D> {
    /// A driver for a peer, with the routes of this table. Its session is stopped.
    #[must_use]
    pub fn new(config: Config, rib: SharedRib, dialer: D, clock: impl Fn() -> BootTime + Send + 'static) -> Self {
        let mut session = Session::new(config.settings, config.seed);
        if let Some(until) = config.restarted_until {
            session.restarted(until);
        }
        Self::with(session, config.own, rib, dialer, Box::new(clock))
    }

    fn with(
        session: Session,
        own: OwnAddresses,
        rib: SharedRib,
        dialer: D,
        clock: Box<dyn Fn() -> BootTime + Send>,
    ) -> Self {
        let (links, lingering) = (Links::new(), JoinSet::new());
        Self { session, own, rib, dialer, clock, links, dialing: None, offered: None, up: None, lingering }
    }

    /// A driver that goes on with a session of another process on this node. The table has to be that process's
    /// (`AdjRibOut::resume`), and not changed before all drivers were made.
    ///
    /// # Errors
    /// When the settings do not fit the session any more. The connection is closed then.
    pub fn resume(
        config: Config,
        rib: SharedRib,
        dialer: D,
        clock: impl Fn() -> BootTime + Send + 'static,
        released: Released<D::Stream>,
    ) -> Result<Self, ImportError> {
        let Released { saved, stream } = released;
        let endpoints = saved.session.endpoints;
        let profile = Profile::new(&saved.session.negotiated, config.own.or_session(&endpoints));
        let (session, id) = Session::resume(config.settings, config.seed, saved.session, clock())?;
        let mut driver = Self::with(session, config.own, rib, dialer, Box::new(clock));
        driver.links.insert(id, stream);
        if let Some(link) = driver.links.get_mut(id).filter(|_| !saved.unsent.is_empty()) {
            link.send(saved.unsent);
        }
        let subscription = driver.rib.subscribe(profile, Some(saved.position));
        driver.up = Some(Up { id, subscription, told: true });
        Ok(driver)
    }

    /// Runs until all senders of commands are gone, or the session was given away. A session that was not stopped before is
    /// abandoned: with graceful restart, the peer keeps the routes.
    pub async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command<D::Stream>>,
        mut on_event: impl FnMut(Event) + Send,
    ) {
        self.handle(Input::Tick, &mut on_event);
        while let Next::Go = self.turn(&mut commands, &mut on_event).await {}
        while self.lingering.join_next().await.is_some() {}
    }

    async fn turn(
        &mut self,
        commands: &mut mpsc::Receiver<Command<D::Stream>>,
        on_event: &mut (impl FnMut(Event) + Send),
    ) -> Next {
        self.fill(on_event);
        let deadline = self.session.next_deadline().map(|deadline| deadline.since((self.clock)()));
        let Self { links, dialing, up, lingering, .. } = self;
        tokio::select! {
            biased;
            command = commands.recv() => return self.obey(command, on_event),
            (id, io) = links.next() => self.io(id, io, on_event),
            (id, result) = dialed(dialing) => self.dialed(id, result, on_event),
            () = changed(up.as_ref()) => {}
            Some(_) = lingering.join_next() => {}
            () = sleep(deadline) => self.handle(Input::Tick, on_event),
        }
        Next::Go
    }

    fn obey(&mut self, command: Option<Command<D::Stream>>, on_event: &mut (impl FnMut(Event) + Send)) -> Next {
        match command {
            None => {
                self.handle(Input::Stop(Stop::Abandon), on_event);
                return Next::End;
            }
            Some(Command::Start) => self.handle(Input::Start, on_event),
            Some(Command::Stop(stop)) => self.handle(Input::Stop(stop), on_event),
            Some(Command::Accepted(stream)) => {
                if let Ok(endpoints) = stream.endpoints() {
                    self.offered = Some(stream);
                    self.handle(Input::Accepted(endpoints), on_event);
                    self.offered = None;
                }
            }
            Some(Command::SetOwn(own)) => self.set_own(own),
            Some(Command::Move(rib, moved)) => {
                self.move_to(rib);
                let _ = moved.send(());
            }
            // Whoever asked may have gone.
            Some(Command::Inspect(reply)) => drop(reply.send(self.status())),
            Some(Command::Release(reply)) => {
                let released = self.release();
                let next = if released.is_some() { Next::End } else { Next::Go };
                drop(reply.send(released));
                return next;
            }
        }
        Next::Go
    }

    fn io(&mut self, id: ConnectionId, io: Io, on_event: &mut (impl FnMut(Event) + Send)) {
        match io {
            Io::Read(count) => {
                let buffer = std::mem::take(&mut self.links.buffer);
                self.handle(Input::Received(id, &buffer[..count]), on_event);
                self.links.buffer = buffer;
            }
            Io::Wrote => {
                let idle = self.links.get_mut(id).is_none_or(|link| link.is_idle());
                let waiting = if idle { Waiting::Nothing } else { Waiting::Some };
                self.handle(Input::Wrote(id, waiting), on_event);
            }
            Io::Closed(error) => {
                self.links.remove(id);
                self.handle(Input::Closed(id, error.map(|error| error.to_string())), on_event);
            }
        }
    }

    fn dialed(&mut self, id: ConnectionId, result: io::Result<D::Stream>, on_event: &mut (impl FnMut(Event) + Send)) {
        self.dialing = None;
        match result.and_then(|stream| Ok((stream.endpoints()?, stream))) {
            Ok((endpoints, stream)) => {
                self.links.insert(id, stream);
                self.handle(Input::Connected(id, endpoints), on_event);
            }
            Err(error) => self.handle(Input::ConnectFailed(id, error.to_string()), on_event),
        }
    }

    /// Hands an input to the session and does what it says.
    fn handle(&mut self, input: Input<'_>, on_event: &mut (impl FnMut(Event) + Send)) {
        let outputs = self.session.handle(input, (self.clock)());
        for output in outputs {
            self.act(output, on_event);
        }
    }

    fn act(&mut self, output: Output, on_event: &mut (impl FnMut(Event) + Send)) {
        match output {
            Output::Connect(id) => self.dialing = Some((id, Box::pin(self.dialer.dial()))),
            Output::Accept(id) => {
                if let Some(stream) = self.offered.take() {
                    self.links.insert(id, stream);
                }
            }
            Output::Refuse => self.offered = None,
            Output::Send(id, bytes) => self.send(id, bytes),
            Output::Close(id) => self.close(id),
            Output::Established(id, negotiated) => {
                if let Some(endpoints) = self.session.endpoints() {
                    let profile = Profile::new(&negotiated, self.own.or_session(&endpoints));
                    let subscription = self.rib.subscribe(profile, None);
                    self.up = Some(Up { id, subscription, told: false });
                    on_event(Event::Established(negotiated, endpoints));
                }
            }
            Output::Refresh(family) => {
                if let Some(up) = &self.up {
                    up.subscription.refresh(family);
                    on_event(Event::Refreshed(family));
                }
            }
            Output::Down(failure) => {
                self.up = None;
                on_event(Event::Down(failure));
            }
            Output::AttemptFailed(failure) => on_event(Event::AttemptFailed(failure)),
        }
    }

    fn send(&mut self, id: ConnectionId, bytes: impl Into<bytes::Bytes>) {
        let Some(link) = self.links.get_mut(id) else { return };
        let was_idle = link.is_idle();
        link.send(bytes);
        if was_idle {
            // Gives no outputs: only the time that the peer has to take it begins.
            self.session.handle_waiting(id, (self.clock)());
        }
    }

    fn close(&mut self, id: ConnectionId) {
        self.dialing.take_if(|(dialing, _)| *dialing == id);
        if let Some(link) = self.links.remove(id)
            && !link.is_idle()
            && self.lingering.len() < MAX_LINGERING
        {
            self.lingering.spawn(link.close());
        }
    }

    /// Takes the next UPDATEs from the table, if nothing waits to be written.
    fn fill(&mut self, on_event: &mut (impl FnMut(Event) + Send)) {
        let Some(up) = &mut self.up else { return };
        let id = up.id;
        if !self.links.get_mut(id).is_some_and(|link| link.is_idle()) {
            return;
        }
        if let Some(batch) = up.subscription.pull() {
            self.session.count_updates(batch.updates);
            self.send(id, batch.bytes);
        } else if !up.told {
            up.told = true;
            on_event(Event::Told);
        }
    }

    /// A peer with other next hops is a new one to the table: it gets everything again.
    fn set_own(&mut self, own: OwnAddresses) {
        let before = std::mem::replace(&mut self.own, own);
        let (Some(up), Some((negotiated, _)), Some(endpoints)) =
            (&mut self.up, self.session.established(), self.session.endpoints())
        else {
            return;
        };
        let profile = Profile::new(negotiated, own.or_session(&endpoints));
        // Told again only when a next hop that is in use is another one.
        if profile != Profile::new(negotiated, before.or_session(&endpoints)) {
            up.subscription = self.rib.subscribe(profile, None);
        }
    }

    fn move_to(&mut self, rib: SharedRib) {
        self.rib = rib;
        let (Some(up), Some((negotiated, _)), Some(endpoints)) =
            (&mut self.up, self.session.established(), self.session.endpoints())
        else {
            return;
        };
        let profile = Profile::new(negotiated, self.own.or_session(&endpoints));
        let position = up.subscription.position();
        up.subscription = self.rib.subscribe(profile, position);
    }

    fn status(&self) -> Status {
        Status {
            state: self.session.state(),
            established: self.session.established().map(|(negotiated, since)| (negotiated.clone(), since)),
            endpoints: self.session.endpoints(),
            counters: *self.session.counters(),
            last_failure: self.session.last_failure().cloned(),
            told: self.up.as_ref().is_some_and(|up| up.subscription.is_told()),
        }
    }

    fn release(&mut self) -> Option<Released<D::Stream>> {
        let session = self.session.save()?;
        let up = self.up.take()?;
        let position = up.subscription.position()?;
        let link = self.links.remove(up.id)?;
        let saved = Saved { session, position, unsent: link.unsent() };
        Some(Released { saved, stream: link.stream })
    }
}

async fn dialed<S>(dialing: &mut Option<(ConnectionId, Dialing<S>)>) -> (ConnectionId, io::Result<S>) {
    match dialing {
        Some((id, dialing)) => (*id, dialing.await),
        None => pending().await,
    }
}

async fn changed(up: Option<&Up>) {
    match up {
        Some(up) => up.subscription.changed().await,
        None => pending().await,
    }
}

async fn sleep(time: Option<std::time::Duration>) {
    match time {
        Some(time) => time::sleep(time).await,
        None => pending().await,
    }
}
