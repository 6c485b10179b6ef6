//! The wire port: one request and its answer to a named node, and unreliable notices.

use std::future::Future;
use std::time::Duration;

use crate::model::NodeName;
use crate::types::Member;

/// The version of the message format that two nodes agreed on.
pub type WireVersion = u8;

/// What a request is part of. Lanes do not wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Heartbeats and votes: first of all.
    Heartbeat,
    /// Log entries.
    Log,
    /// Parts of a snapshot, on a connection of their own.
    Snapshot,
    /// Forwarded proposals and questions.
    Client,
}

/// Why a call or a notice did not get through.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The peer cannot be reached for now; the request was not sent.
    #[error("{to} cannot be reached: {reason}")]
    Unreachable {
        /// Who.
        to: Member,
        /// Why, in words.
        reason: String,
    },
    /// No answer within the time limit.
    #[error("no answer from {to} within {ttl:?}")]
    Timeout {
        /// Who.
        to: Member,
        /// The limit.
        ttl: Duration,
    },
    /// Someone else answers at this address.
    #[error("{to} expected, but the certificate there is for {found}")]
    WrongPeer {
        /// Who was meant.
        to: Member,
        /// Who answered.
        found: String,
    },
    /// A message or datagram over its limit.
    #[error("{bytes} bytes are over the limit of {limit} bytes")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The peer does not know the message's version any more, or not yet.
    #[error("{to} does not know the message's version")]
    Version {
        /// Who.
        to: Member,
    },
    /// The connection ended, or the peer gave up, after the request was sent; it may have been carried out.
    #[error("{to} gave no answer: {reason}")]
    Lost {
        /// Who.
        to: Member,
        /// Why, in words.
        reason: String,
    },
    /// This node is stopping.
    #[error("this node's wire is closed")]
    Closed,
}

/// Carries requests to other nodes. It sends a request once: whoever asks decides whether to repeat.
pub trait Wire: Clone + Send + Sync + 'static {
    /// The version to encode a request for `to` in; connects when there is no connection yet.
    fn version(
        &self,
        to: &Member,
        lane: Lane,
        ttl: Duration,
    ) -> impl Future<Output = Result<WireVersion, WireError>> + Send;

    /// One request and its answer, within `ttl`.
    fn call(
        &self,
        to: &Member,
        lane: Lane,
        request: Vec<u8>,
        ttl: Duration,
    ) -> impl Future<Output = Result<Vec<u8>, WireError>> + Send;

    /// The version to encode a notice for `to` in, when there is a connection; begins to connect when there is none.
    fn version_now(&self, to: &Member) -> Option<WireVersion>;

    /// Sends a notice that may get lost, at most about 1100 bytes. Needs a connection; begins to connect when there is
    /// none.
    fn notify(&self, to: &Member, datagram: Vec<u8>) -> Result<(), WireError>;
}

/// What a node does with what arrives. `from` is the name that the sender's certificate proves.
pub trait Service: Send + Sync + 'static {
    /// Answers a request.
    fn call(&self, from: NodeName, request: Vec<u8>) -> impl Future<Output = Vec<u8>> + Send;

    /// Takes a notice. Must not block.
    fn notify(&self, from: NodeName, datagram: Vec<u8>);
}
