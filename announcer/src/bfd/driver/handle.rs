//! How others command an endpoint's task.

use thiserror::Error as ThisError;
use tokio::sync::{mpsc, oneshot};

use crate::bfd::discard::Discards;
use crate::bfd::endpoint::{AddError, NoSession, Row, SavedSession, Settings};
use crate::bfd::path::Path;
use crate::bfd::wire::OpenError;

/// Why a command was not carried out.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The session cannot be added.
    #[error(transparent)]
    Add(#[from] AddError),
    /// Its socket cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is no such session.
    #[error(transparent)]
    NoSession(#[from] NoSession),
    /// The task has ended, or is about to.
    #[error("BFD has ended")]
    Ended,
}

/// What an endpoint does, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// One for each session, sorted by path.
    pub rows: Vec<Row>,
    /// Packets that belonged to no session, by reason.
    pub discards: Discards,
}

type Answer<T> = oneshot::Sender<T>;

pub(super) enum Command {
    Add(Path, Settings, Answer<Result<(), Error>>),
    Change(Path, Settings, Answer<Result<(), Error>>),
    SetAdminDown(Path, bool, Answer<Result<(), Error>>),
    Remove(Path, Answer<Result<(), Error>>),
    Report(Answer<Report>),
    TakeOver(Vec<SavedSession>, Answer<Vec<(Path, Error)>>),
    HandOver(Answer<Vec<SavedSession>>),
    Close,
}

/// Commands an endpoint. When the last one is dropped, its task ends without a word to the peers.
#[derive(Debug, Clone)]
pub struct Bfd {
    commands: mpsc::Sender<Command>,
}

impl Bfd {
    pub(super) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Adds a session, which begins at once. That it came up is told as an event.
    ///
    /// # Errors
    /// When there is one on the path, too many, or the socket cannot be opened; trying again later may help.
    pub async fn add(&self, path: Path, settings: Settings) -> Result<(), Error> {
        self.ask(|answer| Command::Add(path, settings, answer)).await?
    }

    /// Changes a session. It stays up; new intervals are agreed with the peer.
    ///
    /// # Errors
    /// When there is no such session.
    pub async fn change(&self, path: Path, settings: Settings) -> Result<(), Error> {
        self.ask(|answer| Command::Change(path, settings, answer)).await?
    }

    /// Takes a session down, so that the peer knows that nothing failed, or lets it come up again.
    ///
    /// # Errors
    /// When there is no such session.
    pub async fn set_admin_down(&self, path: Path, down: bool) -> Result<(), Error> {
        self.ask(|answer| Command::SetAdminDown(path, down, answer)).await?
    }

    /// Ends a session. The peer is told that nothing failed, for at most its detection time, in the background.
    ///
    /// # Errors
    /// When there is no such session.
    pub async fn remove(&self, path: Path) -> Result<(), Error> {
        self.ask(|answer| Command::Remove(path, answer)).await?
    }

    /// What it does.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn report(&self) -> Result<Report, Error> {
        self.ask(Command::Report).await
    }

    /// Goes on with the sessions of another process, as its [`Self::hand_over`] gave them. Gives those that could not be
    /// taken over.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn take_over(&self, saved: Vec<SavedSession>) -> Result<Vec<(Path, Error)>, Error> {
        self.ask(|answer| Command::TakeOver(saved, answer)).await
    }

    /// Gives all sessions away and ends, without a word to the peers. They notice nothing when another process of this
    /// machine takes over within their detection time.
    ///
    /// # Errors
    /// When the task has ended.
    pub async fn hand_over(&self) -> Result<Vec<SavedSession>, Error> {
        self.ask(Command::HandOver).await
    }

    /// Ends all sessions as [`Self::remove`] does; then the task ends.
    pub async fn close(&self) {
        // It has ended already otherwise.
        let _ = self.commands.send(Command::Close).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Error> {
        let (answer, asked) = oneshot::channel();
        self.commands.send(command(answer)).await.map_err(|_| Error::Ended)?;
        asked.await.map_err(|_| Error::Ended)
    }
}
