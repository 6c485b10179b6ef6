//! BGP messages, in and out. Pure.
//!
//! [`Framer`] cuts a byte stream into messages and checks each header as soon as its 19 octets are there; [`decode`] reads
//! one. What it gives are views on the message's own bytes, so reading allocates nothing, whatever a peer sends; each view
//! was checked when it was made, so that walking it cannot fail. What is wrong is either [`Malformed`], which ends the
//! session with the NOTIFICATION that RFC 4271 section 6 prescribes, or a [`Flaw`] of an UPDATE, which does not
//! (RFC 7606).
//!
//! | file | what |
//! |---|---|
//! | `framer` | byte stream to messages (RFC 4271 section 4.1, RFC 8654) |
//! | `open`, `capability` | OPEN (RFC 4271 section 4.2, RFC 5492, RFC 9072) |
//! | `update`, `attributes`, `paths` | UPDATE (RFC 4271 section 4.3, RFC 4760, RFC 6793, RFC 1997, RFC 8092) |
//! | `nlri` | prefixes on the wire |
//! | `check` | what is wrong with an UPDATE, and what follows from it (RFC 7606) |
//! | `notification` | NOTIFICATION (RFC 4271 section 4.5, RFC 8538, RFC 9003) |
//! | `write` | messages out |

mod attributes;
mod capability;
mod check;
mod error;
mod framer;
pub(crate) mod kinds;
mod nlri;
mod notification;
mod open;
mod paths;
mod reader;
mod update;
pub(crate) mod write;

pub use attributes::{
    Aggregator, Attributes, Communities, Extended, Large, MpReach, MpUnreach, Origin, Unknown, Words,
};
pub use capability::{Capabilities, Capability, CapabilityList, RestartFamilies};
pub use check::{Flaw, Problem, Treatment};
pub use error::Malformed;
pub use framer::{Frame, Framer};
pub use nlri::{Nlri, NlriIter};
pub use notification::{Code, Notification};
pub use open::Open;
pub use paths::{AsPath, Segment, SegmentKind};
pub use update::{Update, UpdateContext};

use super::{AfiSafi, Family};

/// Octets of the header: marker, length, type.
pub const HEADER: usize = 19;
/// The longest message, unless both sides have the extended message capability.
pub const MAX_MESSAGE: usize = 4096;
/// The longest message where both sides have the extended message capability (RFC 8654). OPEN and KEEPALIVE stay within
/// [`MAX_MESSAGE`].
pub const MAX_EXTENDED_MESSAGE: usize = 65535;
/// The AS number that stands for one of four octets where there is room for two (RFC 6793).
pub const AS_TRANS: u16 = 23456;

/// Type of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Begins a session.
    Open = 1,
    /// Announces and withdraws routes.
    Update = 2,
    /// Ends a session with a reason.
    Notification = 3,
    /// Says that the sender is alive.
    Keepalive = 4,
    /// Asks for all routes of a family again (RFC 2918).
    RouteRefresh = 5,
}

impl Kind {
    pub(super) const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Open),
            2 => Some(Self::Update),
            3 => Some(Self::Notification),
            4 => Some(Self::Keepalive),
            5 => Some(Self::RouteRefresh),
            _ => None,
        }
    }

    /// The shortest and the longest message of this type, header included, in octets. A ROUTE-REFRESH may be longer than
    /// its family (RFC 7313 counts those of subtype 0 as wrong, but older outbound filters go behind it).
    pub(super) const fn bounds(self, max: usize) -> (usize, usize) {
        match self {
            Self::Open => (29, MAX_MESSAGE),
            Self::Update => (23, max),
            Self::Notification => (21, max),
            Self::Keepalive => (HEADER, HEADER),
            Self::RouteRefresh => (23, max),
        }
    }
}

/// A message that was read.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives while it is looked at; a box would cost an allocation for each"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// OPEN.
    Open(Open<'a>),
    /// UPDATE, and the worst that is wrong with it.
    Update(Update<'a>, Option<Flaw>),
    /// NOTIFICATION.
    Notification(Notification),
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH: the family, and the subtype of RFC 7313 (0 in a plain request).
    RouteRefresh {
        /// The family asked for.
        family: AfiSafi,
        /// 0: a request; 1 and 2 begin and end an enhanced refresh.
        subtype: u8,
    },
}

/// Reads a message. An UPDATE is read as `context` says, which only a negotiated session knows.
///
/// # Errors
/// When the session has to end because of it.
pub fn decode<'a>(frame: Frame<'a>, context: &UpdateContext) -> Result<Message<'a>, Malformed> {
    let body = frame.body;
    match frame.kind {
        Kind::Open => Open::decode(body).map(Message::Open),
        Kind::Update => Update::decode(body, context).map(|(update, flaw)| Message::Update(update, flaw)),
        Kind::Notification => Notification::decode(body).map(Message::Notification),
        Kind::Keepalive => Ok(Message::Keepalive),
        Kind::RouteRefresh => {
            let mut reader = reader::Reader::new(body);
            let short = Malformed::Length { length: HEADER + body.len() };
            let (Some(afi), Some(subtype), Some(safi)) = (reader.u16(), reader.u8(), reader.u8()) else {
                return Err(short);
            };
            Ok(Message::RouteRefresh { family: AfiSafi { afi, safi }, subtype })
        }
    }
}

impl Message<'_> {
    /// The message's bytes, or `None` when it does not fit into `max` octets.
    #[must_use]
    pub fn encode(&self, max: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Self::Open(open) => write::message(&mut out, Kind::Open, |out| open.encode(out)),
            Self::Update(update, _) => write::message(&mut out, Kind::Update, |out| update.encode(out)),
            Self::Notification(notification) => {
                write::message(&mut out, Kind::Notification, |out| notification.encode(out));
            }
            Self::Keepalive => write::message(&mut out, Kind::Keepalive, |_| ()),
            Self::RouteRefresh { family, subtype } => write::message(&mut out, Kind::RouteRefresh, |out| {
                write::u16(out, family.afi);
                out.extend([*subtype, family.safi]);
            }),
        }
        (out.len() <= max).then_some(out)
    }
}

/// The End-of-RIB marker of a family (RFC 4724 section 2).
#[must_use]
pub fn end_of_rib(family: Family) -> Vec<u8> {
    let mut out = Vec::new();
    write::message(&mut out, Kind::Update, |out| match family {
        Family::Ipv4Unicast => out.extend([0; 4]),
        Family::Ipv6Unicast => {
            write::u16(out, 0);
            write::counted_u16(out, |out| write::mp_unreach(out, family, |_| ()));
        }
    });
    out
}

#[cfg(test)]
mod tests;
