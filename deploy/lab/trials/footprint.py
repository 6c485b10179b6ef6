"""Memory and CPU of each node at rest, with 1,000 services and with 20,000. For the release build."""

import os
import pathlib
import re
import time

from qlab import group, stage

# Seconds at rest.
ROUNDS = 30
# Services, addresses, the most memory for a node in MB, the most CPU in percent of a core.
SIZES = ((1_000, "10.64.0.0/22", 40, 1.0), (20_000, "10.64.0.0/17", 200, None))
TICKS = os.sysconf("SC_CLK_TCK")


def release():
    """The release build, unless $QUORUMLB names a program."""
    path = os.environ.get("QUORUMLB") or str(pathlib.Path(group.__file__).parents[3] / "target" / "release" / "quorumlb")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no program at {path}; build it first: make build")
    return path


def run(tale):
    """The trial. A round is a second; with fewer than by default the small size alone."""
    program = release()
    for services, pool, megabytes, percent in SIZES if tale.rounds >= ROUNDS else SIZES[:1]:
        files = {"trial.yaml": stage.rules(pool) + stage.services(services)}
        with stage.flat_group("foo", files, running=[]) as (_, members):
            for node in members.nodes.values():
                node.program = program
            members.start()
            members.wait_whole(120)
            started = time.monotonic()
            members.wait("an even spread", lambda: stage.even(members.owners(), services, 3), 300)
            tale.tell(f"{services} services: owners evenly spread {time.monotonic() - started:.1f} s after the group was whole")
            members.wait("answers everywhere", lambda: stage.everywhere(members, lambda name: answering(members, name)), 120)
            rest(tale, members, services, megabytes, percent)


def answering(members, name):
    """Whether a node answers for all that it owns."""
    owned = members.metric(name, "quorumlb_owned_addresses")
    return owned and owned == members.metric(name, "quorumlb_answering_addresses")


def rest(tale, members, services, megabytes, percent):
    """Measures every node while nothing is asked of it."""
    settled(members)
    before = {name: cpu_seconds(members, name) for name in members.nodes}
    started = time.monotonic()
    time.sleep(tale.rounds)
    span = time.monotonic() - started
    for name in members.nodes:
        used = (cpu_seconds(members, name) - before[name]) / span * 100
        resident, peak = memory(members, name, "VmRSS"), memory(members, name, "VmHWM")
        part = " (leader)" if name == members.leader() else ""
        within = percent is None or used < percent
        tale.check(resident < megabytes and within, f"{services} services, {name}{part}: {resident:.1f} MB resident "
                   f"(bound {megabytes}; peak {peak:.1f}), {used:.2f} % of a core{f' (bound {percent})' if percent else ''}")


def settled(members):
    """Waits until no node has used more than a tenth of a core for a second."""
    def calm():
        before = [cpu_seconds(members, name) for name in members.nodes]
        time.sleep(1)
        return all(cpu_seconds(members, name) - was < 0.1 for name, was in zip(members.nodes, before))
    members.wait("nodes at rest", calm, 120)


def cpu_seconds(members, name):
    """What the process has used so far (proc(5): fields 14 and 15 of stat)."""
    stat = pathlib.Path(f"/proc/{members.nodes[name].process.pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(stat[11]) + int(stat[12])) / TICKS


def memory(members, name, what):
    """In MB, of a million bytes each."""
    status = pathlib.Path(f"/proc/{members.nodes[name].process.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", status)[1]) * 1024 / 1e6
