//! Follows the applied state on behalf of an actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quorumlb_raft_store::machine::Record;
use quorumlb_raft_store::replica::{Change, View};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::AbortHandle;

use crate::tree::{Line, Sent};

/// What a follower hears.
#[derive(Clone, Debug)]
pub enum Followed {
    /// This happened.
    Records(Arc<[Record]>),
    /// Anything may have happened: look at the whole state.
    Everything,
}

/// A subscription that ends when it is dropped.
#[derive(Debug)]
pub struct Follower(AbortHandle);

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Tells an actor of every record, and of everything when it fell behind.
pub fn follow<M: Send + 'static>(
    view: &View,
    line: &Line<M>,
    message: impl Fn(Followed) -> M + Send + 'static,
) -> Follower {
    let ((), mut changes) = view.follow(|_, _| ());
    let line = line.clone();
    let task = tokio::spawn(async move {
        let mut missed = true;
        loop {
            if missed {
                // Until it is taken, or the state goes on without its follower.
                missed = line.send(message(Followed::Everything)) != Sent::Waiting;
            }
            match changes.recv().await {
                Ok(Change::Records(records)) => {
                    missed |= line.send(message(Followed::Records(records))) != Sent::Waiting;
                }
                Ok(Change::Replaced { .. }) | Err(RecvError::Lagged(_)) => missed = true,
                Err(RecvError::Closed) => return,
            }
        }
    });
    Follower(task.abort_handle())
}

/// Tells an actor that something changed, at most once until it has taken notice.
pub fn nudge<M: Clone + Send + 'static>(view: &View, line: &Line<M>, message: M) -> (Follower, Noticed) {
    let ((), mut changes) = view.follow(|_, _| ());
    let (line, noticed) = (line.clone(), Noticed::default());
    let pending = Arc::clone(&noticed.0);
    let task = tokio::spawn(async move {
        while !matches!(changes.recv().await, Err(RecvError::Closed)) {
            if !pending.swap(true, Ordering::Relaxed) && line.send(message.clone()) != Sent::Waiting {
                pending.store(false, Ordering::Relaxed);
            }
        }
    });
    (Follower(task.abort_handle()), noticed)
}

/// Whether the last nudge has been taken notice of.
#[derive(Debug, Default)]
pub struct Noticed(Arc<AtomicBool>);

impl Noticed {
    /// Call it before looking at the state.
    pub fn take(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
