"""P9: writers at all nodes, every node dies at a random moment; what was acknowledged is there again, on every node.

Every other round the disks lose their power as well: what the file systems had not synced is gone.
"""

import contextlib
import http.client
import json
import random
import signal
import threading
import time

from qlab import admin, stage

ROUNDS = 20
WRITERS_PER_NODE = 2
KEPT = 40
MEGABYTES = 128


class Writer:
    """Puts services and deletes old ones of its own, one at a time, and knows what was acknowledged."""

    def __init__(self, members, node, number):
        self._members, self.node, self._prefix = members, node, f"{node}-{number}"
        self._count = 0
        self.standing, self.gone, self.unsure, self.refused = {}, set(), None, []
        self.acknowledged = 0
        self._thread = None

    def start(self):
        """Writes until the node is dead."""
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def join(self):
        """Waits until it has noticed."""
        self._thread.join(30)

    def _loop(self):
        with contextlib.closing(admin.Connection(self._members.socket(self.node))) as connection:
            while self._write(connection):
                pass

    def _write(self, connection):
        old = next(iter(self.standing), None) if len(self.standing) >= KEPT else None
        self._count += not old
        self.unsure = old or f"default/{self._prefix}-{self._count}"
        try:
            if old:
                status, answer = connection.ask(f"/v1/services/{old}", "DELETE")
            else:
                status, answer = connection.ask("/v1/services", "POST", service(self.unsure))
        except (OSError, http.client.HTTPException):
            return False
        if status in (503, 504):
            return False
        if status != 200:
            self.refused.append((self.unsure, status, answer))
            return False
        self._take(old, answer)
        return True

    def _take(self, old, answer):
        self.acknowledged += 1
        if old:
            del self.standing[old]
            self.gone.add(old)
        else:
            self.standing[self.unsure] = answer["addresses"]
        self.unsure = None


def service(key):
    """A Service that wants an address."""
    return json.dumps({
        "apiVersion": "quorumlb.io/v1alpha1", "kind": "Service",
        "metadata": {"name": key.split("/")[1], "namespace": "default"},
        "spec": {"ports": [{"protocol": "TCP", "port": 80}], "backends": [{"address": "10.9.0.11", "port": 80}]},
    })


def run(tale):
    """The trial."""
    dice = random.Random()
    with contextlib.ExitStack() as stack:
        files = {"trial.yaml": stage.rules("10.64.0.0/16")}
        _, members = stack.enter_context(stage.flat_group("pow", files, running=[]))
        disks = {name: stack.enter_context(stage.own_disk(members, name, MEGABYTES)) for name in members.nodes}
        stack.callback(members.stop)
        members.start()
        members.wait_whole()
        writers = [Writer(members, name, number) for name in members.nodes for number in range(WRITERS_PER_NODE)]
        for number in tale.each():
            one_round(tale, members, writers, dice, disks if number % 2 == 0 else None)


def one_round(tale, members, writers, dice, disks):
    """One crash of all."""
    started = time.monotonic()
    before = sum(writer.acknowledged for writer in writers)
    for writer in writers:
        writer.start()
    members.wait("the first writes", lambda: all(writer.acknowledged or writer.refused for writer in writers))
    time.sleep(dice.uniform(0.05, 0.8))  # the random moment
    for name in members.nodes:
        members.signal(name, signal.SIGKILL)
    for name, node in members.nodes.items():
        node.process.wait()
        if disks:
            disks[name].cut_power()
    for writer in writers:
        writer.join()
    for disk in (disks or {}).values():
        disk.power_on()
    members.start()
    members.wait_whole()
    judge(tale, members, writers, sum(writer.acknowledged for writer in writers) - before, started, disks)


def judge(tale, members, writers, acknowledged, started, disks):
    """Compares every node's services with what was acknowledged."""
    expected = {key: addresses for writer in writers for key, addresses in writer.standing.items()}
    gone = {key for writer in writers for key in writer.gone}
    unsure = {writer.unsure for writer in writers if writer.unsure}
    with contextlib.suppress(RuntimeError):
        members.wait("the acknowledged services everywhere", lambda: stage.everywhere(
            members, lambda name: not wrong(members.addresses(name), expected, gone, unsure)), 10)
    found = {name: members.addresses(name) for name in members.nodes}
    for name, services in found.items():
        for text in wrong(services, expected, gone, unsure)[:5]:
            tale.check(False, f"{name}: {text}")
    refused = [text for writer in writers for text in writer.refused]
    crash = "power lost" if disks else "killed"
    tale.check(len({str(sorted(services.items())) for services in found.values()}) == 1 and not refused,
               f"all {crash}: {acknowledged} writes acknowledged, {len(unsure)} unsure, {len(expected)} services stand "
               f"as acknowledged on every node, {time.monotonic() - started:.1f} s {refused[:3] or ''}")
    for writer in writers:
        if writer.unsure in found["n1"]:
            writer.standing[writer.unsure] = found["n1"][writer.unsure]
        else:
            writer.standing.pop(writer.unsure, None)
        writer.unsure = None


def wrong(services, expected, gone, unsure):
    """What a node's services have wrong, in words."""
    texts = [f"{key} was acknowledged with {addresses} and has {services.get(key)}"
             for key, addresses in expected.items() if services.get(key) != addresses and key not in unsure]
    texts += [f"{key} was deleted and is there" for key in gone if key in services]
    given = [address for addresses in services.values() for address in addresses]
    return texts + [f"{len(given) - len(set(given))} addresses are given twice"] * (len(given) != len(set(given)))
