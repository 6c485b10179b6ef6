//! BFD control packets (RFC 5880 section 4.1), without authentication.
//!
//! A [`Packet`] is one that passed every check of RFC 5880 section 6.8.6 that needs no session.

use std::fmt;
use std::num::{NonZeroU8, NonZeroU32};
use std::time::Duration;

use super::discard::Discard;

/// Bytes of a packet without authentication.
pub const LENGTH: usize = 24;
/// The smallest length field of a packet with authentication.
const LENGTH_AUTHENTICATED: u8 = 26;
const VERSION: u8 = 1;

const POLL: u8 = 0x20;
const FINAL: u8 = 0x10;
const CONTROL_PLANE_INDEPENDENT: u8 = 0x08;
const AUTHENTICATION: u8 = 0x04;
const DEMAND: u8 = 0x02;
const MULTIPOINT: u8 = 0x01;

/// The state of a session (RFC 5880 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Held down by its operator. Says nothing about the path.
    AdminDown,
    /// Not established.
    Down,
    /// The peer is heard, but does not say yet that it hears us.
    Init,
    /// Both hear each other.
    Up,
}

impl State {
    pub(crate) const fn bits(self) -> u8 {
        match self {
            Self::AdminDown => 0,
            Self::Down => 1,
            Self::Init => 2,
            Self::Up => 3,
        }
    }

    /// From the two bits of the State field.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::AdminDown,
            1 => Self::Down,
            2 => Self::Init,
            _ => Self::Up,
        }
    }

    /// As `get` and metrics name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdminDown => "AdminDown",
            Self::Down => "Down",
            Self::Init => "Init",
            Self::Up => "Up",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why the sender's session last left the state Up (RFC 5880 section 4.1). Five bits; 9 to 31 are reserved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Diagnostic(u8);

impl Diagnostic {
    /// Nothing happened yet.
    pub const NONE: Self = Self(0);
    /// Nothing came for the detection time.
    pub const DETECTION_TIME_EXPIRED: Self = Self(1);
    /// An echo did not come back.
    pub const ECHO_FAILED: Self = Self(2);
    /// The other side said that its session is down.
    pub const NEIGHBOR_SIGNALED_DOWN: Self = Self(3);
    /// The forwarding plane was reset.
    pub const FORWARDING_PLANE_RESET: Self = Self(4);
    /// The path is down, as something else told.
    pub const PATH_DOWN: Self = Self(5);
    /// A path behind this one is down.
    pub const CONCATENATED_PATH_DOWN: Self = Self(6);
    /// Its operator took the session down.
    pub const ADMINISTRATIVELY_DOWN: Self = Self(7);
    /// The reverse of a path behind this one is down.
    pub const REVERSE_CONCATENATED_PATH_DOWN: Self = Self(8);

    /// The code, 0 to 31.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// From the lower five bits.
    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        Self(code & 0x1f)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::NONE => "no diagnostic",
            Self::DETECTION_TIME_EXPIRED => "control detection time expired",
            Self::ECHO_FAILED => "echo function failed",
            Self::NEIGHBOR_SIGNALED_DOWN => "neighbor signaled session down",
            Self::FORWARDING_PLANE_RESET => "forwarding plane reset",
            Self::PATH_DOWN => "path down",
            Self::CONCATENATED_PATH_DOWN => "concatenated path down",
            Self::ADMINISTRATIVELY_DOWN => "administratively down",
            Self::REVERSE_CONCATENATED_PATH_DOWN => "reverse concatenated path down",
            Self(code) => return write!(f, "reserved diagnostic {code}"),
        })
    }
}

/// An interval in microseconds, as packets carry it: at most 71 minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub u32);

impl Micros {
    /// Parts of a microsecond are rounded up, so that nobody is promised more packets than come; the largest value stands for
    /// all beyond it.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        Self(u32::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u32::MAX))
    }
}

impl From<Micros> for Duration {
    fn from(Micros(micros): Micros) -> Self {
        Self::from_micros(micros.into())
    }
}

/// What one side calls a session; never 0.
pub type Discriminator = NonZeroU32;

