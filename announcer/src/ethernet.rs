//! Ethernet framing, with priority tags (802.1Q, VLAN 0) taken off.

use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::ethernet::{EtherType, EtherTypes, EthernetPacket, MutableEthernetPacket};

use crate::Malformed;

/// Bytes of an Ethernet header without tags.
pub(crate) const HEADER: usize = 14;
/// Bytes of an 802.1Q or 802.1ad tag.
const TAG: usize = 4;
/// The lower 12 bits of a tag: the VLAN.
const VLAN_MASK: u16 = 0x0fff;
/// At most this many tags are taken off (802.1ad allows two).
const MAX_TAGS: usize = 2;

/// One received frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub source: MacAddr,
    pub kind: EtherType,
    pub payload: &'a [u8],
}

/// Reads the header. A frame of a VLAN other than 0 keeps the ethertype of its tag, so that nobody answers it: it belongs
/// to another segment, whose own interface sees it without the tag.
pub(crate) fn read(bytes: &[u8]) -> Result<Frame<'_>, Malformed> {
    let truncated = |need| Malformed::Truncated { part: "Ethernet header", need, got: bytes.len() };
    let packet = EthernetPacket::new(bytes).ok_or_else(|| truncated(HEADER))?;
    let mut kind = packet.get_ethertype();
    let mut payload = bytes.get(HEADER..).unwrap_or_default();
    for _ in 0..MAX_TAGS {
        if kind != EtherTypes::Vlan && kind != EtherTypes::PBridge {
            break;
        }
        let &[priority, vlan, high, low, ..] = payload else { return Err(truncated(HEADER + TAG)) };
        if u16::from_be_bytes([priority, vlan]) & VLAN_MASK != 0 {
            break;
        }
        kind = EtherType(u16::from_be_bytes([high, low]));
        payload = payload.get(TAG..).unwrap_or_default();
    }
    Ok(Frame { source: packet.get_source(), kind, payload })
}

/// Writes a frame around a payload.
pub(crate) fn build(source: MacAddr, destination: MacAddr, kind: EtherType, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER + payload.len()];
    if let Some(mut frame) = MutableEthernetPacket::new(&mut bytes) {
        frame.set_source(source);
        frame.set_destination(destination);
        frame.set_ethertype(kind);
        frame.set_payload(payload);
        debug_assert_eq!(frame.packet().len(), HEADER + payload.len());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGGED: [u8; 20] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0x60, 0, 0x08, 0x06, 0xaa, 0xbb];

    #[test]
    fn a_priority_tag_is_taken_off() {
        let frame = read(&TAGGED).unwrap();
        assert_eq!((frame.kind, frame.payload), (EtherTypes::Arp, &[0xaa, 0xbb][..]));
        assert_eq!(frame.source, MacAddr::new(2, 0, 0, 0, 0, 2));
    }

    #[test]
    fn a_frame_of_another_vlan_stays_tagged() {
        let mut bytes = TAGGED;
        bytes[15] = 7;
        assert_eq!(read(&bytes).unwrap().kind, EtherTypes::Vlan);
    }

    #[test]
    fn short_frames_are_refused() {
        for length in 0..HEADER {
            assert!(read(&TAGGED[..length]).is_err(), "{length}");
        }
        assert!(matches!(read(&TAGGED[..17]), Err(Malformed::Truncated { need: 18, .. })));
    }
}
