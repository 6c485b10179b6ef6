//! Follows the applied state on behalf of an actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quorumlb_raft_store::machine::Record;
use quorumlb_raft_store::replica::{Change, View};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::AbortHandle;
use tokio::time::sleep;

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

/// After a nudge, how long until the next: under a load of writes one look tells of many of them.
const BREATH: Duration = Duration::from_millis(10);

/// Tells an actor that something changed: at once, then at most once in [`BREATH`] and until it has taken notice.
pub fn nudge<M: Clone + Send + 'static>(view: &View, line: &Line<M>, message: M) -> (Follower, Noticed) {
    let ((), mut changes) = view.follow(|_, _| ());
    let (line, noticed) = (line.clone(), Noticed::default());
    let pending = Arc::clone(&noticed.0);
    let task = tokio::spawn(async move {
        let mut more = false;
        while more || !matches!(changes.recv().await, Err(RecvError::Closed)) {
            if !pending.swap(true, Ordering::Relaxed) && line.send(message.clone()) != Sent::Waiting {
                pending.store(false, Ordering::Relaxed);
            }
            sleep(BREATH).await;
            more = drain(&mut changes);
        }
    });
    (Follower(task.abort_handle()), noticed)
}

/// Passes over what waits; whether there was anything.
fn drain(changes: &mut Receiver<Change>) -> bool {
    let mut some = false;
    while matches!(changes.try_recv(), Ok(_) | Err(TryRecvError::Lagged(_))) {
        some = true;
    }
    some
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

#[cfg(test)]
mod tests {
    use quorumlb_raft_store::machine::Event;
    use tokio::sync::broadcast;

    use super::*;

    #[test]
    fn what_waits_is_passed_over() {
        let (changes, mut receiver) = broadcast::channel(2);
        assert!(!drain(&mut receiver));
        let record = Record { index: 1, at_ms: 0, event: Event::Forgotten { node: "node1".into() } };
        for _ in 0..5 {
            changes.send(Change::Records(Arc::from([record.clone()]))).unwrap();
        }
        assert!(drain(&mut receiver), "also when it has fallen behind");
        assert!(!drain(&mut receiver));
        drop(changes);
        assert!(!drain(&mut receiver));
    }
}
