//! Path attributes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::super::{AfiSafi, Family, NextHop};
use super::check::{Flaw, Problem, Treatment};
use super::nlri::Nlri;
use super::paths::AsPath;
use super::reader::Reader;
use super::update::UpdateContext;
use super::write::{self, EXTENDED_LENGTH, OPTIONAL, TRANSITIVE};
use super::{Malformed, kinds};

/// ORIGIN (RFC 4271 section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From within the AS. Routers prefer it, and put only routes of equal origin side by side.
    Igp = 0,
    /// From EGP.
    Egp = 1,
    /// From somewhere else.
    Incomplete = 2,
}

/// Values of `N` octets each, checked to be at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a, const N: usize>(&'a [[u8; N]]);

/// COMMUNITIES (RFC 1997): four octets each.
pub type Communities<'a> = Words<'a, 4>;
/// EXTENDED COMMUNITIES (RFC 4360): eight octets each.
pub type Extended<'a> = Words<'a, 8>;
/// LARGE_COMMUNITY (RFC 8092): three times four octets each.
pub type Large<'a> = Words<'a, 12>;

impl<'a, const N: usize> Words<'a, N> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks();
        (!words.is_empty() && rest.is_empty()).then_some(Self(words))
    }

    /// Each value, in the order of the message.
    pub fn iter(&self) -> impl Iterator<Item = [u8; N]> + 'a {
        self.0.iter().copied()
    }

    fn bytes(&self) -> &'a [u8] {
        self.0.as_flattened()
    }
}

/// AGGREGATOR (RFC 4271 section 5.1.7) or AS4_AGGREGATOR (RFC 6793).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aggregator {
    /// The AS that aggregated.
    pub autonomous_system: u32,
    /// Whether its number takes four octets in the message.
    pub wide: bool,
    /// The router that aggregated.
    pub identifier: Ipv4Addr,
}

impl Aggregator {
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let wide = bytes.len() == 8;
        let autonomous_system = if wide { reader.u32()? } else { u32::from(reader.u16()?) };
        let identifier = Ipv4Addr::from(reader.array::<4>()?);
        reader.is_empty().then_some(Self { autonomous_system, wide, identifier })
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let octets = self.autonomous_system.to_be_bytes();
        out.extend_from_slice(if self.wide { &octets } else { &octets[2..] });
        out.extend(self.identifier.octets());
    }
}

/// MP_REACH_NLRI (RFC 4760 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpReach<'a> {
    /// The family.
    pub family: AfiSafi,
    /// The next hop, for families that are known here.
    pub next_hop: Option<NextHop>,
    /// The prefixes, for families that are known here.
    pub prefixes: Option<Nlri<'a>>,
    /// All behind the family.
    raw: &'a [u8],
}

/// MP_UNREACH_NLRI (RFC 4760 section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MpUnreach<'a> {
    /// The family.
    pub family: AfiSafi,
    /// The prefixes, for families that are known here.
    pub prefixes: Option<Nlri<'a>>,
    /// All behind the family.
    raw: &'a [u8],
}

/// An attribute that is not known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown<'a> {
    /// Flags.
    pub flags: u8,
    /// Type.
    pub kind: u8,
    /// Value.
    pub value: &'a [u8],
}

/// The attributes of an UPDATE. What is missing or flawed is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// AS_PATH.
    pub as_path: Option<AsPath<'a>>,
    /// NEXT_HOP.
    pub next_hop: Option<Ipv4Addr>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    pub aggregator: Option<Aggregator>,
    /// COMMUNITIES.
    pub communities: Option<Communities<'a>>,
    /// MP_REACH_NLRI.
    pub mp_reach: Option<MpReach<'a>>,
    /// MP_UNREACH_NLRI.
    pub mp_unreach: Option<MpUnreach<'a>>,
    /// EXTENDED COMMUNITIES.
    pub extended_communities: Option<Extended<'a>>,
    /// AS4_PATH.
    pub as4_path: Option<AsPath<'a>>,
    /// AS4_AGGREGATOR.
    pub as4_aggregator: Option<Aggregator>,
    /// LARGE_COMMUNITY.
    pub large_communities: Option<Large<'a>>,
    raw: &'a [u8],
}

/// Which attribute types were seen.
#[derive(Debug, Clone, Copy, Default)]
struct Seen([u128; 2]);

