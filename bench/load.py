"""HTTP clients, the same for every contender: a closed loop (a program of its own, bench/load, since in Python the client
would be the limit), and single shots in a rhythm."""

import errno
import json
import os
import pathlib
import selectors
import socket
import time

from qlab import netns

_PROJECT = pathlib.Path(__file__).resolve().parents[1]


class Connection:
    """One request at a time over one socket that does not block."""

    def __init__(self, namespace, target):
        family = socket.AF_UNIX if isinstance(target, str) else socket.AF_INET
        with netns.inside(namespace):
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        error = self.socket.connect_ex(target)
        if error not in (0, errno.EINPROGRESS):
            self.socket.close()
            raise OSError(error, "connect")
        self.started = 0
        self._buffer = b""

    def ask(self, request):
        """Sends a request; they are small, so one send takes all of it."""
        self._buffer = b""
        self.started = time.monotonic()
        self.socket.sendall(request)

    def status(self):
        """Reads what is there: the HTTP status of a whole answer, or None as long as it is not whole."""
        part = self.socket.recv(65536)
        if not part:
            raise ConnectionError("closed")
        self._buffer += part
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or not _whole(head.lower(), body):
            return None
        return int(head.split(b" ", 2)[1])


def _whole(head, body):
    for line in head.split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.split(b":")[1])
    return body.endswith(b"0\r\n\r\n")


def program():
    """The closed loop's program: $QUORUMLB_LOAD, or the release build of this tree."""
    path = os.environ.get("QUORUMLB_LOAD", str(_PROJECT / "target" / "release" / "quorumlb-load"))
    if not os.access(path, os.X_OK):
        raise SystemExit(f"no program at {path}; build it first: cargo build --release -p quorumlb-load")
    return path


def closed_loop(namespace, contender, member, clients, seconds, first):
    """Each client sends its next write when the last one is acknowledged. Returns the program's figures: writes,
    failures, p50_us, p99_us, max_us, seconds."""
    target = contender.target(member)
    printed = netns.run(
        namespace, program(), "--kind", contender.kind, "--connections", str(clients), "--seconds", str(seconds),
        "--first", str(first), "--target", target if isinstance(target, str) else f"{target[0]}:{target[1]}",
    )
    return json.loads(printed)


def first_success(namespace, targets, write, first, pause=0.010, limit=20.0):
    """Fires a write each `pause` s, each on a connection of its own, at the targets in turn. Returns the time.monotonic()
    of the first acknowledged one."""
    selector = selectors.DefaultSelector()
    started = time.monotonic()
    shots = 0
    try:
        while time.monotonic() < started + limit:
            wait = started + shots * pause - time.monotonic()
            if wait <= 0:
                _shoot(selector, namespace, targets[shots % len(targets)], write(first + shots))
                shots += 1
                continue
            for key, events in selector.select(wait):
                if _hit(selector, key, events):
                    return time.monotonic()
        raise RuntimeError(f"no write was taken within {limit} s")
    finally:
        for key in list(selector.get_map().values()):
            key.fileobj.close()


def _shoot(selector, namespace, target, request):
    try:
        connection = Connection(namespace, target)
    except OSError:
        return
    selector.register(connection.socket, selectors.EVENT_WRITE, (connection, request))


def _hit(selector, key, events):
    connection, request = key.data
    try:
        if events & selectors.EVENT_WRITE:
            connection.ask(request)
            selector.modify(connection.socket, selectors.EVENT_READ, key.data)
            return False
        status = connection.status()
    except OSError:
        status = 0
    if status is None:
        return False
    selector.unregister(connection.socket)
    connection.socket.close()
    return status == 200
