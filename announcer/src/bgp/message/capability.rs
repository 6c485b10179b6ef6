//! Capabilities (RFC 5492).

use super::open::{CAPABILITIES, EXTENDED};
use super::reader::Reader;
use super::{AfiSafi, Malformed, write};

/// One capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability<'a> {
    /// Routes of a family (RFC 4760), code 1.
    Multiprotocol(AfiSafi),
    /// Answers ROUTE-REFRESH (RFC 2918), code 2.
    RouteRefresh,
    /// IPv4 routes may have IPv6 next hops (RFC 8950), code 5: families, each with the AFI of next hops.
    ExtendedNextHop(ExtendedNextHops<'a>),
    /// Messages may have up to 65,535 octets (RFC 8654), code 6.
    ExtendedMessage,
    /// Graceful restart (RFC 4724), code 64.
    GracefulRestart {
        /// The speaker has restarted and waits for End-of-RIB.
        restarting: bool,
        /// A NOTIFICATION other than a hard reset is a restart, too (RFC 8538).
        notification: bool,
        /// How long it takes at most to come back, in seconds, up to 4,095.
        restart_time: u16,
        /// The families it is for.
        families: RestartFamilies<'a>,
    },
    /// AS numbers of four octets (RFC 6793), code 65.
    FourOctetAs(u32),
    /// Any other.
    Other {
        /// Its code.
        code: u8,
        /// Its value.
        value: &'a [u8],
    },
}

/// The families of [`Capability::GracefulRestart`], each with whether forwarding was preserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartFamilies<'a>(&'a [u8]);

impl RestartFamilies<'_> {
    /// Each family, and whether its forwarding state was preserved.
    pub fn iter(&self) -> impl Iterator<Item = (AfiSafi, bool)> {
        let (families, _) = self.0.as_chunks::<4>();
        families.iter().map(|[high, low, safi, flags]| {
            (AfiSafi { afi: u16::from_be_bytes([*high, *low]), safi: *safi }, flags & 0x80 != 0)
        })
    }
}

/// The families of [`Capability::ExtendedNextHop`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedNextHops<'a>(&'a [u8]);

impl ExtendedNextHops<'_> {
    /// Each family with the AFI that its next hops may have.
    pub fn iter(&self) -> impl Iterator<Item = (AfiSafi, u16)> {
        let (families, _) = self.0.as_chunks::<6>();
        families.iter().map(|[afi_high, afi_low, _, safi, high, low]| {
            let afi = u16::from_be_bytes([*afi_high, *afi_low]);
            (AfiSafi { afi, safi: *safi }, u16::from_be_bytes([*high, *low]))
        })
    }
}

impl<'a> Capability<'a> {
    fn decode(code: u8, value: &'a [u8]) -> Result<Self, Malformed> {
        let wrong = Malformed::Capability { code };
        Ok(match (code, value) {
            (1, [high, low, _, safi]) => {
                Self::Multiprotocol(AfiSafi { afi: u16::from_be_bytes([*high, *low]), safi: *safi })
            }
            (2, []) => Self::RouteRefresh,
            (5, families) if families.len() % 6 == 0 => Self::ExtendedNextHop(ExtendedNextHops(families)),
            (6, []) => Self::ExtendedMessage,
            (64, [flags, time, families @ ..]) if families.len() % 4 == 0 => Self::GracefulRestart {
                restarting: flags & 0x80 != 0,
                notification: flags & 0x40 != 0,
                restart_time: u16::from_be_bytes([flags & 0x0f, *time]),
                families: RestartFamilies(families),
            },
            (65, value) => Self::FourOctetAs(value.try_into().map(u32::from_be_bytes).map_err(|_| wrong)?),
            (1 | 2 | 5 | 6 | 64, _) => return Err(wrong),
            (code, value) => Self::Other { code, value },
        })
    }
}

/// The optional parameters of an OPEN: capabilities only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities<'a> {
    parameters: &'a [u8],
    /// Whether lengths of parameters have two octets (RFC 9072).
    wide: bool,
}

