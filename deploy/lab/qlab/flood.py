"""Asking for addresses over and over, as an impatient client on the segment."""

import socket
import threading
import time

from . import netns, packets


class ArpFlood:
    """Broadcasts an ARP request for each address, round robin, `pause` seconds apart, until stopped."""

    def __init__(self, namespace, interface, sender, addresses, pause):
        self.sent = 0
        with netns.inside(namespace):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            self._socket.bind((interface, 0))
        mac = self._socket.getsockname()[4]
        self._frames = [packets.arp_request(mac, sender, address) for address in addresses]
        self._pause = pause
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def _loop(self):
        while not self._stopping.is_set():
            self._socket.send(self._frames[self.sent % len(self._frames)])
            self.sent += 1
            time.sleep(self._pause)

    def stop(self):
        """Ends the flood and returns how many requests went out."""
        self._stopping.set()
        self._thread.join()
        self._socket.close()
        return self.sent


def who_answers(capture_claims, addresses, since_ns):
    """Address -> sorted (port, MAC) pairs that replied to requests since a time, from a list of claims."""
    answers = {address: set() for address in addresses}
    for claim in list(capture_claims):
        if claim.time_ns >= since_ns and claim.kind == "reply" and claim.address in answers:
            answers[claim.address].add((claim.port, claim.mac))
    return {address: sorted(found) for address, found in answers.items()}
