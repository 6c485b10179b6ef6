//! One interface on one segment: what is owned there, when it is announced, what is answered. Sans-IO.
//!
//! The edge gives [`Responder`] frames, the time and news about its socket and multicast groups; it carries out each
//! [`Output`] at once and calls [`Responder::poll`] at [`Responder::next_deadline`].

mod counters;
mod groups;
mod queue;
mod rate;
mod responder;
mod schedule;

pub use counters::Counters;
pub use rate::Rate;
pub use responder::Responder;
pub use schedule::Schedule;

use std::net::{IpAddr, Ipv6Addr};

use pnet_base::MacAddr;
use thiserror::Error;

use crate::{FencedFrame, Fencing};

/// How a segment is served.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What happens when the session runs out.
    pub fencing: Fencing,
    /// When an address is announced.
    pub schedule: Schedule,
    /// Bound on announcements, in frames.
    pub announcing: Rate,
    /// Bound on answers, in frames. One asker gets at most a quarter of it.
    pub answering: Rate,
    /// Bound on reports of conflicts.
    pub reporting: Rate,
    /// Addresses that may be owned at a time.
    pub max_addresses: usize,
}

impl Default for Settings {
    /// Strict; 200 announcements and 200 answers in 10 ms, which is 20,000 a second each and a small part of one core;
    /// 20 reports of conflicts a second; 20,000 addresses.
    fn default() -> Self {
        Self {
            fencing: Fencing::Strict,
            schedule: Schedule::default(),
            announcing: Rate { limit: 200, period_ms: 10 },
            answering: Rate { limit: 200, period_ms: 10 },
            reporting: Rate { limit: 20, period_ms: 1000 },
            max_addresses: 20_000,
        }
    }
}

/// What the edge shall do or pass on.
#[derive(Debug)]
pub enum Output {
    /// Send this frame now.
    Send(FencedFrame),
    /// Join this multicast group on the interface and report the result.
    Join(Ipv6Addr),
    /// Leave this multicast group.
    Leave(Ipv6Addr),
    /// The responder answers for the address from now on, as far as the fence allows (promise P8).
    Programmed {
        /// The address.
        address: IpAddr,
        /// Epoch of the ownership.
        epoch: u64,
    },
    /// The responder cannot answer for the address; the owner should give it up.
    Failed {
        /// The address.
        address: IpAddr,
        /// Epoch of the ownership.
        epoch: u64,
        /// Why.
        reason: Failure,
    },
    /// Soft fencing without the quorum's word: another station claims the address, so it is no longer owned here.
    Yielded {
        /// The address.
        address: IpAddr,
        /// Epoch of the ownership that ended.
        epoch: u64,
        /// The station that claims it.
        to: MacAddr,
    },
    /// Another station claims an address that is owned here. At most once in ten seconds for each address.
    Conflict {
        /// The address.
        address: IpAddr,
        /// The station that claims it.
        mac: MacAddr,
    },
}

/// Why the responder cannot answer for an address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Failure {
    /// The interface's socket is not usable.
    #[error("the interface cannot be used: {0}")]
    Socket(String),
    /// The solicited-node group could not be joined, so switches and the network card may keep questions away.
    #[error("group {group} cannot be joined: {error}")]
    Group {
        /// The group.
        group: Ipv6Addr,
        /// What the system said.
        error: String,
    },
    /// The interface has as many addresses as it may have.
    #[error("the interface has {max} addresses already, no more are allowed")]
    TooManyAddresses {
        /// The bound.
        max: usize,
    },
    /// Not a unicast address that a service can have.
    #[error("the address cannot be announced: it is unspecified, loopback, multicast, broadcast or IPv4-mapped")]
    NotAnnounceable,
    /// The address is owned with a later epoch already.
    #[error("the ownership is older than epoch {held}, which is held")]
    StaleEpoch {
        /// The epoch held.
        held: u64,
    },
}

/// Why an address is or is not answered for at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Questions are answered.
    Answering,
    /// Ready, but the session with the quorum is not valid.
    Fenced,
    /// The socket is not open yet.
    AwaitingSocket,
    /// The multicast group is not joined yet.
    AwaitingGroup,
    /// It cannot be answered for.
    Failed(Failure),
}

#[cfg(test)]
mod tests;
