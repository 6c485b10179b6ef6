//! What an ARP packet says, and what to say ourselves.

use std::net::{IpAddr, Ipv4Addr};

use pnet_base::MacAddr;

use super::packet::{ArpMessage, Operation};
use crate::wire::is_station;
use crate::{Claim, Heard, Malformed, Question};

/// Reads the payload of an ARP frame.
///
/// Every packet with a sender address claims it (RFC 5227 section 2.4), requests too. A request for the sender's own
/// address is an announcement and asks nothing.
///
/// # Errors
/// When the packet is malformed.
pub fn hear(payload: &[u8]) -> Result<Heard, Malformed> {
    let Some(packet) = ArpMessage::parse(payload)? else { return Ok(Heard::default()) };
    if !is_station(packet.sender_mac) {
        return Err(Malformed::SenderMac(packet.sender_mac));
    }
    let claims = !packet.sender.is_unspecified();
    let claim = claims.then_some(Claim { address: IpAddr::V4(packet.sender), mac: packet.sender_mac });
    let asks = packet.operation == Operation::Request && packet.sender != packet.target;
    let question = asks.then_some(Question {
        target: IpAddr::V4(packet.target),
        asker_mac: packet.sender_mac,
        asker: IpAddr::V4(packet.sender),
    });
    Ok(Heard { claim, question })
}

/// The reply to a request or probe: unicast to the asker (RFC 826).
#[must_use]
pub fn answer(mac: MacAddr, target: Ipv4Addr, asker_mac: MacAddr, asker: Ipv4Addr) -> Vec<u8> {
    let reply = ArpMessage {
        operation: Operation::Reply,
        sender_mac: mac,
        sender: target,
        target_mac: asker_mac,
        target: asker,
    };
    reply.build(mac, asker_mac)
}

/// The announcement in its two forms, to all stations.
///
/// The request form is the one of RFC 5227 section 2.3. Some stations take news only from replies, so the reply form
/// follows; Linux takes it as gratuitous only with the sender's MAC as target MAC.
#[must_use]
pub fn announce(mac: MacAddr, address: Ipv4Addr) -> [Vec<u8>; 2] {
    let form = |operation, target_mac| {
        ArpMessage { operation, sender_mac: mac, sender: address, target_mac, target: address }
            .build(mac, MacAddr::broadcast())
    };
    [form(Operation::Request, MacAddr::zero()), form(Operation::Reply, mac)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ethernet::HEADER;

    const OURS: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const THEIRS: MacAddr = MacAddr(2, 0, 0, 0, 0, 2);
    const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 100);
    const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 0, 5, 20);

    fn request(sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
        let target_mac = MacAddr::zero();
        ArpMessage { operation: Operation::Request, sender_mac: THEIRS, sender, target_mac, target }
            .build(THEIRS, MacAddr::broadcast())
    }

    #[test]
    fn a_request_claims_and_asks() {
        let heard = hear(&request(CLIENT, SERVICE)[HEADER..]).unwrap();
        assert_eq!(heard.claim, Some(Claim { address: CLIENT.into(), mac: THEIRS }));
        let want = Question { target: SERVICE.into(), asker_mac: THEIRS, asker: CLIENT.into() };
        assert_eq!(heard.question, Some(want));
    }

    #[test]
    fn a_probe_asks_and_claims_nothing() {
        let heard = hear(&request(Ipv4Addr::UNSPECIFIED, SERVICE)[HEADER..]).unwrap();
        assert_eq!(heard.claim, None);
        assert!(heard.question.is_some());
    }

    #[test]
    fn announcements_claim_and_ask_nothing() {
        for frame in announce(THEIRS, SERVICE) {
            assert_eq!(&frame[..6], &[255; 6]);
            let heard = hear(&frame[HEADER..]).unwrap();
            assert_eq!(heard.claim, Some(Claim { address: SERVICE.into(), mac: THEIRS }));
            assert_eq!(heard.question, None);
        }
    }

    #[test]
    fn the_answer_goes_to_the_asker_alone() {
        let frame = answer(OURS, SERVICE, THEIRS, CLIENT);
        assert_eq!(&frame[..6], &THEIRS.octets());
        let want = ArpMessage {
            operation: Operation::Reply,
            sender_mac: OURS,
            sender: SERVICE,
            target_mac: THEIRS,
            target: CLIENT,
        };
        assert_eq!(ArpMessage::parse(&frame[HEADER..]), Ok(Some(want)));
    }

    #[test]
    fn a_group_as_sender_is_malformed() {
        let mut frame = request(CLIENT, SERVICE);
        frame[HEADER + 8] = 0x33;
        assert!(matches!(hear(&frame[HEADER..]), Err(Malformed::SenderMac(_))));
    }
}
