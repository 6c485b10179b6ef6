//! What an actor of this node has to say for itself, and its connection to ractor.

use std::future::Future;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::Line;
use super::line::Envelope;

/// Why an actor ends before it is told to. Its supervisor starts it anew.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Failure(pub String);

/// An actor of a node.
pub trait Role: Send + Sync + 'static {
    /// What it is told.
    type Message: Send + 'static;
    /// What it keeps from message to message. Lost with a failure: `start` makes it from what is shared.
    type State: Send + 'static;

    /// Makes its first state.
    ///
    /// # Errors
    /// When it cannot work; it is started again later.
    fn start(&self, me: &Line<Self::Message>) -> impl Future<Output = Result<Self::State, Failure>> + Send;

    /// Takes one message.
    ///
    /// # Errors
    /// When it cannot go on; it is started anew.
    fn handle(
        &self,
        me: &Line<Self::Message>,
        message: Self::Message,
        state: &mut Self::State,
    ) -> impl Future<Output = Result<(), Failure>> + Send;

    /// It was told to stop: gives back what it holds. Not called after a failure.
    fn stop(&self, state: &mut Self::State) -> impl Future<Output = ()> + Send {
        let _ = state;
        async {}
    }
}

/// A role as ractor sees it.
pub(super) struct Player<R: Role> {
    pub(super) role: R,
    pub(super) line: Line<R::Message>,
}

impl<R: Role> Actor for Player<R> {
    type Msg = Envelope<R::Message>;
    type State = R::State;
    type Arguments = ();

    async fn pre_start(&self, myself: ActorRef<Self::Msg>, (): ()) -> Result<R::State, ActorProcessingErr> {
        // Before it starts: what it sets going there may answer at once, on another thread, and what others send from now
        // on waits for it.
        self.line.answered_by(myself);
        self.role.start(&self.line).await.map_err(ActorProcessingErr::from)
    }

    async fn handle(
        &self,
        _: ActorRef<Self::Msg>,
        envelope: Self::Msg,
        state: &mut R::State,
    ) -> Result<(), ActorProcessingErr> {
        self.role.handle(&self.line, envelope.message, state).await.map_err(ActorProcessingErr::from)
    }

    async fn post_stop(&self, _: ActorRef<Self::Msg>, state: &mut R::State) -> Result<(), ActorProcessingErr> {
        self.role.stop(state).await;
        Ok(())
    }
}
