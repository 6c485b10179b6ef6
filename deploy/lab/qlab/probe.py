"""ICMP echo in a steady rhythm, and what came back with the kernel's receive time."""

import os
import socket
import threading
import time

from . import capture, netns, packets


class Prober:
    """Sends an echo request to the address every `pause` seconds from a namespace and keeps requests and replies.

    The kernel of the owner answers, so no application is on the path. Requests go through the sender's own neighbour
    table, as any client's packets do.
    """

    def __init__(self, namespace, address, pause=0.005, on_frame=None):
        self.replies = []
        self._sent_ns = [0] * 65536
        self._identifier = os.getpid() & 0xFFFF
        self._address, self._pause, self._on_frame = address, pause, on_frame
        with netns.inside(namespace):
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._capture = capture.Capture(namespace, self._take)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self):
        sequence = 0
        while not self._stopping.is_set():
            sequence = (sequence + 1) & 0xFFFF
            self._sent_ns[sequence] = time.time_ns()
            try:
                self._socket.sendto(packets.echo_request(self._identifier, sequence), (self._address, 0))
            except OSError:  # no neighbour at the moment: a lost probe
                pass
            time.sleep(self._pause)

    def _take(self, frame, time_ns, port):
        if self._on_frame:
            self._on_frame(frame, time_ns, port)
        reply = packets.echo_reply(frame)
        if reply and reply[1] == self._address and reply[2] == self._identifier:
            self.replies.append((time_ns, reply[0], reply[3]))

    def first_answer(self, asked_after_ns, seconds, not_from=None):
        """Receive time in ns of the first reply to a probe that was sent after a time, or None in vain."""
        deadline = time.monotonic() + seconds
        looked_at = 0
        while True:
            seen = len(self.replies)
            for time_ns, mac, sequence in self.replies[looked_at:seen]:
                if self._sent_ns[sequence] > asked_after_ns and time_ns > asked_after_ns and mac != not_from:
                    return time_ns
            looked_at = seen
            if time.monotonic() > deadline:
                return None
            time.sleep(0.002)

    def finish(self, patience=1.0):
        """Sends no more, waits for what is under way, and ends. Returns how many probes were sent, and when those were
        (ns) that got no answer; no more than 65535 can be told apart."""
        self._stopping.set()
        self._thread.join()
        sent = {sequence: time_ns for sequence, time_ns in enumerate(self._sent_ns) if time_ns}
        deadline = time.monotonic() + patience
        while len(self.replies) < len(sent) and time.monotonic() < deadline:
            time.sleep(0.01)
        self.close()
        answered = {sequence for _, _, sequence in self.replies}
        return len(sent), sorted(time_ns for sequence, time_ns in sent.items() if sequence not in answered)

    def last_mac(self):
        """Who answered last."""
        return self.replies[-1][1] if self.replies else None

    def close(self):
        """Ends it, if that was not done."""
        if self._socket.fileno() < 0:
            return
        self._stopping.set()
        self._thread.join()
        self._capture.close()
        self._socket.close()
