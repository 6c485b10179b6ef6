"""A record of who claimed which address on a bridge, port by port."""

import time

from . import capture, packets


class ClaimRecord:
    """Keeps every claim of the watched addresses (all, if none are named) that comes in at the bridge's ports."""

    def __init__(self, namespace, addresses=(), ports="p-"):
        self.claims = []
        self._addresses = frozenset(addresses)
        self._ports = ports
        self._capture = capture.Capture(namespace, self._take)

    def _take(self, frame, time_ns, port):
        if not port.startswith(self._ports):
            return
        claim = packets.parse_claim(frame, time_ns, port)
        if claim and (not self._addresses or claim.address in self._addresses):
            self.claims.append(claim)

    def wait_for(self, wanted, seconds):
        """The first claim that `wanted` accepts, seen within the time, else None."""
        deadline = time.monotonic() + seconds
        looked_at = 0
        while True:
            seen = len(self.claims)
            for claim in self.claims[looked_at:seen]:
                if wanted(claim):
                    return claim
            looked_at = seen
            if time.monotonic() > deadline:
                return None
            time.sleep(0.005)

    def close(self):
        """Ends the record and returns all claims by time."""
        self._capture.close()
        return sorted(self.claims, key=lambda claim: claim.time_ns)
