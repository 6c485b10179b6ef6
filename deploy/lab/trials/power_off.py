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
        self.standing, self.gone, self.unsure, self.refused = {}, set(), set(), []
        self.acknowledged = 0
        self._thread, self._ending = None, threading.Event()

    def start(self):
        """Writes until the node is dead."""
        self._ending.clear()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def join(self):
        """The node is dead: waits until the writer has noticed."""
        self._ending.set()
        self._thread.join(30)

    def _loop(self):
        while not self._ending.is_set():
            with contextlib.closing(admin.Connection(self._members.socket(self.node))) as connection:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    connection.connect()
                    while self._write(connection):
                        pass
            time.sleep(0.01)

    def _write(self, connection):
        old = next((key for key in self.standing if key not in self.unsure), None) if len(self.standing) >= KEPT else None
        self._count += not old
        key = old or f"default/{self._prefix}-{self._count}"
        self.unsure.add(key)
        if old:
            status, answer = connection.ask(f"/v1/services/{old}", "DELETE")
        else:
            status, answer = connection.ask("/v1/services", "POST", service(key))
        if status not in (200, 503, 504):
            self.refused.append((key, status, answer))
        if status != 200:
            return False
        self._take(key, old, answer)
        return True

    def _take(self, key, old, answer):
        self.acknowledged += 1
        self.unsure.discard(key)
        if old:
            del self.standing[old]
            self.gone.add(old)
        else:
            self.standing[key] = answer["addresses"]

    def settle(self, found):
        """What came of the writes that nobody acknowledged."""
        for key in self.unsure:
            if key in found:
                self.standing[key] = found[key]
            else:
                self.standing.pop(key, None)
        self.unsure.clear()


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
        stack.callback(lambda: [members.kill(name) for name in members.running()])
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
    members.wait("the first writes", lambda: sum(writer.acknowledged for writer in writers) >= before + 20)
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
    unsure = {key for writer in writers for key in writer.unsure}
    with contextlib.suppress(RuntimeError):
        members.wait("the acknowledged services everywhere", lambda: stage.everywhere(
            members, lambda name: not wrong(members.addresses(name), expected, gone, unsure)) and agree(members), 10)
    found = {name: members.addresses(name) for name in members.nodes}
    for name, services in found.items():
        for text in wrong(services, expected, gone, unsure)[:5]:
            tale.check(False, f"{name}: {text}")
    refused = [text for writer in writers for text in writer.refused]
    crash = "power lost" if disks else "killed"
    tale.check(agree(members) and not refused,
               f"all {crash}: {acknowledged} writes acknowledged, {len(unsure)} unsure, {len(expected)} services stand "
               f"as acknowledged on every node, {time.monotonic() - started:.1f} s {refused[:3] or ''}")
    for writer in writers:
        writer.settle(found["n1"])


def agree(members):
    """Whether every node says the same."""
    return len({str(sorted(members.addresses(name).items())) for name in members.nodes}) == 1


def wrong(services, expected, gone, unsure):
    """What a node's services have wrong, in words."""
    texts = [f"{key} was acknowledged with {addresses} and has {services.get(key)}"
             for key, addresses in expected.items() if services.get(key) != addresses and key not in unsure]
    texts += [f"{key} was deleted and is there" for key in gone if key in services]
    given = [address for addresses in services.values() for address in addresses]
    return texts + [f"{len(given) - len(set(given))} addresses are given twice"] * (len(given) != len(set(given)))
