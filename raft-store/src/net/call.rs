//! One request as a message, over the wire, and its answer.

use std::time::Duration;

use tokio::time::Instant;

use super::{FrameError, Lane, Request, Response, Wire, WireError, decode, encode};
use crate::types::Member;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The wire failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The request cannot be encoded, or the answer not be read.
    #[error("{to}: {error}")]
    Frame {
        /// Who.
        to: Member,
        /// What is wrong.
        error: FrameError,
    },
}

/// Time on top of the limit for each MiB of a request: the slowest link that still works has 8 Mbit/s. Without it a large
/// entry would be begun again and again, and never arrive.
const PER_MIB: Duration = Duration::from_secs(1);

/// Asks `to` and waits for the answer, at most `ttl`, and longer in proportion for what is larger than a few packets.
///
/// # Errors
/// When the wire fails, the request is too large, or the answer makes no sense.
pub async fn call<W: Wire>(
    wire: &W,
    to: &Member,
    lane: Lane,
    request: &Request,
    ttl: Duration,
) -> Result<Response, CallError> {
    let start = Instant::now();
    let frame = |error| CallError::Frame { to: to.clone(), error };
    let version = wire.version(to, lane, ttl).await?;
    let bytes = encode(version, request).map_err(frame)?;
    let ttl = ttl + allowance(bytes.len());
    let answer = wire.call(to, lane, bytes, ttl.saturating_sub(start.elapsed())).await?;
    decode(&answer).map(|(_, response)| response).map_err(frame)
}

fn allowance(bytes: usize) -> Duration {
    PER_MIB * u32::try_from(bytes >> 10).unwrap_or(u32::MAX) / 1024
}
