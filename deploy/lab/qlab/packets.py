"""The few packets that are built and read here. ARP: RFC 826 and 5227; NDP: RFC 4861; echo: RFC 792."""

import ipaddress
import struct
from dataclasses import dataclass

BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ETHERTYPE_ARP = 0x0806
_ETHERTYPE_IPV4 = 0x0800
_ETHERTYPE_IPV6 = 0x86DD


@dataclass(frozen=True)
class Claim:
    """A packet whose sender says that an address is at its MAC."""

    time_ns: int
    port: str
    mac: str
    address: str
    kind: str

    def is_announcement(self):
        """Unsolicited: gratuitous ARP in either form, or a neighbour advertisement without the solicited flag."""
        return self.kind.startswith("announce")


def mac_text(raw):
    """6 bytes as aa:bb:cc:dd:ee:ff."""
    return raw.hex(":")


def arp_request(sender_mac, sender, target, target_mac=BROADCAST):
    """An Ethernet frame that asks who has `target`."""
    body = _ARP.pack(
        1, _ETHERTYPE_IPV4, 6, 4, 1, sender_mac, ipaddress.IPv4Address(sender).packed, b"\0" * 6,
        ipaddress.IPv4Address(target).packed,
    )
    return target_mac + sender_mac + struct.pack("!H", _ETHERTYPE_ARP) + body


def arp_reply(sender_mac, sender, target_mac, target):
    """An Ethernet frame that answers; with `target` equal to `sender` and a broadcast MAC it announces."""
    body = _ARP.pack(
        1, _ETHERTYPE_IPV4, 6, 4, 2, sender_mac, ipaddress.IPv4Address(sender).packed, target_mac,
        ipaddress.IPv4Address(target).packed,
    )
    return target_mac + sender_mac + struct.pack("!H", _ETHERTYPE_ARP) + body


def parse_arp(frame):
    """(operation, sender MAC, sender, target) of an ARP frame for IPv4, else None. Addresses are text."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x06":
        return None
    hardware, protocol, hlen, plen, operation, mac, sender, _, target = _ARP.unpack_from(frame, 14)
    if (hardware, protocol, hlen, plen) != (1, _ETHERTYPE_IPV4, 6, 4):
        return None
    return operation, mac, str(ipaddress.IPv4Address(sender)), str(ipaddress.IPv4Address(target))


def _arp_kind(operation, sender, target):
    if sender == target:
        return "announce-request" if operation == 1 else "announce-reply"
    return "request" if operation == 1 else "reply"


def _advertisement(frame):
    """(target, solicited, MAC) of a neighbour advertisement, else None."""
    if len(frame) < 78 or frame[12:14] != b"\x86\xdd" or frame[20] != 58 or frame[54] != 136:
        return None
    target = str(ipaddress.IPv6Address(frame[62:78]))
    has_option = len(frame) >= 86 and frame[78] == 2
    return target, bool(frame[58] & 0x40), frame[80:86] if has_option else frame[6:12]


def parse_claim(frame, time_ns, port):
    """The claim that a frame makes, if any. An ARP request is one, too: it binds its sender in its hearers' tables."""
    arp = parse_arp(frame)
    if arp:
        operation, mac, sender, target = arp
        if sender == "0.0.0.0":
            return None
        return Claim(time_ns, port, mac_text(mac), sender, _arp_kind(operation, sender, target))
    advertisement = _advertisement(frame)
    if advertisement:
        target, solicited, mac = advertisement
        return Claim(time_ns, port, mac_text(mac), target, "advertisement" if solicited else "announce-advertisement")
    return None


def echo_reply(frame):
    """(source MAC, source, identifier, sequence number) of an ICMP echo reply, else None."""
    if len(frame) < 42 or frame[12:14] != b"\x08\x00" or frame[23] != 1:
        return None
    start = 14 + (frame[14] & 15) * 4
    if len(frame) < start + 8 or frame[start] != 0:
        return None
    identifier, sequence = struct.unpack_from("!HH", frame, start + 4)
    return mac_text(frame[6:12]), str(ipaddress.IPv4Address(frame[26:30])), identifier, sequence


def echo_request(identifier, sequence):
    """The ICMP part of an echo request without data."""
    head = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence)
    total = sum(struct.unpack("!4H", head))
    total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!BBHHH", 8, 0, ~total & 0xFFFF, identifier, sequence)
