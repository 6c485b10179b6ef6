"""Durable writes through a quorum of three: ours beside etcd, in turns, with the same client.

throughput    a closed loop of 1 and of 64 clients at the leader: services proposed beside keys put, fsync on
leader_death  SIGKILL of the leader, then a write on a new connection each 10 ms, at the survivors in turn, until the first
              one is acknowledged
"""

import contextlib
import os
import pathlib
import statistics
import time

import etcd
import footprint
import ours
import table
from load import closed_loop, first_success
from qlab import netns

CLIENTS = (1, 64)
SECONDS = 6


class Counter:
    """Numbers for keys and services, never one twice."""

    def __init__(self):
        self.next = 0

    def take(self, count):
        """The first of so many numbers."""
        first, self.next = self.next, self.next + count
        return first


@contextlib.contextmanager
def host(name):
    """A namespace with a loopback only; the members run in it."""
    namespace = f"qb{os.getpid()}-{name}"
    netns.command("ip", "netns", "add", namespace)
    try:
        netns.run(namespace, "ip", "link", "set", "lo", "up")
        yield namespace
    finally:
        netns.remove(namespace)


def contenders(stack, folder, with_ours):
    """[(contender, its namespace)], started. Ours takes part when it has an endpoint to propose through."""
    kinds = [etcd.Etcd]
    if with_ours and ours.PROPOSE_PATH:
        kinds.append(ours.Writers)
    else:
        print("*** QUORUMLB IS NOT MEASURED: the peers run alone ***", flush=True)
    listed = []
    for kind in kinds:
        namespace = stack.enter_context(host(kind.name))
        contender = kind(namespace, pathlib.Path(folder) / kind.name)
        stack.callback(contender.stop)
        contender.start()
        listed.append((contender, namespace))
    return listed


def throughput(folder, rounds, with_ours):
    """The bench; returns whether no write failed."""
    numbers, results = Counter(), {}
    with contextlib.ExitStack() as stack:
        listed = contenders(stack, folder, with_ours)
        for number in range(1, rounds + 1):
            for clients in CLIENTS:
                for contender, namespace in listed:
                    leader, _ = contender.settle()
                    before = processor_seconds(contender)
                    result = closed_loop(namespace, contender, leader, clients, SECONDS, numbers.take(10_000_000))
                    result["processor"] = processor_seconds(contender) - before
                    results.setdefault((clients, contender.name), []).append(result)
                    print(f"throughput: run {number} of {rounds}, {contender.name}, {clients} clients: "
                          f"{result['writes'] / result['seconds']:.0f} writes/s", flush=True)
    report_throughput(results)
    return all(run["failures"] == 0 and run["writes"] > 0 for runs in results.values() for run in runs)


def processor_seconds(contender):
    """What a contender's members have used of processor time until now."""
    return sum(footprint.usage(pid)[0] for pid in contender.pids())


def report_throughput(results):
    """The table, medians of the runs: the ratio is our writes per second over etcd's."""
    rate = {key: statistics.median(run["writes"] / run["seconds"] for run in runs) for key, runs in results.items()}
    rows = []
    for (clients, name), runs in sorted(results.items()):
        p50, p99 = (statistics.median(run[quantile] for run in runs) / 1000 for quantile in ("p50_us", "p99_us"))
        processor = statistics.median(1e6 * run["processor"] / max(run["writes"], 1) for run in runs)
        rows.append([
            name, clients, f"{rate[clients, name]:.0f}", f"{processor:.0f}", f"{p50:.2f}", f"{p99:.2f}",
            f"{max(run['max_us'] for run in runs) / 1000:.1f}", sum(run["failures"] for run in runs),
            f"{rate[clients, name] / max(rate[clients, 'etcd'], 1e-9):.2f}",
        ])
    print(f"\nDurable writes through three members, fsync on ({etcd.version()}):\n")
    table.show(["contender", "clients", "writes/s", "processor us/write", "p50 ms", "p99 ms", "max ms", "failed", "times etcd"], rows)


def leader_death(folder, rounds, with_ours):
    """The bench; returns True, since a run in which no write is taken again ends with an error."""
    numbers, results = Counter(), {}
    with contextlib.ExitStack() as stack:
        listed = contenders(stack, folder, with_ours)
        for number in range(1, rounds + 1):
            for contender, namespace in listed:
                taken = one_death(contender, namespace, numbers)
                results.setdefault(contender.name, []).append(taken)
                print(f"leader death: round {number} of {rounds}, {contender.name}: {taken:.0f} ms", flush=True)
    rows = [[name, len(taken), table.spread(taken), table.ratio(results["etcd"], taken)] for name, taken in results.items()]
    print(f"\nLeader killed until the first acknowledged write, ms, median / max ({etcd.version()}):\n")
    table.show(["contender", "kills", "first write", "etcd is so many times"], rows)
    return True


def one_death(contender, namespace, numbers):
    """ms from the kill to the first acknowledged write."""
    leader, others = contender.settle()
    targets = [contender.target(name) for name in others]
    first_success(namespace, targets, contender.write, numbers.take(10_000))
    started = time.monotonic()
    contender.kill(leader)
    taken = first_success(namespace, targets, contender.write, numbers.take(10_000)) - started
    contender.start(leader)
    return 1000 * taken
