"""100 addresses over four nodes: 25 each, a loss moves only what was lost, a return moves 25 at most, late and slowly."""

import math
import time

from qlab import stage

ROUNDS = 2
ADDRESSES, NODES = 100, 4
AFTER, PACE = 3, 10
REBALANCE = f"{{after: {AFTER}s, pace: {PACE}/s}}"


def run(tale):
    """The trial."""
    files = {"trial.yaml": stage.rules("10.9.0.100-10.9.0.199") + stage.services(ADDRESSES)}
    with stage.flat_group("spr", files, hosts=NODES, rebalance=REBALANCE) as (_, members):
        started = time.monotonic()
        members.wait("100 owners, evenly spread", lambda: stage.even(members.owners(), ADDRESSES, NODES), 90)
        tale.tell(f"evenly spread {time.monotonic() - started:.1f} s after the group was whole")
        for number in tale.each():
            victim = list(members.nodes)[number % NODES]
            before = members.owners()
            tale.check(sorted(list(before.values()).count(node) for node in members.nodes) == [25] * 4,
                       f"before: {stage.loads(before)}")
            loss(tale, members, victim, before)
            comeback(tale, members, victim)


def loss(tale, members, victim, before):
    """Kills a node."""
    lost = {address for address, owner in before.items() if owner == victim}
    members.kill(victim)
    after = members.wait("owners without the dead node", lambda: without(members.owners(), victim))
    moved = {address for address in before if before[address] != after[address]}
    tale.check(moved == lost, f"{victim} killed: {len(moved)} addresses moved, all of them its own")
    tale.check(sorted(list(after.values()).count(node) for node in members.nodes) == [0, 33, 33, 34],
               f"spread over the others: {stage.loads(after)}")


def without(owners, node):
    """The owners, if there are all and the node is none of them."""
    return owners if len(owners) == ADDRESSES and node not in owners.values() else None


def comeback(tale, members, victim):
    """The node returns: what moves, when and how fast, by the group's own record."""
    index = members.last_index()
    members.start(victim)
    members.wait("an even spread again", lambda: stage.even(members.owners(), ADDRESSES, NODES), 90)
    records, _ = members.events(index)
    opened = next(record["at_ms"] for record in records
                  if record["event"].get("SessionOpened", {}).get("node") == victim)
    moves = [(record["at_ms"], grant) for record, grant in stage.grants(records)]
    allowed = math.ceil(ADDRESSES / NODES)
    tale.check(0 < len({grant["address"] for _, grant in moves}) == len(moves) <= allowed,
               f"{victim} is back: {len(moves)} addresses moved, {allowed} allowed")
    tale.check(all(grant["node"] == victim for _, grant in moves), f"all of them to {victim}")
    asked = sorted(record["at_ms"] for record in records if "ReleaseAsked" in record["event"])
    first = (asked[0] - opened) / 1000
    tale.check(first >= AFTER - 0.01, f"the first one {first:.2f} s after its session began, {AFTER} s is asked for")
    fastest = max(sum(start <= at < start + 1000 for at in asked) for start in asked)
    # A second's window may hold the steps at both of its ends.
    tale.check(fastest <= PACE + 2, f"at most {fastest} in any second, the pace is {PACE}")
