"""A node's disk gets full, or fails and goes read-only: it says so and steps aside, others go on, it comes back by itself."""

import contextlib
import json
import time

from qlab import stage

ROUNDS = 1
ADDRESSES = 6
MEGABYTES = 64
# From the moment the node notices that its disk refuses a write; hold (500 ms), its margin and a commit, a step down if the node leads.
BOUND = 3.0


def run(tale):
    """The trial."""
    files = {"trial.yaml": stage.rules("10.9.0.100-10.9.0.120") + stage.services(ADDRESSES)}
    with contextlib.ExitStack() as stack:
        _, members = stack.enter_context(stage.flat_group("dis", files, running=[], rebalance="{after: 1s, pace: 100/s}"))
        disks = {}
        for name in members.nodes:
            disks[name] = stack.enter_context(stage.own_disk(members, name, MEGABYTES))
        stack.callback(kill, members)
        members.start()
        for _ in tale.each():
            for kind in (full, read_only):
                for leads in (False, True):
                    one(tale, members, disks, kind, leads)


def kill(members):
    """The nodes end before their disks do."""
    for name in members.running():
        members.kill(name)


def full(disk):
    """full"""
    disk.fill()
    return lambda: disk.empty() or True


def read_only(disk):
    """read-only"""
    disk.fail()
    return disk.repair


def one(tale, members, disks, kind, leads):
    """One disk, of a node that leads or of one that does not."""
    members.wait_whole()
    members.wait("an even spread", lambda: stage.even(members.owners(), ADDRESSES, 3), 30)
    leader = members.leader()
    victim = next(name for name in members.nodes if (name == leader) == leads)
    others = [name for name in members.nodes if name != victim]
    what = f"{kind.__doc__}, {'the leader' if leads else 'not the leader'} ({victim})"
    size = members.log(victim).stat().st_size
    mend = kind(disks[victim])
    # A file that has room in itself takes some more, so that the node notices only after a while.
    members.wait("a write that its disk refuses", lambda: noticed(members, victim, others[0]), 60)
    started = time.monotonic()
    members.wait("its addresses at others", lambda: moved(members, others), 30)
    took = time.monotonic() - started
    tale.check(took < BOUND, f"{what}: its addresses are at others after {took:.2f} s")
    raft = members.wait("its word", lambda: says(members, victim, kind.__doc__), 10)
    problems = " | ".join(members.ask("/v1/status", victim)["problems"])
    tale.check("disk" in problems or "data directory" in problems, f"{what}: {raft['phase']}: {raft['disk_why'] or raft['phase_why']}")
    counted = members.metric(victim, "quorumlb_disk_state", state=kind.__doc__)
    with open(members.log(victim), encoding="utf-8", errors="replace") as log:
        log.seek(size)
        logged = [line for line in log if "disk" in line or "data directory" in line]
    tale.check(counted == 1 and logged, f"{what}: the metric ({counted:.0f}) and the log ({len(logged)} lines) say it as well")
    tale.check(write(members, others[0], 2), f"{what}: the others take writes")
    members.wait("the disk mended", mend, 30)
    back = time.monotonic()
    members.wait("it is back", lambda: set(members.live_nodes(others[0])) >= set(members.nodes), 60)
    tale.check(members.wait("its share", lambda: stage.even(members.owners(), ADDRESSES, 3), 60),
               f"{what}: back by itself, with its share, {time.monotonic() - back:.1f} s after the disk was")
    tale.check(members.nodes[victim].process.poll() is None, f"{what}: its process is the same")


def moved(members, others):
    """Whether all addresses are with the others, as one of them says."""
    owners = members.owners(others[0])
    return len(owners) == ADDRESSES and set(owners.values()) <= set(others)


def says(members, victim, disk):
    """The node's own account, if it stands aside and names its disk's state."""
    raft = members.ask("/v1/raft", victim)
    return raft if raft and raft["phase"] == "aside" and raft["disk"] == disk else None


def noticed(members, victim, other):
    """Writes more, in pieces of some size; whether the node has noticed by then."""
    write(members, other, 1)
    return (members.ask("/v1/raft", victim) or {"disk": "ok"})["disk"] != "ok"


def write(members, name, number):
    """A service through the API, so that there is something to store; whether it was taken. It asks for an address that
    no pool has, and has many backends."""
    now = time.time_ns()
    service = {
        "apiVersion": "quorumlb.io/v1alpha1", "kind": "Service", "metadata": {"name": f"late-{number}", "namespace": "disk"},
        "spec": {"addresses": ["10.99.0.1"], "ports": [{"port": 1 + now % 65535}],
                 "backends": [{"address": f"10.98.{host // 200}.{1 + host % 200}", "port": 80} for host in range(2000)]},
    }
    return members.wait("a write taken", lambda: members.ask("/v1/services", name, "POST", json.dumps(service)), 20) is not None
