//! An endpoint with its wire and its timer, in one task.
//!
//! Before it lets time pass, the task reads what has come: when it was held up, packets that wait in the sockets still speak
//! for their sessions.

mod handle;
mod outbox;

use rand::Rng;
use tokio::sync::mpsc;

use self::handle::Command;
pub use self::handle::{Bfd, Error, Report};
pub use self::outbox::Event;
use self::outbox::Outbox;
use super::endpoint::{Action, Endpoint, SavedSession, Settings};
use super::path::Path;
use super::session::Change;
use super::wire::{OpenError, Timer, Wire};

/// Datagrams that are read before time passes.
const BATCH: usize = 256;
/// Commands that wait.
const COMMANDS: usize = 64;
/// Events that wait to be taken, beside those that the task keeps.
const EVENTS: usize = 64;
/// Source ports that are tried: each is in use by chance only.
const PORT_TRIES: usize = 16;

/// The task of an endpoint. It ends when [`Bfd::close`] or [`Bfd::hand_over`] is done, or when no [`Bfd`] is left; in the
/// last case nothing is said to the peers.
pub struct Driver<W, T> {
    endpoint: Endpoint,
    wire: W,
    timer: T,
    randomness: Box<dyn Rng + Send>,
    commands: mpsc::Receiver<Command>,
    outbox: Outbox,
    closing: bool,
}

/// Whether the task goes on.
#[derive(PartialEq, Eq)]
enum Flow {
    On,
    End,
}

impl<W: Wire, T: Timer> Driver<W, T> {
    /// An endpoint without sessions: what commands it, what it tells, and its task, which has to be run. Randomness is for
    /// discriminators, which must be hard to guess, for source ports and for jitter.
    pub fn new(wire: W, timer: T, randomness: Box<dyn Rng + Send>) -> (Bfd, mpsc::Receiver<Event>, Self) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let (events, receiver) = mpsc::channel(EVENTS);
        let outbox = Outbox::new(events);
        let driver = Self { endpoint: Endpoint::default(), wire, timer, randomness, commands, outbox, closing: false };
        (Bfd::new(sender), receiver, driver)
    }

    /// Runs the sessions. Needs a runtime with I/O and time.
    pub async fn run(mut self) {
        loop {
            let more = self.read();
            let actions = self.endpoint.tick(self.timer.now(), &mut *self.randomness);
            self.act(actions);
            if self.closing && self.endpoint.is_empty() && self.outbox.is_empty() {
                return;
            }
            if more {
                tokio::task::yield_now().await;
            }
            if self.wait(more).await == Flow::End {
                return;
            }
        }
    }

    /// Waits for anything to do. With more to read it only takes a command that is there.
    async fn wait(&mut self, more: bool) -> Flow {
        let deadline = self.endpoint.next_deadline();
        tokio::select! {
            biased;
            command = self.commands.recv() => match command {
                Some(command) => self.command(command),
                None => Flow::End,
            },
            () = self.outbox.deliver(), if !self.outbox.is_empty() => Flow::On,
            () = std::future::ready(()), if more => Flow::On,
            () = self.timer.wait_until(deadline) => Flow::On,
            () = self.wire.readable() => Flow::On,
        }
    }

    fn read(&mut self) -> bool {
        let now = self.timer.now();
        let Self { endpoint, wire, randomness, .. } = self;
        let mut actions = Vec::new();
        let more = wire.receive(BATCH, &mut |arrival, datagram| {
            actions.extend(endpoint.receive(arrival, datagram, now, &mut **randomness));
        });
        self.act(actions);
        more
    }

    fn act(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Send(id, bytes) => {
                    if let Err(error) = self.wire.send(id, &bytes) {
                        tracing::debug!(discriminator = id.get(), "a BFD packet was not sent: {error}");
                        self.endpoint.note_send_error(id, error.to_string());
                    }
                }
                Action::Changed(path, change) => {
                    match change {
                        Change::Up => tracing::info!("BFD with {path} is up"),
                        Change::Down { reason, peer_diagnostic, .. } => {
                            tracing::warn!("BFD with {path} is down: {reason} (its diagnostic: {peer_diagnostic})");
                        }
                    }
                    self.outbox.push(Event { path, change, at: self.timer.now() });
                }
                Action::Closed(id) => self.wire.close(id),
            }
        }
    }

    fn command(&mut self, command: Command) -> Flow {
        let now = self.timer.now();
        let randomness = &mut *self.randomness;
        // Whoever asked may have gone; then nobody needs the answer.
        match command {
            Command::Add(path, settings, answer) => drop(answer.send(self.add(path, settings))),
            Command::Change(path, settings, answer) => {
                let result = self.endpoint.change(&path, settings, now, randomness);
                drop(answer.send(result.map(|actions| self.act(actions)).map_err(Error::from)));
            }
            Command::SetAdminDown(path, down, answer) => {
                let result = self.endpoint.set_admin_down(&path, down, now, randomness);
                drop(answer.send(result.map(|actions| self.act(actions)).map_err(Error::from)));
            }
            Command::Remove(path, answer) => {
                let result = self.endpoint.remove(&path, now, randomness);
                drop(answer.send(result.map(|actions| self.act(actions)).map_err(Error::from)));
            }
            Command::Report(answer) => {
                let report = Report { rows: self.endpoint.rows(), discards: self.endpoint.discards().clone() };
                drop(answer.send(report));
            }
            Command::TakeOver(saved, answer) => drop(answer.send(self.take_over(&saved))),
            Command::HandOver(answer) => return self.hand_over(answer),
            Command::Close => self.close(),
        }
        Flow::On
    }

    fn add(&mut self, path: Path, settings: Settings) -> Result<(), Error> {
        if self.closing {
            return Err(Error::Ended);
        }
        self.endpoint.has_room(&path)?;
        let id = self.endpoint.draw_discriminator(&mut *self.randomness);
        let mut tries = 0;
        let port = loop {
            let port = self.endpoint.draw_source_port(&mut *self.randomness);
            match self.wire.open(id, &path, port) {
                Ok(()) => break port,
                Err(OpenError::SourcePortInUse(_)) if tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error.into()),
            }
        };
        let actions = self.endpoint.add(path, settings, id, port, self.timer.now())?;
        self.act(actions);
        Ok(())
    }

    /// Those that cannot go on, with the reason.
    fn take_over(&mut self, saved: &[SavedSession]) -> Vec<(Path, Error)> {
        let mut failed = Vec::new();
        for session in saved {
            if let Err(error) = self.take_over_one(session) {
                failed.push((session.path, error));
            }
        }
        failed
    }

    fn take_over_one(&mut self, saved: &SavedSession) -> Result<(), Error> {
        self.endpoint.has_room(&saved.path)?;
        let id = saved.session.discriminator;
        self.wire.open(id, &saved.path, saved.source_port)?;
        match self.endpoint.restore(saved, self.timer.now()) {
            Ok(actions) => self.act(actions),
            Err(error) => {
                self.wire.close(id);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// The sockets are closed before the answer, so that the next process can open them.
    fn hand_over(&mut self, answer: tokio::sync::oneshot::Sender<Vec<SavedSession>>) -> Flow {
        self.read();
        let saved = self.endpoint.save();
        for id in self.endpoint.discriminators() {
            self.wire.close(id);
        }
        self.endpoint = Endpoint::default();
        drop(answer.send(saved));
        Flow::End
    }

    fn close(&mut self) {
        self.closing = true;
        for row in self.endpoint.rows() {
            let removed = self.endpoint.remove(&row.path, self.timer.now(), &mut *self.randomness);
            // One that closes already is not found.
            self.act(removed.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
