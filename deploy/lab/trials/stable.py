"""Services keep their addresses through restarts, a dead leader, the same files again, a grown pool, save and restore."""

import signal

from qlab import stage

ROUNDS = 1
SERVICES = 40
REBALANCE = "{after: 1s, pace: 100/s}"


def files(last=200):
    """The manifests: services in an order of their own, a pool up to some last address."""
    return stage.rules(f"10.9.0.100-10.9.0.{last}") + stage.services(SERVICES)


def run(tale):
    """The trial."""
    with stage.flat_group("sta", {"trial.yaml": files(150)}, rebalance=REBALANCE) as (_, members):
        before = members.wait("an address for each service", lambda: complete(members.addresses()))
        for number in tale.each():
            for what in (killed, terminated, leader_dies, touched, lambda m: grown(m, 150 + number), restored):
                text = what(members)
                after = members.wait("the services on all nodes", lambda: stage.everywhere(
                    members, lambda name: complete(members.addresses(name))))
                wrong = {service for found in after.values() for service in before if found[service] != before[service]}
                tale.check(not wrong, f"{text}: {len(wrong)} of {SERVICES} services changed address on any node")


def complete(addresses):
    """The addresses, if every service has one."""
    return addresses if len(addresses) == SERVICES and all(addresses.values()) else None


def killed(members):
    """All at once, without a word."""
    for name in members.nodes:
        members.signal(name, signal.SIGKILL)
    return back(members, "every node killed at once (SIGKILL)")


def terminated(members):
    """All at once, in order."""
    for name in members.nodes:
        members.signal(name, signal.SIGTERM)
    return back(members, "every node stopped at once (SIGTERM)")


def back(members, text):
    """All of them again."""
    for name in members.nodes:
        stage.wait_process(members, name)
    members.start()
    members.wait_whole()
    return text


def leader_dies(members):
    """The leader, and then it comes back."""
    members.wait("three voters", lambda: sum(
        row["voter"] for row in (members.get("raft") or {"members": []})["members"]) == 3)
    leader = members.leader()
    members.kill(leader)
    members.wait("another leader", lambda: members.leader() not in (None, leader))
    members.start(leader)
    members.wait_whole()
    return f"the leader ({leader}) killed and started again"


def touched(members):
    """The same content in a new file."""
    read = members.metric("n1", "quorumlb_config_reloads_total")
    members.add_manifest("trial.yaml", (members.config / "trial.yaml").read_text())
    members.wait("the files read anew", lambda: members.metric("n1", "quorumlb_config_reloads_total") > read)
    return "the same files written again"


def grown(members, last):
    """More room in the pool, at its end and in a block before it."""
    members.add_manifest("trial.yaml", files(last).replace("addresses: [", "addresses: [10.9.0.60-10.9.0.69, ", 1))
    members.wait("the configuration on all nodes", lambda: stage.everywhere(
        members, lambda name: all(row["config_current"] for row in members.ask("/v1/nodes", name) or [{"config_current": 0}])))
    members.wait("the larger pool", lambda: members.ask("/v1/pools")[0]["total"] >= 60)
    return f"the pool grown (to 10.9.0.{last}, and a block before its first)"


def restored(members):
    """The state saved, every node wiped, one restored from it."""
    saved = members.folder / "state.qlb"
    saved.unlink(missing_ok=True)
    code, text = members.command("n2", "snapshot", "save", str(saved))
    if code != 0:
        raise RuntimeError(f"snapshot save: {text}")
    for name in members.nodes:
        members.kill(name)
        members.wipe(name)
    members.restore(saved, "n1")
    members.start()
    members.wait_whole(90)
    return "every node wiped, n1 restored from a saved state, the others joined it"
