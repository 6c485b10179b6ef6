"""The fast profile (ping 20 ms, hold 100 ms) with every CPU twice over busy: no session ends, nothing moves."""

import collections
import contextlib
import os
import subprocess
import time

from qlab import netns, stage

ROUNDS = 60
ADDRESSES = 30
LOOP = ("sh", "-c", "while :; do :; done")


def run(tale):
    """The trial. A round is a second."""
    files = {"trial.yaml": stage.rules("10.9.0.100-10.9.0.199") + stage.services(ADDRESSES)}
    with contextlib.ExitStack() as stack:
        _, members = stack.enter_context(stage.flat_group("ste", files, ping="20ms", hold="100ms", rebalance="{after: 1s, pace: 100/s}"))
        owners = members.wait("an even spread", lambda: stage.even(members.owners(), ADDRESSES, 3))
        index, closed = members.last_index(), fences(members)
        leader = members.leader()
        busy = [stack.enter_context(loop()) for _ in range(2 * os.cpu_count())]
        until = time.monotonic() + tale.rounds
        while time.monotonic() < until:
            time.sleep(min(10, max(0.0, until - time.monotonic())))
            records, _ = members.events(index)
            tale.tell(f"{tale.rounds - (until - time.monotonic()):.0f} s: {len(records)} events")
        records, _ = members.events(index)
        kinds = [next(iter(record["event"])) for record in records]
        tale.check("SessionExpired" not in kinds, f"{len(busy)} busy loops for {tale.rounds} s: no session expired")
        tale.check("Granted" not in kinds and members.owners() == owners, "no address moved")
        tale.check(fences(members) == closed, f"no node had to stop answering: {fences(members)}")
        tale.check(members.leader() == leader, f"{leader} leads from beginning to end")
        stalls = {name: members.metric(name, "quorumlb_stalls_total") for name in members.nodes}
        tale.tell(f"events {dict(collections.Counter(kinds))}, stalls {stalls}")


@contextlib.contextmanager
def loop():
    """A program that never waits."""
    process = subprocess.Popen(LOOP, preexec_fn=netns.die_with_parent, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def fences(members):
    """How often the nodes had to stop answering."""
    return {name: members.metric(name, "quorumlb_fence_closed_total") for name in members.nodes}
