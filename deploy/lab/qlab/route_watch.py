"""Changes of the kernel's IPv4 routes in a namespace, each with the time when it was told."""

import socket
import struct
import threading
import time
from dataclasses import dataclass

from . import netns

_NETLINK_ROUTE = 0
_RTMGRP_IPV4_ROUTE = 0x40
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_RTA_DST, _RTA_GATEWAY, _RTA_MULTIPATH = 1, 5, 9


@dataclass(frozen=True)
class Change:
    """A route as it is from now on; without gateways when it is gone."""

    time_ns: int
    prefix: str
    gateways: frozenset


class RouteWatch:
    """Keeps every change from its start on. A context manager."""

    def __init__(self, namespace):
        self.changes = []
        with netns.inside(namespace):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_IPV4_ROUTE))
        self._socket.settimeout(0.1)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()
        self._socket.close()

    def _loop(self):
        while not self._ending.is_set():
            try:
                messages = self._socket.recv(1 << 16)
            except TimeoutError:
                continue
            self.changes += changes(messages, time.monotonic_ns())

    def of(self, prefix, since_ns=0):
        """The changes of one route since a time (CLOCK_MONOTONIC)."""
        return [change for change in list(self.changes) if change.prefix == prefix and change.time_ns >= since_ns]

    def left(self, prefix, gateway, since_ns):
        """When a route first did without a gateway; None while it does not."""
        return next((change.time_ns for change in self.of(prefix, since_ns) if gateway not in change.gateways), None)


def changes(messages, time_ns):
    """What the kernel says in one go."""
    found, offset = [], 0
    while offset + 16 <= len(messages):
        length, kind = struct.unpack_from("=IH", messages, offset)
        if kind in (_RTM_NEWROUTE, _RTM_DELROUTE):
            bits = messages[offset + 17]
            attributes = _attributes(messages[offset + 28:offset + length])
            address = socket.inet_ntoa(attributes.get(_RTA_DST, bytes(4)))
            gateways = _gateways(attributes) if kind == _RTM_NEWROUTE else frozenset()
            found.append(Change(time_ns, f"{address}/{bits}", gateways))
        offset += (length + 3) & ~3
    return found


def _gateways(attributes):
    hops, offset = attributes.get(_RTA_MULTIPATH, b""), 0
    found = [attributes[_RTA_GATEWAY]] if _RTA_GATEWAY in attributes else []
    while offset + 8 <= len(hops):
        length = struct.unpack_from("=H", hops, offset)[0]
        found += [_attributes(hops[offset + 8:offset + length]).get(_RTA_GATEWAY)]
        offset += (length + 3) & ~3
    return frozenset(socket.inet_ntoa(gateway) for gateway in found if gateway)


def _attributes(data):
    """Type -> value."""
    found, offset = {}, 0
    while offset + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        found[kind] = data[offset + 4:offset + length]
        offset += max(4, (length + 3) & ~3)
    return found
