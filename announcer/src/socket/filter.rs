//! What of an interface's traffic is queued for us: a classic BPF program that the kernel runs on each frame.

use socket2::SockFilter;

/// Bytes of a frame that are queued at most. Neighbour messages and ARP packets are far smaller.
pub(super) const SNAP: u32 = 2048;

const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const JUMP_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Where the kernel's own notes on a frame begin (SKF_AD_OFF, -0x1000).
const NOTES: u32 = 0xffff_f000;
const PACKET_TYPE: u32 = NOTES + 4; // SKF_AD_PKTTYPE
const VLAN_TAG: u32 = NOTES + 44; // SKF_AD_VLAN_TAG
const VLAN_TAG_PRESENT: u32 = NOTES + 48; // SKF_AD_VLAN_TAG_PRESENT

/// To this host, to all, to a group: 0, 1, 2. Above are frames for other hosts and those that this host sends.
const PACKET_MULTICAST: u32 = 2;
/// The lower 12 bits of a tag: the VLAN.
const VLAN_MASK: u32 = 0x0fff;
const ETHERTYPE: u32 = 12;
const ARP: u32 = 0x0806;
const ARP_OPERATION: u32 = 20;
const IPV6: u32 = 0x86dd;
const NEXT_HEADER: u32 = 20;
const ICMPV6: u32 = 58;
const ICMPV6_TYPE: u32 = 54;
const SOLICITATION: u32 = 135;
const ADVERTISEMENT: u32 = 136;

#[derive(Debug, Clone, Copy)]
struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

const fn step(code: u16, k: u32) -> Instruction {
    Instruction { code, jt: 0, jf: 0, k }
}

/// Goes on to one of two lines; `at` is the line that it stands in.
const fn branch(at: u8, code: u16, k: u32, then: u8, otherwise: u8) -> Instruction {
    Instruction { code, jt: then - at - 1, jf: otherwise - at - 1, k }
}

const DROP: u8 = 18;
const TAKE: u8 = 19;

/// Takes ARP requests and replies, and neighbour solicitations and advertisements without extension headers, that come
/// in for this host, for all or for a group. The kernel has taken the outer VLAN tag off and noted it: a frame with a
/// VLAN other than 0 belongs to another segment, whose own interface sees it.
const PROGRAM: [Instruction; 20] = [
    step(LOAD_WORD, PACKET_TYPE),
    branch(1, JUMP_GREATER, PACKET_MULTICAST, DROP, 2),
    step(LOAD_WORD, VLAN_TAG_PRESENT),
    branch(3, JUMP_EQUAL, 0, 7, 4),
    step(LOAD_WORD, VLAN_TAG),
    step(AND, VLAN_MASK),
    branch(6, JUMP_EQUAL, 0, 7, DROP),
    step(LOAD_HALF, ETHERTYPE),
    branch(8, JUMP_EQUAL, ARP, 9, 12),
    step(LOAD_HALF, ARP_OPERATION),
    branch(10, JUMP_EQUAL, 1, TAKE, 11),
    branch(11, JUMP_EQUAL, 2, TAKE, DROP),
    branch(12, JUMP_EQUAL, IPV6, 13, DROP),
    step(LOAD_BYTE, NEXT_HEADER),
    branch(14, JUMP_EQUAL, ICMPV6, 15, DROP),
    step(LOAD_BYTE, ICMPV6_TYPE),
    branch(16, JUMP_EQUAL, SOLICITATION, TAKE, 17),
    branch(17, JUMP_EQUAL, ADVERTISEMENT, TAKE, DROP),
    step(RETURN, 0),
    step(RETURN, SNAP),
];