impl Seen {
    /// Whether it is the first of its type.
    fn first(&mut self, kind: u8) -> bool {
        let first = !self.has(kind);
        self.0[usize::from(kind >> 7)] |= 1 << (kind & 0x7f);
        first
    }

    fn has(self, kind: u8) -> bool {
        self.0[usize::from(kind >> 7)] & 1 << (kind & 0x7f) != 0
    }
}

impl<'a> Attributes<'a> {
    /// Reads them. `announces`: IPv4 prefixes follow behind the attributes.
    pub(super) fn decode(
        bytes: &'a [u8],
        announces: bool,
        context: &UpdateContext,
    ) -> Result<(Self, Option<Flaw>), Malformed> {
        let mut read = Self { raw: bytes, ..Self::default() };
        let (mut worst, mut seen, mut reader) = (None, Seen::default(), Reader::new(bytes));
        while !reader.is_empty() {
            let rest = reader.rest();
            let Some(attribute) = attribute(&mut reader) else {
                let kind = rest.get(1).copied().unwrap_or_default();
                Flaw::note(&mut worst, Flaw::new(Treatment::Withdraw, kind, Problem::Overrun));
                break;
            };
            let whole = &rest[..rest.len() - reader.rest().len()];
            if let Some(flaw) = read.take(attribute, whole, &mut seen, context)? {
                Flaw::note(&mut worst, flaw);
            }
        }
        for kind in read.required(announces, context) {
            if !seen.has(kind) {
                Flaw::note(&mut worst, Flaw::new(Treatment::Withdraw, kind, Problem::Missing));
            }
        }
        Ok((read, worst))
    }

    /// The attributes that must be there (RFC 4271 section 5, RFC 7606 section 3).
    fn required(&self, announces: bool, context: &UpdateContext) -> impl Iterator<Item = u8> + use<> {
        let any = announces || self.mp_reach.is_some();
        let required = [
            (any, kinds::ORIGIN),
            (any, kinds::AS_PATH),
            (announces, kinds::NEXT_HOP),
            (any && !context.external, kinds::LOCAL_PREF),
        ];
        required.into_iter().filter_map(|(required, kind)| required.then_some(kind))
    }

    fn take(
        &mut self,
        attribute: Unknown<'a>,
        whole: &[u8],
        seen: &mut Seen,
        context: &UpdateContext,
    ) -> Result<Option<Flaw>, Malformed> {
        let kind = attribute.kind;
        if !seen.first(kind) {
            if matches!(kind, kinds::MP_REACH | kinds::MP_UNREACH) {
                return Err(Malformed::AttributeList {
                    part: "reachable or unreachable prefixes, which are there twice",
                });
            }
            return Ok(Some(Flaw::new(Treatment::DiscardAttribute, kind, Problem::Repeated)));
        }
        let Some(flags) = kinds::flags(kind) else {
            let well_known = attribute.flags & OPTIONAL == 0;
            return if well_known {
                Err(Malformed::UnknownWellKnown { kind, attribute: whole.to_vec() })
            } else {
                Ok(None)
            };
        };
        let mut worst = None;
        if (attribute.flags ^ flags) & (OPTIONAL | TRANSITIVE) != 0 {
            Flaw::note(&mut worst, Flaw::new(Treatment::Withdraw, kind, Problem::Flags));
        }
        if let Err((treatment, problem)) = self.read_value(kind, attribute.value, context)? {
            Flaw::note(&mut worst, Flaw::new(treatment, kind, problem));
        }
        Ok(worst)
    }

