//! OPEN.

use std::net::Ipv4Addr;

use super::capability::{Capabilities, Capability};
use super::reader::Reader;
use super::{AS_TRANS, HEADER, Malformed, write};

/// Optional parameter type of capabilities (RFC 5492 section 4).
pub(super) const CAPABILITIES: u8 = 2;
/// Optional parameter type that says that the lengths have two octets (RFC 9072).
pub(super) const EXTENDED: u8 = 255;
const VERSION: u8 = 4;

/// What a speaker says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<'a> {
    /// The AS number field of two octets; see [`Open::autonomous_system`].
    pub my_as: u16,
    /// Proposed hold time, in seconds.
    pub hold_time: u16,
    /// BGP identifier.
    pub identifier: Ipv4Addr,
    /// What else the speaker can do.
    pub capabilities: Capabilities<'a>,
}

impl<'a> Open<'a> {
    /// The AS number, of four octets where the speaker has them (RFC 6793).
    #[must_use]
    pub fn autonomous_system(&self) -> u32 {
        let wide = self.capabilities.iter().find_map(|capability| match capability {
            Capability::FourOctetAs(number) => Some(number),
            _ => None,
        });
        wide.unwrap_or(u32::from(self.my_as))
    }

    /// The value of the field of two octets for an AS number.
    #[must_use]
    pub fn narrow(number: u32) -> u16 {
        u16::try_from(number).unwrap_or(AS_TRANS)
    }

    pub(super) fn decode(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(body);
        let short = || Malformed::Length { length: HEADER + body.len() };
        let version = reader.u8().ok_or_else(short)?;
        if version != VERSION {
            return Err(Malformed::Version { version });
        }
        let my_as = reader.u16().ok_or_else(short)?;
        let hold_time = reader.u16().ok_or_else(short)?;
        let identifier = reader.array::<4>().map(Ipv4Addr::from).ok_or_else(short)?;
        let capabilities = Capabilities::decode(reader.rest())?;
        Ok(Self { my_as, hold_time, identifier, capabilities })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(VERSION);
        write::u16(out, self.my_as);
        write::u16(out, self.hold_time);
        out.extend(self.identifier.octets());
        self.capabilities.encode(out);
    }
}
