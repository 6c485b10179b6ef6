"""The owner's interface goes down, or loses its carrier, while its process lives: taken over long before hold, and back at pace.

The nodes speak QUIC on one segment and answer on another, so that the owner can report its loss. The third way takes the
interface that carries QUIC: there the session has to run out.
"""

import contextlib
import time

from qlab import netns, probe, stage

ROUNDS = 5
ADDRESSES = 3
HOLD = 2.0
PATIENCE = 10
AFTER = 1
REBALANCE = f"{{after: {AFTER}s, pace: 10/s}}"
RULES = stage.rules("10.10.0.100-10.10.0.102").replace("[net0], anySubnet: true", "[net1]")


def run(tale):
    """The trial."""
    files = {"trial.yaml": RULES + stage.services(ADDRESSES)}
    settings = {"ping": "100ms", "hold": f"{HOLD:.0f}s", "rebalance": REBALANCE}
    with stage.flat_group("car", files, second=True, **settings) as (segment, members):
        for _ in tale.each():
            # By report: less than half of hold. Without a word: hold, its margin, a commit.
            one(tale, segment, members, "net1 set down", (lambda owner: (segment.namespace(owner), "net1")), HOLD / 2)
            one(tale, segment, members, "net1 loses its carrier", (lambda owner: (segment.namespace("sw"), f"q-{owner}")), HOLD / 2)
            one(tale, segment, members, "net0 (QUIC) loses its carrier",
                (lambda owner: (segment.namespace("sw"), f"p-{owner}")), HOLD * 1.1 + 1)


def one(tale, segment, members, what, where, bound):
    """One loss of a link at an owner that does not lead, and its return."""
    members.wait_whole()
    leader = members.leader()
    owners = members.wait("an address for each node", lambda: stage.even(members.owners(), ADDRESSES, 3), 30)
    address, owner = next((a, o) for a, o in owners.items() if o != leader)
    mac = netns.link_address(segment.namespace(owner), "net1")
    prober = probe.Prober(segment.namespace("obs"), address)
    with contextlib.closing(prober):
        members.wait("answers by the owner", lambda: prober.last_mac() == mac)
        namespace, interface = where(owner)
        index = members.last_index(leader)
        started, down = time.time_ns(), time.monotonic()
        netns.set_link(namespace, interface, up=False)
        answer = prober.first_answer(started, PATIENCE, not_from=mac)
        took = (answer - started) / 1e9 if answer else PATIENCE
        tale.check(took < bound, f"{what} at {owner}: {leader and address} answered by another after {took * 1000:.0f} ms "
                                 f"(bound {bound * 1000:.0f})")
        records, index = members.events(index, leader)
        expired = any("SessionExpired" in record["event"] for record in records)
        tale.check(expired == (interface[0] == "p"), f"{owner}'s session {'ended' if expired else 'stood'}")
        netns.set_link(namespace, interface, up=True)
        returned = time.time() * 1000
    members.wait("an even spread again", lambda: stage.even(members.owners(leader), ADDRESSES, 3), 30)
    records, _ = members.events(index, leader)
    asked = [record["at_ms"] for record in records if "ReleaseAsked" in record["event"]]
    waited = (min(asked) - returned) / 1000
    alive = members.nodes[owner].process.poll() is None
    tale.check(waited >= AFTER - 0.01 and alive, f"back at {owner} {waited:.2f} s after the link, {AFTER} s is asked for; "
               f"{time.monotonic() - down:.1f} s in all")
