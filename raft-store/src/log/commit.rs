//! Who runs the commits: a thread of its own in production, the caller itself in the simulator.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::core::Core;

/// Commits what waits. It is handed to a [`CommitPort`], which calls it.
pub struct Pump {
    core: Arc<Core>,
}

impl Pump {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Commits all that waits, and what comes meanwhile, and reports each write; returns when nothing waits any more.
    pub fn run(&self) {
        self.core.pump();
    }
}

/// Runs a store's commits. Dropping it must wait for the run that is under way.
pub trait CommitPort: Send + Sync + 'static {
    /// Something waits: a [`Pump::run`] must begin after this call, at once or soon.
    fn wake(&self);
}

/// Commits within the call that writes: nothing runs beside it, so it is the same in each run.
///
/// # Errors
/// None.
pub fn inline(pump: Pump) -> io::Result<Box<dyn CommitPort>> {
    Ok(Box::new(Inline { pump }))
}

struct Inline {
    pump: Pump,
}

impl CommitPort for Inline {
    fn wake(&self) {
        self.pump.run();
    }
}

/// Commits on one thread of its own, so that an fsync does not hold up the runtime.
///
/// # Errors
/// When the system refuses another thread.
pub fn dedicated_thread(pump: Pump) -> io::Result<Box<dyn CommitPort>> {
    // One waiting wake-up is as good as many: a run commits all that waits.
    let (wake, woken) = sync_channel::<()>(1);
    let thread = std::thread::Builder::new().name("raft-log".to_owned()).spawn(move || {
        while woken.recv().is_ok() {
            pump.run();
        }
    })?;
    Ok(Box::new(Dedicated { wake: Some(wake), thread: Some(thread) }))
}

struct Dedicated {
    wake: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CommitPort for Dedicated {
    fn wake(&self) {
        if let Some(wake) = &self.wake {
            // Full: a run that has not begun yet will see this write too.
            let _ = wake.try_send(());
        }
    }
}

impl Drop for Dedicated {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that commits the log has panicked");
        }
    }
}
