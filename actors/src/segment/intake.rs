//! Frames from the socket to the actor, no more of them than it takes.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;

use super::SegmentMessage;
use crate::ports::{Frames, Segment};
use crate::tree::{Line, Sent};

/// Batches of frames that may wait for the actor. What comes beyond waits in the socket, whose buffer is bounded.
const WAITING: usize = 8;

/// Frames that were received together.
#[derive(Debug)]
pub struct Batch {
    frames: Frames,
    _place: OwnedSemaphorePermit,
}

impl Batch {
    /// The frames, in order.
    pub fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.frames.iter().map(Vec::as_slice)
    }
}

/// The task that reads the socket; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Intake(AbortHandle);

impl Intake {
    /// Begins to read.
    pub fn start<S: Segment>(segment: Arc<S>, line: Line<SegmentMessage>) -> Self {
        Self(tokio::spawn(read(segment, line)).abort_handle())
    }
}

impl Drop for Intake {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn read<S: Segment>(segment: Arc<S>, line: Line<SegmentMessage>) {
    let places = Arc::new(Semaphore::new(WAITING));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let message = match segment.receive().await {
            Ok(frames) => SegmentMessage::Frames(Batch { frames, _place: place }),
            Err(error) => {
                line.send(SegmentMessage::Broken(error.to_string())).or_lost();
                return;
            }
        };
        if line.send(message) != Sent::Waiting {
            // The actor is gone, or hopelessly behind; frames are repeated by whoever asks.
            tokio::task::yield_now().await;
        }
    }
}
