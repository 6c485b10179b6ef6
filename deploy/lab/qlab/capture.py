"""Packets as they arrive at the ports of a namespace, with the kernel's receive timestamps."""

import ctypes
import selectors
import socket
import struct
import threading

from . import netns

_SO_ATTACH_FILTER = 26
_SO_RCVBUFFORCE = 33
_SO_TIMESTAMPNS = 35
_SOL_PACKET = 263
_PACKET_STATISTICS = 6
_ETH_P_ALL = 3


def _filter():
    """Classic BPF: incoming ARP, neighbour advertisements and ICMPv4; nothing that this host sends."""
    ldb, ldh, ld, jeq, ret = 0x30, 0x28, 0x20, 0x15, 0x06
    packet_type = 0xFFFFF000 + 4  # SKF_AD_OFF + SKF_AD_PKTTYPE
    return [
        (ld, 0, 0, packet_type),
        (jeq, 11, 0, 4),  # PACKET_OUTGOING: drop
        (ldh, 0, 0, 12),
        (jeq, 8, 0, 0x0806),  # ARP: take
        (jeq, 5, 0, 0x0800),  # IPv4: ICMP?
        (jeq, 0, 7, 0x86DD),
        (ldb, 0, 0, 20),
        (jeq, 0, 5, 58),  # ICMPv6
        (ldb, 0, 0, 54),
        (jeq, 2, 3, 136),  # neighbour advertisement: take
        (ldb, 0, 0, 23),
        (jeq, 0, 1, 1),  # ICMP
        (ret, 0, 0, 0xFFFF),
        (ret, 0, 0, 0),
    ]


def _attach(sock, program):
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    sock.setsockopt(
        socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program), ctypes.addressof(buffer))
    )


class Capture:
    """Calls `handler(frame, time_ns, port)` for each packet, on a thread of its own."""

    def __init__(self, namespace, handler):
        self._handler = handler
        with netns.inside(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        _attach(self._socket, _filter())
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 16 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._socket.setblocking(False)
        self._wake, self._waker = socket.socketpair()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self):
        selector = selectors.DefaultSelector()
        selector.register(self._socket, selectors.EVENT_READ)
        selector.register(self._wake, selectors.EVENT_READ)
        while True:
            ready = selector.select()
            self._drain()
            if any(key.fileobj is self._wake for key, _ in ready):
                return

    def _drain(self):
        while True:
            try:
                frame, extra, _, source = self._socket.recvmsg(2048, 64)
            except BlockingIOError:
                return
            except OSError:  # the interface went down; the socket goes on when it returns
                continue
            if extra:
                seconds, nanoseconds = struct.unpack("qq", extra[0][2][:16])
                self._handler(frame, seconds * 1_000_000_000 + nanoseconds, source[0])

    def close(self):
        """Reads what has arrived so far and stops; an error if the kernel had to drop packets, since then the record
        has holes and proves nothing."""
        self._waker.send(b"x")
        self._thread.join()
        _, dropped = struct.unpack("II", self._socket.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8))
        self._socket.close()
        if dropped:
            raise RuntimeError(f"the capture lost {dropped} packets")
