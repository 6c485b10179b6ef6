//! Messages out: each writer appends to a buffer.

use super::super::{Family, NextHop, Prefix};
use super::{HEADER, Kind, MAX_EXTENDED_MESSAGE};

/// Optional bit of an attribute's flags.
pub(crate) const OPTIONAL: u8 = 0x80;
/// Transitive bit.
pub(crate) const TRANSITIVE: u8 = 0x40;
/// Extended length bit: the length has two octets.
pub(crate) const EXTENDED_LENGTH: u8 = 0x10;

pub(crate) fn u16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_be_bytes());
}

pub(crate) fn u32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

/// A whole message around what `body` writes. What is longer than any message may be has its length cut off; callers look
/// at the length.
pub(crate) fn message(out: &mut Vec<u8>, kind: Kind, body: impl FnOnce(&mut Vec<u8>)) {
    let start = begin(out, kind);
    body(out);
    finish(out, start);
}

/// Begins a message; [`finish`] ends it.
pub(crate) fn begin(out: &mut Vec<u8>, kind: Kind) -> usize {
    let start = out.len();
    out.extend([0xff; 16]);
    out.extend([0, 0, kind as u8]);
    start
}

/// Fills in the length of the message that began at `start`.
pub(crate) fn finish(out: &mut [u8], start: usize) {
    let length = out.len() - start;
    debug_assert!((HEADER..=MAX_EXTENDED_MESSAGE).contains(&length), "a message of {length} octets");
    put_u16(out, start + 16, length);
}

/// Overwrites two octets that were kept free for a length.
pub(crate) fn put_u16(out: &mut [u8], at: usize, value: usize) {
    let value = u16::try_from(value).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// What `body` writes, behind its length in two octets.
pub(crate) fn counted_u16(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0, 0]);
    body(out);
    let length = out.len() - start - 2;
    put_u16(out, start, length);
}

/// A path attribute. One octet of length where that is enough.
pub(crate) fn attribute(out: &mut Vec<u8>, flags: u8, kind: u8, value: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([flags & !EXTENDED_LENGTH, kind, 0]);
    value(out);
    let length = out.len() - start - 3;
    if let Ok(length) = u8::try_from(length) {
        out[start + 2] = length;
        return;
    }
    out[start] |= EXTENDED_LENGTH;
    out.insert(start + 2, 0);
    put_u16(out, start + 2, length);
}

/// A prefix: its length in bits, and as many octets as that needs.
pub(crate) fn prefix(out: &mut Vec<u8>, prefix: Prefix) {
    match prefix {
        Prefix::V4 { network, length } => bits(out, length, &network.octets()),
        Prefix::V6 { network, length } => bits(out, length, &network.octets()),
    }
}

fn bits(out: &mut Vec<u8>, length: u8, octets: &[u8]) {
    out.push(length);
    out.extend_from_slice(&octets[..usize::from(length.div_ceil(8))]);
}

/// Begins MP_REACH_NLRI (RFC 4760 section 3) with a length of two octets; gives where the length stands, for [`put_u16`].
pub(crate) fn begin_mp_reach(out: &mut Vec<u8>, family: Family, next_hop: NextHop) -> usize {
    out.extend([OPTIONAL | EXTENDED_LENGTH, 14]);
    let at = begin_mp(out, family);
    match next_hop {
        NextHop::V4(address) => next_hop_octets(out, &[&address.octets()]),
        NextHop::V6 { address, link_local: None } => next_hop_octets(out, &[&address.octets()]),
        NextHop::V6 { address, link_local: Some(link_local) } => {
            next_hop_octets(out, &[&address.octets(), &link_local.octets()]);
        }
    }
    out.push(0);
    at
}

fn next_hop_octets(out: &mut Vec<u8>, parts: &[&[u8]]) {
    out.push(parts.iter().map(|part| part.len() as u8).sum());
    for part in parts {
        out.extend_from_slice(part);
    }
}

/// Begins MP_UNREACH_NLRI (RFC 4760 section 4) in the same way.
pub(crate) fn begin_mp_unreach(out: &mut Vec<u8>, family: Family) -> usize {
    out.extend([OPTIONAL | EXTENDED_LENGTH, 15]);
    begin_mp(out, family)
}

fn begin_mp(out: &mut Vec<u8>, family: Family) -> usize {
    let at = out.len();
    let family = family.wire();
    out.extend([0, 0]);
    u16(out, family.afi);
    out.push(family.safi);
    at
}

/// A whole MP_UNREACH_NLRI around what `nlri` writes.
pub(crate) fn mp_unreach(out: &mut Vec<u8>, family: Family, nlri: impl FnOnce(&mut Vec<u8>)) {
    let at = begin_mp_unreach(out, family);
    nlri(out);
    let length = out.len() - at - 2;
    put_u16(out, at, length);
}
