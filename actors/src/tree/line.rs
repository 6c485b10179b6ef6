//! How an actor is reached: bounded, and the same through its restarts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ractor::ActorRef;

/// A message with its place in the mailbox, which is freed when the message has been handled or dropped.
pub struct Envelope<M> {
    pub(super) message: M,
    _place: Place,
}

struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// It waits in the mailbox.
    Waiting,
    /// Nobody is there just now; whoever comes next begins from the shared state.
    Nobody,
    /// The mailbox is full: it was dropped and counted.
    Full,
}

impl Sent {
    /// For messages that may get lost: their sender repeats them, or their receiver looks for itself.
    pub fn or_lost(self) {}
}

/// The line to one actor. Clones reach the same actor, also after it was restarted.
pub struct Line<M> {
    inner: Arc<Inner<M>>,
}

struct Inner<M> {
    actor: Mutex<Option<ActorRef<Envelope<M>>>>,
    waiting: Arc<AtomicUsize>,
    bound: usize,
    dropped: AtomicU64,
}

impl<M> Clone for Line<M> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<M: Send + 'static> Line<M> {
    /// A line that nobody answers yet; at most `bound` messages may wait.
    pub fn new(bound: usize) -> Self {
        let (actor, waiting, dropped) = (Mutex::new(None), Arc::default(), AtomicU64::new(0));
        Self { inner: Arc::new(Inner { actor, waiting, bound, dropped }) }
    }

    /// Sends a message; never waits.
    pub fn send(&self, message: M) -> Sent {
        let inner = &self.inner;
        if inner.waiting.fetch_add(1, Ordering::Relaxed) >= inner.bound {
            inner.waiting.fetch_sub(1, Ordering::Relaxed);
            inner.dropped.fetch_add(1, Ordering::Relaxed);
            return Sent::Full;
        }
        self.put(message)
    }

    /// Sends what the actor waits for and what comes once for each time that it asked: its timers, and the ends of tasks
    /// that it began. A full mailbox must not lose them, or it would wait for ever.
    pub fn answer(&self, message: M) {
        self.inner.waiting.fetch_add(1, Ordering::Relaxed);
        self.put(message).or_lost();
    }

    fn put(&self, message: M) -> Sent {
        let inner = &self.inner;
        let envelope = Envelope { message, _place: Place(Arc::clone(&inner.waiting)) };
        let actor = inner.actor.lock().unwrap_or_else(PoisonError::into_inner);
        match actor.as_ref().map(|actor| actor.send_message(envelope)) {
            Some(Ok(())) => Sent::Waiting,
            Some(Err(_)) | None => Sent::Nobody,
        }
    }

    /// Messages that found the mailbox full, since the start.
    pub fn dropped(&self) -> u64 {
        self.inner.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn answered_by(&self, actor: ActorRef<Envelope<M>>) {
        *self.inner.actor.lock().unwrap_or_else(PoisonError::into_inner) = Some(actor);
    }
}
