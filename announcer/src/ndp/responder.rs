//! What a neighbour message says, and what to say ourselves.

use std::net::{IpAddr, Ipv6Addr};

use pnet_base::MacAddr;

use super::packet::{ALL_NODES, NdpMessage, NdpPacket, multicast_mac};
use crate::wire::is_station;
use crate::{Claim, Heard, Malformed, Question};

/// Reads the payload of an IPv6 frame that came from the Ethernet address `frame_source`.
///
/// An advertisement claims its target. A solicitation with a source address claims that one and asks for its target; a
/// probe for duplicates only asks.
///
/// # Errors
/// When the packet is a neighbour message and malformed.
pub fn hear(payload: &[u8], frame_source: MacAddr) -> Result<Heard, Malformed> {
    let Some(packet) = NdpPacket::parse(payload)? else { return Ok(Heard::default()) };
    let (NdpMessage::Solicitation { source_mac: stated, .. } | NdpMessage::Advertisement { target_mac: stated, .. }) =
        packet.message;
    let mac = stated.unwrap_or(frame_source);
    if !is_station(mac) {
        return Err(Malformed::SenderMac(mac));
    }
    let claim = |address: Ipv6Addr| Some(Claim { address: IpAddr::V6(address), mac });
    Ok(match packet.message {
        NdpMessage::Advertisement { target, .. } => Heard { claim: claim(target), question: None },
        NdpMessage::Solicitation { target, .. } => {
            let claim = if packet.source.is_unspecified() { None } else { claim(packet.source) };
            let question = Question { target: IpAddr::V6(target), asker_mac: mac, asker: IpAddr::V6(packet.source) };
            Heard { claim, question: Some(question) }
        }
    })
}

/// The advertisement that answers a solicitation: to the asker, or to all nodes when the asker is probing for duplicates
/// (RFC 4861 section 7.2.4).
#[must_use]
pub fn answer(mac: MacAddr, target: Ipv6Addr, asker_mac: MacAddr, asker: Ipv6Addr) -> Vec<u8> {
    if asker.is_unspecified() {
        return advertisement(mac, target, ALL_NODES, false).build(mac, multicast_mac(ALL_NODES));
    }
    advertisement(mac, target, asker, true).build(mac, asker_mac)
}

/// The unsolicited advertisement to all nodes (RFC 4861 section 7.2.6).
///
/// Its source is the service address itself, which the node answers for at that moment, so that an interface without a
/// link-local address can announce, too.
#[must_use]
pub fn announce(mac: MacAddr, address: Ipv6Addr) -> [Vec<u8>; 1] {
    [advertisement(mac, address, ALL_NODES, false).build(mac, multicast_mac(ALL_NODES))]
}

fn advertisement(mac: MacAddr, target: Ipv6Addr, destination: Ipv6Addr, solicited: bool) -> NdpPacket {
    let message = NdpMessage::Advertisement { target, router: false, solicited, replace: true, target_mac: Some(mac) };
    NdpPacket { source: target, destination, message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethernet::HEADER;
    use crate::ndp::packet::solicited_node;

    const OURS: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const THEIRS: MacAddr = MacAddr(2, 0, 0, 0, 0, 2);
    const SERVICE: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100);
    const CLIENT: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x20);

    fn solicitation(source: Ipv6Addr, source_mac: Option<MacAddr>) -> Vec<u8> {
        let message = NdpMessage::Solicitation { target: SERVICE, source_mac };
        let group = solicited_node(SERVICE);
        NdpPacket { source, destination: group, message }.build(THEIRS, multicast_mac(group))
    }

    #[test]
    fn a_solicitation_claims_and_asks() {
        for stated in [Some(THEIRS), None] {
            let heard = hear(&solicitation(CLIENT, stated)[HEADER..], THEIRS).unwrap();
            assert_eq!(heard.claim, Some(Claim { address: CLIENT.into(), mac: THEIRS }));
            let want = Question { target: SERVICE.into(), asker_mac: THEIRS, asker: CLIENT.into() };
            assert_eq!(heard.question, Some(want));
        }
    }

    #[test]
    fn a_probe_is_answered_to_all_nodes() {
        let heard = hear(&solicitation(Ipv6Addr::UNSPECIFIED, None)[HEADER..], THEIRS).unwrap();
        assert_eq!(heard.claim, None);
        assert!(heard.question.is_some());
        let frame = answer(OURS, SERVICE, THEIRS, Ipv6Addr::UNSPECIFIED);
        assert_eq!(&frame[..6], &multicast_mac(ALL_NODES).octets());
        let packet = NdpPacket::parse(&frame[HEADER..]).unwrap().unwrap();
        assert_eq!(packet, advertisement(OURS, SERVICE, ALL_NODES, false));
    }

    #[test]
    fn the_answer_goes_to_the_asker_alone() {
        let frame = answer(OURS, SERVICE, THEIRS, CLIENT);
        assert_eq!(&frame[..6], &THEIRS.octets());
        let packet = NdpPacket::parse(&frame[HEADER..]).unwrap().unwrap();
        let message = NdpMessage::Advertisement {
            target: SERVICE,
            router: false,
            solicited: true,
            replace: true,
            target_mac: Some(OURS),
        };
        assert_eq!(packet, NdpPacket { source: SERVICE, destination: CLIENT, message });
    }

    #[test]
    fn announcements_claim_and_ask_nothing() {
        let [frame] = announce(THEIRS, SERVICE);
        let heard = hear(&frame[HEADER..], THEIRS).unwrap();
        assert_eq!(heard, Heard { claim: Some(Claim { address: SERVICE.into(), mac: THEIRS }), question: None });
    }

    #[test]
    fn a_group_as_sender_is_malformed() {
        let group = MacAddr(0x33, 0x33, 0, 0, 0, 1);
        let heard = hear(&solicitation(CLIENT, Some(group))[HEADER..], THEIRS);
        assert_eq!(heard, Err(Malformed::SenderMac(group)));
    }
}
