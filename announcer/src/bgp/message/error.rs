//! What ends a session: messages that cannot be read.

use thiserror::Error;

use super::notification::{Code, Notification};

/// Why a message ends the session, with what RFC 4271 section 6 wants the peer to be told.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The first 16 octets of a message are not all ones.
    #[error("a message without the marker of sixteen octets 0xff")]
    Marker,
    /// The length is not one that a message of its type can have.
    #[error("a message with the wrong length of {length} octets")]
    Length {
        /// The length field.
        length: usize,
    },
    /// There is no such type.
    #[error("a message of the unknown type {kind}")]
    Kind {
        /// The type field.
        kind: u8,
    },
    /// Another version than 4.
    #[error("BGP version {version}, 4 is spoken here")]
    Version {
        /// The version field.
        version: u8,
    },
    /// The optional parameters of an OPEN do not fill the space that their lengths say.
    #[error("OPEN with optional parameters whose lengths do not fit")]
    OpenParameters,
    /// An optional parameter that is not a list of capabilities.
    #[error("OPEN with the unknown optional parameter {kind}")]
    OptionalParameter {
        /// Its type.
        kind: u8,
    },
    /// A capability whose length is not the one that its code has.
    #[error("OPEN with capability {code} of a wrong length")]
    Capability {
        /// Its code.
        code: u8,
    },
    /// The lengths within an UPDATE do not fit, or MP_REACH_NLRI or MP_UNREACH_NLRI is in it twice or has no family.
    #[error("UPDATE whose parts do not fit: {part}")]
    AttributeList {
        /// What does not fit.
        part: &'static str,
    },
    /// A well-known attribute that is not known.
    #[error("UPDATE with the unknown well-known attribute {kind}")]
    UnknownWellKnown {
        /// Its type.
        kind: u8,
        /// The whole attribute.
        attribute: Vec<u8>,
    },
    /// Prefixes that cannot be read.
    #[error("UPDATE with a prefix that is no IPv4 prefix")]
    Network,
}

impl Malformed {
    /// What the peer is told.
    #[must_use]
    pub fn notification(&self) -> Notification {
        match self {
            Self::Marker => Code::CONNECTION_NOT_SYNCHRONIZED.into(),
            Self::Length { length } => {
                let length = u16::try_from(*length).unwrap_or(u16::MAX);
                Notification::new(Code::BAD_MESSAGE_LENGTH, length.to_be_bytes())
            }
            Self::Kind { kind } => Notification::new(Code::BAD_MESSAGE_TYPE, [*kind]),
            Self::Version { .. } => Notification::new(Code::UNSUPPORTED_VERSION, [0, 4]),
            Self::OpenParameters | Self::Capability { .. } => Code::OPEN_UNSPECIFIC.into(),
            Self::OptionalParameter { .. } => Code::UNSUPPORTED_PARAMETER.into(),
            Self::AttributeList { .. } => Code::MALFORMED_ATTRIBUTE_LIST.into(),
            Self::UnknownWellKnown { attribute, .. } => {
                Notification::new(Code::UNRECOGNIZED_WELL_KNOWN, attribute.as_slice())
            }
            Self::Network => Code::INVALID_NETWORK.into(),
        }
    }
}