impl<'a> Capabilities<'a> {
    /// Reads what follows the identifier of an OPEN, and checks all of it.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut parameters = reader.u8().map(usize::from).ok_or(Malformed::OpenParameters)?;
        let wide = reader.rest().first() == Some(&EXTENDED) && parameters != 0;
        if wide {
            reader.u8();
            parameters = reader.u16().map(usize::from).ok_or(Malformed::OpenParameters)?;
        }
        if reader.rest().len() != parameters {
            return Err(Malformed::OpenParameters);
        }
        let read = Self { parameters: reader.rest(), wide };
        let mut parameters = Reader::new(read.parameters);
        while !parameters.is_empty() {
            let (kind, value) = read.parameter(&mut parameters).ok_or(Malformed::OpenParameters)?;
            if kind != CAPABILITIES {
                return Err(Malformed::OptionalParameter { kind });
            }
            let mut list = Reader::new(value);
            while !list.is_empty() {
                let (code, value) = capability(&mut list).ok_or(Malformed::OpenParameters)?;
                Capability::decode(code, value)?;
            }
        }
        Ok(read)
    }

    /// Each capability, in the order of the message. Some speakers say one several times.
    pub fn iter(&self) -> impl Iterator<Item = Capability<'a>> {
        let (read, mut parameters, mut list) = (*self, Reader::new(self.parameters), Reader::new(&[]));
        std::iter::from_fn(move || {
            while list.is_empty() {
                list = Reader::new(read.parameter(&mut parameters)?.1);
            }
            let (code, value) = capability(&mut list)?;
            Capability::decode(code, value).ok()
        })
    }

    fn parameter(&self, reader: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
        let kind = reader.u8()?;
        let value = if self.wide { reader.counted_u16() } else { reader.counted_u8() };
        Some((kind, value?))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let length = self.parameters.len();
        if self.wide {
            out.extend([EXTENDED, EXTENDED]);
            write::u16(out, u16::try_from(length).unwrap_or(u16::MAX));
        } else {
            out.push(u8::try_from(length).unwrap_or(u8::MAX));
        }
        out.extend_from_slice(self.parameters);
    }
}

fn capability<'a>(list: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    Some((list.u8()?, list.counted_u8()?))
}

/// Capabilities to be said, as one optional parameter. Room for 253 octets, far more than all that is known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapabilityList(Vec<u8>);

impl Default for CapabilityList {
    fn default() -> Self {
        Self(vec![CAPABILITIES, 0])
    }
}

impl CapabilityList {
    /// Adds a capability of this code and value; not where there is no room left.
    pub fn push(&mut self, code: u8, value: &[u8]) {
        let length = self.0.len() + value.len();
        if let (Ok(value_length), Ok(length)) = (u8::try_from(value.len()), u8::try_from(length)) {
            self.0.extend([code, value_length]);
            self.0.extend_from_slice(value);
            self.0[1] = length;
        }
    }

    /// Adds [`Capability::Multiprotocol`].
    pub fn multiprotocol(&mut self, family: AfiSafi) {
        let [high, low] = family.afi.to_be_bytes();
        self.push(1, &[high, low, 0, family.safi]);
    }

    /// Adds [`Capability::ExtendedNextHop`] for one family, with next hops of IPv6.
    pub fn extended_next_hop(&mut self, family: AfiSafi) {
        let [high, low] = family.afi.to_be_bytes();
        self.push(5, &[high, low, 0, family.safi, 0, 2]);
    }

    /// Adds [`Capability::GracefulRestart`].
    pub fn graceful_restart(
        &mut self,
        restarting: bool,
        notification: bool,
        restart_time: u16,
        families: impl IntoIterator<Item = (AfiSafi, bool)>,
    ) {
        let [high, low] = restart_time.min(0x0fff).to_be_bytes();
        let mut value = vec![high | u8::from(restarting) << 7 | u8::from(notification) << 6, low];
        for (family, preserved) in families {
            let [high, low] = family.afi.to_be_bytes();
            value.extend([high, low, family.safi, u8::from(preserved) << 7]);
        }
        self.push(64, &value);
    }

    /// The capabilities alone, as they stand in the data of a NOTIFICATION.
    #[must_use]
    pub fn capabilities(&self) -> &[u8] {
        &self.0[2..]
    }

    /// As they stand in an OPEN.
    #[must_use]
    pub fn view(&self) -> Capabilities<'_> {
        Capabilities { parameters: &self.0, wide: false }
    }
}
