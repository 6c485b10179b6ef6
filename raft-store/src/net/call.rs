//! One request as a message, over the wire, and its answer.

use std::time::Duration;

use tokio::time::Instant;

use super::{Lane, Request, Response, Wire, WireError};
use crate::codec::{self, CodecError};
use crate::types::Member;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The wire failed.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The request cannot be encoded, or the answer not be read.
    #[error("{to}: {error}")]
    Codec {
        /// Who.
        to: Member,
        /// What is wrong.
        error: CodecError,
    },
    /// The answer is one to something else.
    #[error("{to} answered something that was not asked")]
    Senseless {
        /// Who.
        to: Member,
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
    let codec = |error| CallError::Codec { to: to.clone(), error };
    let version = wire.version(to, lane, ttl).await?;
    let bytes = codec::encode(version, request).map_err(codec)?;
    let ttl = ttl + allowance(bytes.len());
    let answer = wire.call(to, lane, bytes, ttl.saturating_sub(start.elapsed())).await?;
    codec::decode(&answer).map_err(codec)
}

fn allowance(bytes: usize) -> Duration {
    PER_MIB * u32::try_from(bytes >> 10).unwrap_or(u32::MAX) / 1024
}
