//! What apply tells of a change: actors act on it, people read it.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Epoch, SessionId};
use crate::model::{ConfigDigest, NodeName, ServiceKey};

/// An event with its place in history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Log index of the command that caused it.
    pub index: u64,
    /// The proposer's wall clock, milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A whole configuration now stands.
    Configured {
        /// Its digest.
        digest: ConfigDigest,
        /// Whose files it came from.
        by: NodeName,
    },
    /// A configuration takes the place of another one. A large one may come in several of these.
    Replaced {
        /// The new one's digest.
        digest: ConfigDigest,
        /// The old one's.
        before: ConfigDigest,
        /// Whose files the new one came from.
        by: NodeName,
        /// What the old one had and the new one has not.
        removed: Listed,
        /// What is otherwise in the new one.
        changed: Listed,
        /// How many objects only the new one has.
        added: u32,
    },
    /// A service has other addresses than before.
    Allocated {
        /// Which service.
        service: ServiceKey,
        /// All it has now; empty when it lost them.
        addresses: Vec<IpAddr>,
        /// What it had.
        before: Vec<IpAddr>,
    },
    /// A service waits for an address, and why.
    Pending {
        /// Which service.
        service: ServiceKey,
        /// The reason's name.
        reason: String,
        /// What to do.
        message: String,
    },
    /// An address has a new owner, which may answer as soon as its session is valid.
    Granted {
        /// The address.
        address: IpAddr,
        /// The new owner.
        node: NodeName,
        /// The ownership's epoch.
        epoch: Epoch,
        /// Whose it was.
        from: Option<NodeName>,
        /// Why it moved; `None` for a first owner.
        why: Option<MoveReason>,
    },
    /// An owner is asked to stop answering and to release the address.
    ReleaseAsked {
        /// The address.
        address: IpAddr,
        /// The owner that is asked.
        node: NodeName,
        /// Its epoch.
        epoch: Epoch,
        /// Why.
        why: MoveReason,
    },
    /// An address has no owner any more.
    Unowned {
        /// The address.
        address: IpAddr,
        /// Who had it.
        from: NodeName,
        /// Why no node may answer for it.
        message: String,
    },
    /// A node may answer for what it owns.
    SessionOpened {
        /// Which node.
        node: NodeName,
        /// Its session.
        session: SessionId,
    },
    /// A node was not heard from, and lost what it owned.
    SessionExpired {
        /// Which node.
        node: NodeName,
        /// The session that ended.
        session: SessionId,
    },
    /// A node stopped after handing over.
    SessionClosed {
        /// Which node.
        node: NodeName,
    },
    /// A node is relieved, or serves again.
    Drained {
        /// Which node.
        node: NodeName,
        /// True while it is relieved.
        on: bool,
    },
    /// A node could not program its responder for an address and gave it up.
    Refused {
        /// The address.
        address: IpAddr,
        /// Which node.
        node: NodeName,
        /// Why.
        message: String,
    },
    /// A node told something new of itself.
    NodeChanged {
        /// Which node.
        node: NodeName,
        /// What is new, in words.
        message: String,
    },
    /// A node left for good.
    Forgotten {
        /// Which node.
        node: NodeName,
    },
    /// A node is about to leave for good.
    Leaving {
        /// Which node.
        node: NodeName,
    },
    /// A node is about to stop, and hands over what it owns.
    HandingOver {
        /// Which node.
        node: NodeName,
    },
    /// A service that came through the API stands in the files now: they rule it from here on.
    TakenOver {
        /// Which service.
        service: ServiceKey,
    },
}

/// Some of many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// How many there are.
    pub count: u32,
    /// The first few, by kind and name.
    pub names: Vec<String>,
}

impl Listed {
    /// So many are named.
    const NAMED: usize = 8;

    pub(super) fn add(&mut self, name: impl std::fmt::Display) {
        self.count += 1;
        if self.names.len() < Self::NAMED {
            self.names.push(name.to_string());
        }
    }
}

impl Record {
    /// About how many bytes it takes in memory.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.event.text_bytes()
    }
}

impl Event {
    /// The bytes of its texts and lists.
    fn text_bytes(&self) -> usize {
        let name = |node: &NodeName| node.0.len();
        let key = |service: &ServiceKey| service.namespace.len() + service.name.len();
        match self {
            Self::Configured { by, .. } => name(by),
            Self::Replaced { by, removed, changed, .. } => {
                let names = removed.names.iter().chain(&changed.names);
                name(by) + names.map(|name| size_of::<String>() + name.len()).sum::<usize>()
            }
            Self::Allocated { service, addresses, before } => {
                key(service) + size_of::<IpAddr>() * (addresses.len() + before.len())
            }
            Self::Pending { service, reason, message } => key(service) + reason.len() + message.len(),
            Self::Granted { node, from, .. } => name(node) + from.as_ref().map_or(0, name),
            Self::Unowned { from, message, .. } => name(from) + message.len(),
            Self::Refused { node, message, .. } | Self::NodeChanged { node, message } => name(node) + message.len(),
            Self::TakenOver { service } => key(service),
            Self::ReleaseAsked { node, .. }
            | Self::SessionOpened { node, .. }
            | Self::SessionExpired { node, .. }
            | Self::SessionClosed { node }
            | Self::Drained { node, .. }
            | Self::Forgotten { node }
            | Self::Leaving { node }
            | Self::HandingOver { node } => name(node),
        }
    }
}

/// Why an address moves to another node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MoveReason {
    /// Its owner's session expired or was closed.
    NodeLost,
    /// Its owner is drained.
    NodeDrained,
    /// Its owner may not answer for it any more.
    NotEligible,
    /// A node that is preferred can take it.
    Preferred,
    /// Another node has less to do.
    Rebalance,
    /// No service has the address any more.
    Unused,
}