/// A control packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet {
    /// Why the sender's session last went down.
    pub diagnostic: Diagnostic,
    /// The sender's state.
    pub state: State,
    /// The sender asks for a packet with `finish`, at once.
    pub poll: bool,
    /// The answer to `poll` (the F bit).
    pub finish: bool,
    /// The sender's BFD does not share fate with its control plane (the C bit).
    pub control_plane_independent: bool,
    /// The sender wants no periodic packets while both sides are Up (the D bit).
    pub demand: bool,
    /// The receiver gives up after this many intervals without a packet.
    pub multiplier: NonZeroU8,
    /// The sender's name for the session.
    pub mine: Discriminator,
    /// The receiver's name for the session, once the sender has heard it.
    pub yours: Option<Discriminator>,
    /// The sender would send as often as this, without jitter.
    pub desired_min_tx: Micros,
    /// The sender can receive as often as this; 0: it wants nothing.
    pub required_min_rx: Micros,
    /// The sender sends back echoes as often as this; 0: not at all.
    pub required_min_echo_rx: Micros,
}

impl Packet {
    /// The packet as it is sent.
    #[must_use]
    pub fn encode(&self) -> [u8; LENGTH] {
        let flag = |set, bit| if set { bit } else { 0 };
        let flags = flag(self.poll, POLL)
            | flag(self.finish, FINAL)
            | flag(self.control_plane_independent, CONTROL_PLANE_INDEPENDENT)
            | flag(self.demand, DEMAND);
        let mut bytes = [0; LENGTH];
        bytes[0] = VERSION << 5 | self.diagnostic.code();
        bytes[1] = self.state.bits() << 6 | flags;
        bytes[2] = self.multiplier.get();
        bytes[3] = 24;
        let words = [
            self.mine.get(),
            self.yours.map_or(0, NonZeroU32::get),
            self.desired_min_tx.0,
            self.required_min_rx.0,
            self.required_min_echo_rx.0,
        ];
        for (place, word) in bytes[4..].chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// Reads a datagram. What follows the packet in it is passed over, as RFC 5880 has it.
    ///
    /// # Errors
    /// The first reason in the order of RFC 5880 section 6.8.6.
    pub fn decode(datagram: &[u8]) -> Result<Self, Discard> {
        let (header, rest) = datagram.split_first_chunk::<4>().ok_or(Discard::Truncated(datagram.len()))?;
        let (words, _) = rest.split_first_chunk::<20>().ok_or(Discard::Truncated(datagram.len()))?;
        let &[version, flags, multiplier, length] = header;
        check_length(version >> 5, flags, length, datagram.len())?;
        let multiplier = NonZeroU8::new(multiplier).ok_or(Discard::ZeroMultiplier)?;
        if flags & MULTIPOINT != 0 {
            return Err(Discard::Multipoint);
        }
        let word = |at: usize| u32::from_be_bytes([words[at], words[at + 1], words[at + 2], words[at + 3]]);
        let mine = Discriminator::new(word(0)).ok_or(Discard::ZeroMyDiscriminator)?;
        let yours = Discriminator::new(word(4));
        let state = State::from_bits(flags >> 6);
        if yours.is_none() && !matches!(state, State::Down | State::AdminDown) {
            return Err(Discard::ZeroYourDiscriminator(state));
        }
        if flags & AUTHENTICATION != 0 {
            return Err(Discard::Authenticated);
        }
        Ok(Self {
            diagnostic: Diagnostic::from_code(version),
            state,
            poll: flags & POLL != 0,
            finish: flags & FINAL != 0,
            control_plane_independent: flags & CONTROL_PLANE_INDEPENDENT != 0,
            demand: flags & DEMAND != 0,
            multiplier,
            mine,
            yours,
            desired_min_tx: Micros(word(8)),
            required_min_rx: Micros(word(12)),
            required_min_echo_rx: Micros(word(16)),
        })
    }
}

fn check_length(version: u8, flags: u8, length: u8, got: usize) -> Result<(), Discard> {
    if version != VERSION {
        return Err(Discard::Version(version));
    }
    let least = if flags & AUTHENTICATION == 0 { 24 } else { LENGTH_AUTHENTICATED };
    if length < least {
        return Err(Discard::LengthTooSmall { length, least });
    }
    if usize::from(length) > got {
        return Err(Discard::LengthTooLarge { length, got });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