/// The program as the kernel wants it.
pub(super) fn program() -> [SockFilter; PROGRAM.len()] {
    PROGRAM.map(|Instruction { code, jt, jf, k }| SockFilter::new(code, jt, jf, k))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::MacAddr;
    use crate::arp;
    use crate::ndp;

    const MAC: MacAddr = MacAddr(2, 0, 0, 0, 0, 1);
    const FOR_US: u32 = 0;
    const FOR_OTHERS: u32 = 3;
    const OUTGOING: u32 = 4;

    /// Runs the program as the kernel does: a load beyond the end of the frame drops it.
    fn takes(frame: &[u8], packet_type: u32, tag: Option<u16>) -> bool {
        let (mut at, mut a) = (0, 0u32);
        loop {
            let Instruction { code, jt, jf, k } = PROGRAM[at];
            at += 1;
            let size = match code {
                LOAD_WORD => 4,
                LOAD_HALF => 2,
                LOAD_BYTE => 1,
                _ => 0,
            };
            match (code, k) {
                (RETURN, k) => return k != 0,
                (AND, k) => a &= k,
                (JUMP_EQUAL, k) => at += usize::from(if a == k { jt } else { jf }),
                (JUMP_GREATER, k) => at += usize::from(if a > k { jt } else { jf }),
                (_, PACKET_TYPE) => a = packet_type,
                (_, VLAN_TAG_PRESENT) => a = u32::from(tag.is_some()),
                (_, VLAN_TAG) => a = u32::from(tag.unwrap_or(0)),
                (_, k) => match frame.get(k as usize..k as usize + size) {
                    Some(bytes) => a = bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)),
                    None => return false,
                },
            }
        }
    }

    fn arp_frame() -> Vec<u8> {
        arp::responder::announce(MAC, [10, 0, 5, 100].into())[0].clone()
    }

    fn ndp_frame() -> Vec<u8> {
        ndp::responder::announce(MAC, "fd00::100".parse().unwrap())[0].clone()
    }

    #[test]
    fn arp_and_neighbour_messages_are_taken() {
        for frame in [arp_frame(), ndp_frame()] {
            for packet_type in 0..=PACKET_MULTICAST {
                assert!(takes(&frame, packet_type, None));
            }
        }
        let mut solicitation = ndp_frame();
        solicitation[54] = 135;
        assert!(takes(&solicitation, FOR_US, None));
    }

    #[test]
    fn what_is_sent_and_what_is_for_others_is_not_taken() {
        assert!(!takes(&arp_frame(), FOR_OTHERS, None));
        assert!(!takes(&arp_frame(), OUTGOING, None));
    }

    #[test]
    fn frames_of_another_vlan_are_not_taken() {
        assert!(takes(&arp_frame(), FOR_US, Some(0x6000)), "a priority tag");
        assert!(!takes(&arp_frame(), FOR_US, Some(0x6007)));
        let mut inner = arp_frame();
        inner.splice(12..12, [0x81, 0, 0, 7]);
        assert!(!takes(&inner, FOR_US, None), "a second tag is not taken off by the kernel");
    }

    #[test]
    fn other_traffic_is_not_taken() {
        let with = |mut frame: Vec<u8>, at: usize, value: u8| {
            frame[at] = value;
            frame
        };
        assert!(!takes(&with(arp_frame(), 21, 3), FOR_US, None), "RARP");
        assert!(!takes(&with(arp_frame(), 13, 0), FOR_US, None), "IPv4");
        assert!(!takes(&with(ndp_frame(), 20, 17), FOR_US, None), "UDP");
        assert!(!takes(&with(ndp_frame(), 20, 0), FOR_US, None), "hop-by-hop options");
        for kind in [1, 128, 133, 134, 137, 143] {
            assert!(!takes(&with(ndp_frame(), 54, kind), FOR_US, None), "ICMPv6 {kind}");
        }
        assert!(!takes(&ndp_frame()[..54], FOR_US, None));
    }

    proptest! {
        #[test]
        fn every_path_ends(bytes in proptest::collection::vec(any::<u8>(), 0..80), kind in 0u32..6, tag: Option<u16>) {
            takes(&bytes, kind, tag);
        }
    }
}