    /// RFC 7606 section 7, RFC 6793 section 6, RFC 8092 section 6.
    fn read_value(&mut self, kind: u8, value: &'a [u8], context: &UpdateContext) -> Result<Checked, Malformed> {
        use Problem::{Length, NotExternal, Value};
        use Treatment::{DiscardAttribute, Withdraw};
        let external = context.external;
        let length = |good: bool| if good { Ok(()) } else { Err((Withdraw, Length)) };
        Ok(match kind {
            kinds::ORIGIN => {
                self.origin = match value {
                    [0] => Some(Origin::Igp),
                    [1] => Some(Origin::Egp),
                    [2] => Some(Origin::Incomplete),
                    _ => None,
                };
                fill(self.origin, if value.len() == 1 { (Withdraw, Value) } else { (Withdraw, Length) })
            }
            kinds::AS_PATH => set(&mut self.as_path, AsPath::decode(value, context.wide_as), (Withdraw, Value)),
            kinds::NEXT_HOP => {
                let address = <[u8; 4]>::try_from(value).ok().map(Ipv4Addr::from);
                set(&mut self.next_hop, address, (Withdraw, Length))
            }
            kinds::MED => set(&mut self.med, number(value), (Withdraw, Length)),
            kinds::LOCAL_PREF | kinds::ORIGINATOR_ID | kinds::CLUSTER_LIST if external => {
                Err((DiscardAttribute, NotExternal))
            }
            kinds::LOCAL_PREF => set(&mut self.local_pref, number(value), (Withdraw, Length)),
            kinds::ORIGINATOR_ID => length(value.len() == 4),
            kinds::CLUSTER_LIST => length(!value.is_empty() && value.len().is_multiple_of(4)),
            kinds::ATOMIC_AGGREGATE => {
                self.atomic_aggregate = value.is_empty();
                if value.is_empty() { Ok(()) } else { Err((DiscardAttribute, Length)) }
            }
            kinds::AGGREGATOR => {
                let good = value.len() == if context.wide_as { 8 } else { 6 };
                let aggregator = Aggregator::decode(value).filter(|_| good);
                set(&mut self.aggregator, aggregator, (DiscardAttribute, Length))
            }
            kinds::AS4_AGGREGATOR => {
                let aggregator = Aggregator::decode(value).filter(|aggregator| aggregator.wide);
                set(&mut self.as4_aggregator, aggregator, (DiscardAttribute, Length))
            }
            kinds::AS4_PATH => set(&mut self.as4_path, AsPath::decode(value, true), (DiscardAttribute, Value)),
            kinds::COMMUNITIES => set(&mut self.communities, Words::decode(value), (Withdraw, Length)),
            kinds::EXTENDED => set(&mut self.extended_communities, Words::decode(value), (Withdraw, Length)),
            kinds::LARGE => set(&mut self.large_communities, Words::decode(value), (Withdraw, Length)),
            kinds::MP_REACH => {
                let reach = MpReach::decode(value).ok_or(Malformed::AttributeList { part: "reachable prefixes" })?;
                self.mp_reach = Some(reach);
                readable(reach.family, reach.prefixes.is_some() && reach.next_hop.is_some())
            }
            kinds::MP_UNREACH => {
                let part = "unreachable prefixes";
                let unreach = MpUnreach::decode(value).ok_or(Malformed::AttributeList { part })?;
                self.mp_unreach = Some(unreach);
                readable(unreach.family, unreach.prefixes.is_some())
            }
            _ => Ok(()),
        })
    }

    /// Whether there are none at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Those that are not known here, the first of each type.
    pub fn unknown(&self) -> impl Iterator<Item = Unknown<'a>> {
        let (mut reader, mut seen) = (Reader::new(self.raw), Seen::default());
        std::iter::from_fn(move || attribute(&mut reader))
            .filter(move |attribute| seen.first(attribute.kind) && !kinds::has_field(attribute.kind))
    }

    /// In the order of types, but prefixes first (RFC 7606 section 5.1).
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let mut put = |kind: u8, value: &dyn Fn(&mut Vec<u8>)| {
            write::attribute(out, kinds::flags(kind).unwrap_or_default(), kind, value);
        };
        if let Some(reach) = &self.mp_reach {
            put(kinds::MP_REACH, &|out| family_and(out, reach.family, reach.raw));
        }
        if let Some(unreach) = &self.mp_unreach {
            put(kinds::MP_UNREACH, &|out| family_and(out, unreach.family, unreach.raw));
        }
        if let Some(origin) = self.origin {
            put(kinds::ORIGIN, &|out| out.push(origin as u8));
        }
        if let Some(path) = &self.as_path {
            put(kinds::AS_PATH, &|out| out.extend_from_slice(path.bytes()));
        }
        if let Some(next_hop) = self.next_hop {
            put(kinds::NEXT_HOP, &|out| out.extend(next_hop.octets()));
        }
        if let Some(med) = self.med {
            put(kinds::MED, &|out| write::u32(out, med));
        }
        if let Some(local_pref) = self.local_pref {
            put(kinds::LOCAL_PREF, &|out| write::u32(out, local_pref));
        }
        if self.atomic_aggregate {
            put(kinds::ATOMIC_AGGREGATE, &|_| ());
        }
        if let Some(aggregator) = &self.aggregator {
            put(kinds::AGGREGATOR, &|out| aggregator.encode(out));
        }
        let words = [
            (kinds::COMMUNITIES, self.communities.as_ref().map(Words::bytes)),
            (kinds::EXTENDED, self.extended_communities.as_ref().map(Words::bytes)),
            (kinds::AS4_PATH, self.as4_path.as_ref().map(AsPath::bytes)),
            (kinds::LARGE, self.large_communities.as_ref().map(Words::bytes)),
        ];
        for (kind, bytes) in words.into_iter().filter_map(|(kind, bytes)| Some((kind, bytes?))) {
            put(kind, &|out| out.extend_from_slice(bytes));
        }
        if let Some(aggregator) = &self.as4_aggregator {
            put(kinds::AS4_AGGREGATOR, &|out| aggregator.encode(out));
        }
        for unknown in self.unknown() {
            write::attribute(out, unknown.flags, unknown.kind, |out| out.extend_from_slice(unknown.value));
        }
    }
}

