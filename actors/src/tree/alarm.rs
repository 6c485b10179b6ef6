//! One timer of an actor: set anew, it forgets its last setting.

use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::Line;

/// Sends its actor a message after a time, once.
#[derive(Debug, Default)]
pub struct Alarm(Option<AbortHandle>);

impl Alarm {
    /// Rings after `delay`, and not at its last setting.
    pub fn set<M: Send + 'static>(&mut self, line: &Line<M>, delay: Duration, message: M) {
        self.clear();
        let line = line.clone();
        let task = tokio::spawn(async move {
            sleep(delay).await;
            line.answer(message);
        });
        self.0 = Some(task.abort_handle());
    }

    /// Does not ring.
    pub fn clear(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}
