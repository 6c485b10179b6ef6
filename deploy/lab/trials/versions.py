"""A node of the next release among two of this one, and the other way round: joins, votes, leads, log and snapshot both ways."""

import os
import pathlib
import signal

from qlab import group, stage

ROUNDS = 1
SERVICES = 30


def next_release():
    """The program that speaks one message version more: $QUORUMLB_NEXT, or what `make next-release` builds."""
    path = os.environ.get("QUORUMLB_NEXT") or str(pathlib.Path(group.binary()).with_name("quorumlb-next"))
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no program at {path}; build it first: make next-release")
    return path


def run(tale):
    """The trial."""
    newer = next_release()
    for _ in tale.each():
        mixed(tale, "new among old", {"n3": newer})
        mixed(tale, "old among new", {"n1": newer, "n2": newer})


def mixed(tale, what, programs):
    """A group in which n3 is the odd one."""
    files = {"trial.yaml": stage.rules("10.9.0.100-10.9.0.199") + stage.services(SERVICES)}
    with stage.flat_group("ver", files, running=[]) as (_, members):
        for name, program in programs.items():
            members.nodes[name].program = program
        members.start("n1", "n2")
        members.wait_whole()
        wait_equal(members, SERVICES)
        shorten_log(members)
        members.start("n3")
        members.wait_whole()
        wait_equal(members, SERVICES)
        voters = members.wait("three voters", lambda: parts(members, "n1") == ["voter"] * 3)
        tale.check(voters, f"{what}: n3 joined, and votes")
        for leader in ("n3", "n1"):
            lead(members, leader)
            text = f"{what}: {leader} leads"
            late = put(members, f"late-{leader}", leader)
            tale.check(late, f"{text}: its log reaches the others")
            tale.check(snapshots(members, leader), f"{text}: a wiped node gets its snapshot, and votes again")
            wait_equal(members, len(members.addresses(leader)))
        tale.check(len(members.addresses("n3")) == SERVICES + 2, f"{what}: the same services on all three")
        versions = {name: members.ask("/v1/status", name)["problems"] for name in members.nodes}
        tale.check(not any(versions.values()), f"{what}: no node has a problem: {versions}")


def shorten_log(members):
    """Makes a group whose log does not reach back to its beginning, so that who joins gets a snapshot first."""
    saved = members.folder / "state.qlb"
    code, text = members.command("n1", "snapshot", "save", str(saved))
    if code != 0:
        raise RuntimeError(f"snapshot save: {text}")
    for name in members.running():
        members.kill(name)
        members.wipe(name)
    members.restore(saved, "n1")
    members.start("n1", "n2")
    members.wait_whole()


def parts(members, name):
    """What the members are in Raft, as one sees it."""
    return ["voter" if row["voter"] else "learner" for row in (members.ask("/v1/raft", name) or {"members": []})["members"]]


def wait_equal(members, count):
    """All nodes have the same services with the same addresses."""
    def same():
        found = [members.addresses(name) for name in members.running()]
        return len(found[0]) == count and all(one == found[0] for one in found)
    members.wait(f"{count} services on all nodes", same)


def lead(members, name):
    """Makes a node lead: whoever else does is stopped, which hands over leadership, until it is this one."""
    for _ in range(12):
        leader = members.wait_whole()
        if leader == name:
            return
        members.signal(leader, signal.SIGTERM)
        stage.wait_process(members, leader)
        members.wait("a leader", lambda: members.leader() not in (None, leader))
        members.start(leader)
        members.wait("three voters", lambda: parts(members, name) == ["voter"] * 3)
    raise RuntimeError(f"{name} does not come to lead")


def put(members, service, name):
    """A service through one node; whether all three have it."""
    body = ('{"apiVersion": "quorumlb.io/v1alpha1", "kind": "Service", "metadata": {"name": "%s"}, "spec": {"ports": '
            '[{"port": 80}], "backends": [{"address": "10.9.0.11", "port": 80}]}}' % service)
    given = members.wait("the write", lambda: members.ask("/v1/services", name, "POST", body), 10)["addresses"]
    return members.wait("the service everywhere", lambda: stage.everywhere(
        members, lambda node: members.addresses(node).get(f"default/{service}") == given))


def snapshots(members, leader):
    """Wipes a node of the other release and waits until it is whole again."""
    mine = members.nodes[leader].program
    other = next(name for name, node in members.nodes.items() if node.program != mine)
    before = members.ask("/v1/raft", other)["id"]
    members.kill(other)
    members.wipe(other)
    members.start(other)
    members.wait("a new identity that votes", lambda: parts(members, leader) == ["voter"] * 3
                 and (members.ask("/v1/raft", other) or {"id": before})["id"] not in (None, before), 90)
    members.wait_whole()
    members.wait("its snapshot", lambda: (members.ask("/v1/raft", other) or {})["snapshot"], 30)
    return members.leader() == leader
