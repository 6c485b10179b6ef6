//! Why a packet is not taken (RFC 5880 section 6.8.6, RFC 5881 sections 4 and 5), and how often that was.

use std::collections::BTreeMap;

use thiserror::Error;

use super::packet::State;

/// Why a received packet was discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Discard {
    /// The datagram ends before the mandatory section does.
    #[error("{0} bytes, a BFD control packet has at least 24")]
    Truncated(usize),
    /// Only version 1 is defined.
    #[error("version {0} instead of 1")]
    Version(u8),
    /// The length field is smaller than a packet can be: 24 bytes, or 26 with authentication.
    #[error("length field {length}, at least {least} is needed")]
    LengthTooSmall {
        /// The field.
        length: u8,
        /// The smallest that is right here.
        least: u8,
    },
    /// The length field reaches beyond the datagram.
    #[error("length field {length}, but the datagram has {got} bytes")]
    LengthTooLarge {
        /// The field.
        length: u8,
        /// Bytes there.
        got: usize,
    },
    /// A detection multiplier of 0 would mean a session that fails at once.
    #[error("detection multiplier 0")]
    ZeroMultiplier,
    /// The M bit is reserved for point-to-multipoint extensions.
    #[error("multipoint bit set")]
    Multipoint,
    /// A sender always has a discriminator.
    #[error("the sender's own discriminator is 0")]
    ZeroMyDiscriminator,
    /// Only a session that is not established may leave out whom it speaks to.
    #[error("no discriminator of ours in state {0}")]
    ZeroYourDiscriminator(State),
    /// Authentication is not in use here.
    #[error("authenticated, and authentication is not in use")]
    Authenticated,
    /// It names a session that is not there: often the peer has not yet noticed that we were restarted.
    #[error("no session has the discriminator {0:#010x}")]
    UnknownDiscriminator(u32),
    /// It names no session, and none is configured for where it comes from.
    #[error("no session is configured for its source")]
    UnknownPeer,
    /// Single hop, and it was forwarded by a router (RFC 5881 section 5), or multihop from too far away.
    #[error("TTL {ttl}, at least {least} is needed")]
    Ttl {
        /// As received.
        ttl: u8,
        /// The smallest that the session takes.
        least: u8,
    },
    /// The kernel did not say what TTL it had, so nothing shows that the packet may be trusted.
    #[error("received without its TTL")]
    NoTtl,
    /// A single hop session's discriminator on the multihop port, or the other way round: the TTL would not be checked
    /// as it should.
    #[error("on the port of the other kind of session")]
    WrongPort,
    /// The session is administratively down here.
    #[error("the session is administratively down")]
    AdminDown,
}

impl Discard {
    /// A short name, the same for all packets with this reason. For metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Truncated(_) => "truncated",
            Self::Version(_) => "version",
            Self::LengthTooSmall { .. } => "length_too_small",
            Self::LengthTooLarge { .. } => "length_too_large",
            Self::ZeroMultiplier => "zero_multiplier",
            Self::Multipoint => "multipoint",
            Self::ZeroMyDiscriminator => "zero_my_discriminator",
            Self::ZeroYourDiscriminator(_) => "zero_your_discriminator",
            Self::Authenticated => "authenticated",
            Self::UnknownDiscriminator(_) => "unknown_discriminator",
            Self::UnknownPeer => "unknown_peer",
            Self::Ttl { .. } => "ttl",
            Self::NoTtl => "no_ttl",
            Self::WrongPort => "wrong_port",
            Self::AdminDown => "admin_down",
        }
    }
}

/// Discarded packets by [`Discard::name`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Discards(BTreeMap<&'static str, u64>);

impl Discards {
    /// Counts one.
    pub fn count(&mut self, discard: Discard) {
        let count = self.0.entry(discard.name()).or_default();
        *count = count.saturating_add(1);
    }

    /// The counts, none of them 0, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        self.0.iter().map(|(&name, &count)| (name, count))
    }

    /// How many for one reason.
    #[must_use]
    pub fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }
}
