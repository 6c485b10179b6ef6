//! ARP packets in and out.

use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::Packet;
use pnet_packet::arp::{ArpHardwareTypes, ArpOperation, ArpOperations, ArpPacket, MutableArpPacket};
use pnet_packet::ethernet::EtherTypes;

use crate::{Malformed, ethernet};

/// Bytes of an ARP packet for IPv4 on Ethernet.
const LENGTH: usize = 28;
const MAC_LENGTH: u8 = 6;
const IPV4_LENGTH: u8 = 4;

/// What a packet wants. Other operations (RARP, InARP) are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender address is at the sender MAC.
    Reply,
}

/// An ARP packet for IPv4 on Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArpMessage {
    /// Request or reply.
    pub operation: Operation,
    /// `ar$sha`.
    pub sender_mac: MacAddr,
    /// `ar$spa`; unspecified in a probe.
    pub sender: Ipv4Addr,
    /// `ar$tha`; without meaning in a request.
    pub target_mac: MacAddr,
    /// `ar$tpa`.
    pub target: Ipv4Addr,
}

impl ArpMessage {
    /// Reads the payload of an Ethernet frame; padding behind the packet is passed over. `None` for operations other than
    /// request and reply.
    ///
    /// # Errors
    /// When it is cut short or not for IPv4 on Ethernet.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, Malformed> {
        let truncated = Malformed::Truncated { part: "ARP packet", need: LENGTH, got: payload.len() };
        let packet = ArpPacket::new(payload).ok_or(truncated)?;
        let (hardware, protocol) = (packet.get_hardware_type(), packet.get_protocol_type());
        let lengths = (packet.get_hw_addr_len(), packet.get_proto_addr_len());
        if hardware != ArpHardwareTypes::Ethernet
            || protocol != EtherTypes::Ipv4
            || lengths != (MAC_LENGTH, IPV4_LENGTH)
        {
            return Err(Malformed::NotEthernetIpv4 { hardware: hardware.0, protocol: protocol.0 });
        }
        let Some(operation) = operation(packet.get_operation()) else { return Ok(None) };
        Ok(Some(Self {
            operation,
            sender_mac: packet.get_sender_hw_addr(),
            sender: packet.get_sender_proto_addr(),
            target_mac: packet.get_target_hw_addr(),
            target: packet.get_target_proto_addr(),
        }))
    }

    /// Writes the packet into an Ethernet frame.
    #[must_use]
    pub fn build(&self, source: MacAddr, destination: MacAddr) -> Vec<u8> {
        let mut bytes = [0; LENGTH];
        if let Some(mut packet) = MutableArpPacket::new(&mut bytes) {
            packet.set_hardware_type(ArpHardwareTypes::Ethernet);
            packet.set_protocol_type(EtherTypes::Ipv4);
            packet.set_hw_addr_len(MAC_LENGTH);
            packet.set_proto_addr_len(IPV4_LENGTH);
            packet.set_operation(match self.operation {
                Operation::Request => ArpOperations::Request,
                Operation::Reply => ArpOperations::Reply,
            });
            packet.set_sender_hw_addr(self.sender_mac);
            packet.set_sender_proto_addr(self.sender);
            packet.set_target_hw_addr(self.target_mac);
            packet.set_target_proto_addr(self.target);
            debug_assert_eq!(packet.packet().len(), LENGTH);
        }
        ethernet::build(source, destination, EtherTypes::Arp, &bytes)
    }
}

fn operation(value: ArpOperation) -> Option<Operation> {
    match value {
        ArpOperations::Request => Some(Operation::Request),
        ArpOperations::Reply => Some(Operation::Reply),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ethernet::HEADER;

    fn message() -> impl Strategy<Value = ArpMessage> {
        let mac = || any::<[u8; 6]>().prop_map(MacAddr::from);
        let operation = prop_oneof![Just(Operation::Request), Just(Operation::Reply)];
        (operation, mac(), any::<Ipv4Addr>(), mac(), any::<Ipv4Addr>()).prop_map(
            |(operation, sender_mac, sender, target_mac, target)| ArpMessage {
                operation,
                sender_mac,
                sender,
                target_mac,
                target,
            },
        )
    }

    #[test]
    fn a_request_has_the_bytes_of_rfc_826() {
        let message = ArpMessage {
            operation: Operation::Request,
            sender_mac: MacAddr::new(2, 0, 0, 0, 0, 1),
            sender: Ipv4Addr::new(10, 0, 5, 1),
            target_mac: MacAddr::zero(),
            target: Ipv4Addr::new(10, 0, 5, 2),
        };
        let frame = message.build(MacAddr::new(2, 0, 0, 0, 0, 1), MacAddr::broadcast());
        let want = [
            255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, // Ethernet
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 5, 1, 0, 0, 0, 0, 0, 0, 10, 0, 5, 2,
        ];
        assert_eq!(frame, want);
    }

    #[test]
    fn other_hardware_and_other_operations_are_told_apart() {
        let mut bytes = [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 5, 1, 0, 0, 0, 0, 0, 0, 10, 0, 5, 2];
        bytes[7] = 8;
        assert_eq!(ArpMessage::parse(&bytes), Ok(None));
        bytes[1] = 32;
        assert_eq!(ArpMessage::parse(&bytes), Err(Malformed::NotEthernetIpv4 { hardware: 32, protocol: 0x0800 }));
        assert!(matches!(ArpMessage::parse(&bytes[..27]), Err(Malformed::Truncated { need: 28, got: 27, .. })));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(message in message(), padding in 0usize..40) {
            let mut frame = message.build(message.sender_mac, MacAddr::broadcast());
            frame.resize(frame.len() + padding, 0);
            prop_assert_eq!(ArpMessage::parse(&frame[HEADER..]), Ok(Some(message)));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = ArpMessage::parse(&bytes);
        }

        #[test]
        fn no_mutation_panics(message in message(), at in 0usize..28, value: u8, length in 0usize..28) {
            let mut frame = message.build(message.sender_mac, MacAddr::broadcast());
            frame[HEADER + at] = value;
            let _ = ArpMessage::parse(&frame[HEADER..]);
            let _ = ArpMessage::parse(&frame[HEADER..HEADER + length]);
        }
    }
}