type Checked = Result<(), (Treatment, Problem)>;

fn set<T>(field: &mut Option<T>, value: Option<T>, flaw: (Treatment, Problem)) -> Checked {
    *field = value;
    fill(field.as_ref(), flaw)
}

fn fill<T>(value: Option<T>, flaw: (Treatment, Problem)) -> Checked {
    value.map(|_| ()).ok_or(flaw)
}

/// A family that is not known here was not negotiated, so what it carries does not matter.
fn readable(family: AfiSafi, good: bool) -> Checked {
    match Family::from_wire(family) {
        Some(family) if !good => Err((Treatment::DisableFamily(family), Problem::Value)),
        _ => Ok(()),
    }
}

fn number(value: &[u8]) -> Option<u32> {
    value.try_into().ok().map(u32::from_be_bytes)
}

fn family_and(out: &mut Vec<u8>, family: AfiSafi, rest: &[u8]) {
    write::u16(out, family.afi);
    out.push(family.safi);
    out.extend_from_slice(rest);
}

fn attribute<'a>(reader: &mut Reader<'a>) -> Option<Unknown<'a>> {
    let (flags, kind) = (reader.u8()?, reader.u8()?);
    let value = if flags & EXTENDED_LENGTH == 0 { reader.counted_u8() } else { reader.counted_u16() };
    Some(Unknown { flags, kind, value: value? })
}

impl<'a> MpReach<'a> {
    fn decode(value: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let family = AfiSafi { afi: reader.u16()?, safi: reader.u8()? };
        let raw = reader.rest();
        let next_hop = reader.counted_u8()?;
        reader.u8()?;
        let known = Family::from_wire(family);
        let prefixes = known.and_then(|family| Nlri::decode(family, reader.rest()));
        let next_hop = known.and_then(|family| read_next_hop(family, next_hop));
        Some(Self { family, next_hop, prefixes, raw })
    }
}

/// RFC 2545 section 3, RFC 8950 section 3.
fn read_next_hop(family: Family, octets: &[u8]) -> Option<NextHop> {
    let mut reader = Reader::new(octets);
    match (family, octets.len()) {
        (Family::Ipv4Unicast, 4) => Some(NextHop::V4(Ipv4Addr::from(reader.array::<4>()?))),
        (_, 16 | 32) => {
            let address = Ipv6Addr::from(reader.array::<16>()?);
            Some(NextHop::V6 { address, link_local: reader.array::<16>().map(Ipv6Addr::from) })
        }
        _ => None,
    }
}

impl<'a> MpUnreach<'a> {
    fn decode(value: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let family = AfiSafi { afi: reader.u16()?, safi: reader.u8()? };
        let prefixes = Family::from_wire(family).and_then(|family| Nlri::decode(family, reader.rest()));
        Some(Self { family, prefixes, raw: reader.rest() })
    }
}

impl From<NextHop> for IpAddr {
    fn from(next_hop: NextHop) -> Self {
        match next_hop {
            NextHop::V4(address) => Self::V4(address),
            NextHop::V6 { address, .. } => Self::V6(address),
        }
    }
}
