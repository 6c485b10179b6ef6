"""How long an address is without an owner after its owner died: ours beside keepalived.

All contenders have a segment of their own with three hosts and an observer, and take turns: each round kills one owner of
each. A kill is link down, then SIGKILL of every process of the host, at a random moment. Two figures from before the link
went down: until the first announcement by another host (kernel timestamp at the observer), and until the first answer to
an ICMP echo that was sent after the kill (one each 5 ms, answered by the new owner's kernel).
"""

import contextlib
import os
import pathlib
import random
import signal
import time
from dataclasses import dataclass, field

import keepalived
import ours
import table
from qlab import flat, netns, packets, probe

PATIENCE_SECONDS = 30
PHASE_SECONDS = 1.0


@dataclass
class Figures:
    """What the kills of one contender gave, in ms."""

    announced: list = field(default_factory=list)
    answered: list = field(default_factory=list)
    failed: int = 0


class Observer:
    """The probes and the announcements for one address, seen from the observer's host."""

    def __init__(self, segment, address):
        self._address = address
        self.announcements = []
        self.prober = probe.Prober(segment.namespace("obs"), address, on_frame=self._take)

    def _take(self, frame, time_ns, port):
        claim = packets.parse_claim(frame, time_ns, port)
        if claim and claim.address == self._address and claim.is_announcement():
            self.announcements.append(claim)

    def first_announcement(self, after_ns, not_from):
        """Its receive time, or None."""
        times = [c.time_ns for c in list(self.announcements) if c.time_ns > after_ns and c.mac != not_from]
        return min(times, default=None)


def kill_host(segment, host):
    """Link down, then SIGKILL of all at once. Returns the times before and after, in ns."""
    namespace = segment.namespace(host)
    victims = netns.pids(namespace)
    started = time.time_ns()
    netns.set_link(namespace, "net0", up=False)
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return started, time.time_ns()


def trial(contender, dice, figures):
    """One kill of one contender's owner."""
    victim, address = contender.settle()
    segment = contender.segment
    mac = segment.mac(victim)
    observer = Observer(segment, address)
    try:
        time.sleep(0.2 + dice.random() * PHASE_SECONDS)
        if observer.prober.last_mac() != mac:
            raise RuntimeError(f"{contender.name}: {address} is answered by {observer.prober.last_mac()}, not by {victim}")
        killed, gone = kill_host(segment, victim)
        answered = observer.prober.first_answer(gone, PATIENCE_SECONDS, not_from=mac)
        time.sleep(0.05)
        announced = observer.first_announcement(killed, mac)
    finally:
        observer.prober.close()
    contender.bury(victim)
    netns.set_link(segment.namespace(victim), "net0", up=True)
    contender.start(victim)
    if answered and announced:
        figures.announced.append((announced - killed) / 1e6)
        figures.answered.append((answered - killed) / 1e6)
    else:
        figures.failed += 1


def contenders(stack, folder, with_ours):
    """All of them, started."""
    listed = []
    for name, version, interval in (("keepalived, VRRPv2, advert_int 1", 2, 1), ("keepalived, VRRPv3, 0.1 s", 3, 0.1)):
        segment = stack.enter_context(flat.FlatSegment(f"k{version}"))
        listed.append(keepalived.Keepalived(name, segment, folder / f"keepalived{version}", version, interval))
    for profile in ours.PROFILES if with_ours else ():
        for leader in (False, True):
            short = f"{profile[0]}{'l' if leader else 'o'}"
            segment = stack.enter_context(flat.FlatSegment(short))
            name = f"quorumlb, {profile}, {'owner is leader' if leader else 'owner only'}"
            listed.append(ours.Quorum(name, segment, folder / short, profile, leader))
    for contender in listed:
        stack.callback(contender.stop)
        contender.start()
    return listed


def run(folder, rounds, with_ours):
    """The bench; returns whether all kills were followed by a takeover."""
    dice = random.Random(rounds)
    with contextlib.ExitStack() as stack:
        listed = contenders(stack, pathlib.Path(folder), with_ours)
        results = {contender.name: Figures() for contender in listed}
        for number in range(1, rounds + 1):
            for contender in listed:
                trial(contender, dice, results[contender.name])
            last = ", ".join(f"{(r.answered or [float('nan')])[-1]:.0f}" for r in results.values())
            print(f"takeover: round {number} of {rounds}: {last} ms", flush=True)
    report(results)
    return all(not figures.failed for figures in results.values())


def report(results):
    """The table: ratios are a keepalived's median over the row's median, of the first answer."""
    peers = [figures for name, figures in results.items() if name.startswith("keepalived")]
    rows = [
        [name, len(f.answered), f.failed, table.spread(f.announced), table.spread(f.answered),
         *(table.ratio(peer.answered, f.answered) for peer in peers)]
        for name, f in results.items()
    ]
    print(f"\nTakeover after link down and SIGKILL, ms, median / max ({keepalived.version()}):\n")
    table.show(["contender", "kills", "failed", "first announcement", "first answer", "VRRPv2 1 s is so many times",
                "VRRPv3 0.1 s is so many times"], rows)
