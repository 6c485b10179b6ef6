//! UPDATE.

use super::super::Family;
use super::attributes::Attributes;
use super::check::Flaw;
use super::nlri::Nlri;
use super::reader::Reader;
use super::{Malformed, write};

/// What a negotiated session knows of the UPDATEs it gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpdateContext {
    /// AS numbers have four octets.
    pub wide_as: bool,
    /// The peer is in another AS.
    pub external: bool,
}

/// Routes withdrawn and announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update<'a> {
    /// Withdrawn IPv4 prefixes.
    pub withdrawn: Nlri<'a>,
    /// What goes with the announced routes.
    pub attributes: Attributes<'a>,
    /// Announced IPv4 prefixes.
    pub nlri: Nlri<'a>,
}

impl<'a> Update<'a> {
    pub(super) fn decode(body: &'a [u8], context: &UpdateContext) -> Result<(Self, Option<Flaw>), Malformed> {
        let mut reader = Reader::new(body);
        let withdrawn = reader.counted_u16().ok_or(Malformed::AttributeList { part: "withdrawn routes" })?;
        let attributes = reader.counted_u16().ok_or(Malformed::AttributeList { part: "path attributes" })?;
        let withdrawn = Nlri::decode(Family::Ipv4Unicast, withdrawn).ok_or(Malformed::Network)?;
        let nlri = Nlri::decode(Family::Ipv4Unicast, reader.rest()).ok_or(Malformed::Network)?;
        let (attributes, flaw) = Attributes::decode(attributes, !nlri.is_empty(), context)?;
        Ok((Self { withdrawn, attributes, nlri }, flaw))
    }

    /// The family whose End-of-RIB marker this is (RFC 4724 section 2).
    #[must_use]
    pub fn end_of_rib(&self) -> Option<Family> {
        if !self.withdrawn.is_empty() || !self.nlri.is_empty() || self.attributes.mp_reach.is_some() {
            return None;
        }
        match &self.attributes.mp_unreach {
            None => self.attributes.is_empty().then_some(Family::Ipv4Unicast),
            Some(unreach) => unreach.prefixes.filter(Nlri::is_empty).map(|nlri| nlri.family()),
        }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        write::counted_u16(out, |out| out.extend_from_slice(self.withdrawn.bytes()));
        write::counted_u16(out, |out| self.attributes.encode(out));
        out.extend_from_slice(self.nlri.bytes());
    }
}
