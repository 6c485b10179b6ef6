"""A late founder, a fifth node, a wiped one, a dead voter, and one that leaves for good."""

import signal
import time

from qlab import group, stage

ROUNDS = 1
ADDRESSES = 20
SETTINGS = {"rebalance": "{after: 1s, pace: 100/s}"}


def run(tale):
    """The trial."""
    files = {"trial.yaml": stage.rules("10.9.0.100-10.9.0.199") + stage.services(ADDRESSES)}
    for _ in tale.each():
        with stage.flat_group("joi", files, hosts=5, running=[], **SETTINGS) as (_, members):
            everyone = list(members.nodes.values())
            members.add_manifest("cluster.yaml", group.cluster_manifest(everyone[:4], **SETTINGS))
            late_founder(tale, members)
            fifth(tale, members, everyone)
            wiped(tale, members)
            dead_voter(tale, members)
            leaves(tale, members, everyone)


def rows(members, name=None):
    """Node -> [(identity, whether it votes)]."""
    found = {}
    for row in (members.ask("/v1/raft", name) or {"members": []})["members"]:
        found.setdefault(row["name"], []).append((row["id"], row["voter"]))
    return found


def voters(members, name=None):
    """Names of the voters."""
    return sorted(node for node, seen in rows(members, name).items() if any(votes for _, votes in seen))


def one_group(members):
    """All that run name the same leader and the same members."""
    seen = stage.everywhere(members, lambda name: (members.leader(name), str(rows(members, name))))
    return seen if seen and len(set(seen.values())) == 1 else None


def late_founder(tale, members):
    """Two of the three founders and a fourth node begin; the third founder comes when they have begun."""
    members.start("n1", "n2", "n4")
    members.wait_whole()
    members.wait("all owners", lambda: stage.even(members.owners(), ADDRESSES, 3))
    before = members.addresses()
    members.start("n3")
    members.wait_whole()
    members.wait("one group of four", lambda: one_group(members) and len(rows(members)) == 4)
    members.wait("three voters", lambda: len(voters(members)) == 3)
    tale.check(members.addresses() == before, f"late founder: one group, voters {', '.join(voters(members))}, no address changed")


def fifth(tale, members, everyone):
    """A node more in the files, then its process."""
    members.wait("an even spread", lambda: stage.even(members.owners(), ADDRESSES, 4))
    before = members.owners()
    members.add_manifest("cluster.yaml", group.cluster_manifest(everyone, **SETTINGS))
    members.wait("the files taken", lambda: members.member("n5").get("configured"))
    members.start("n5")
    members.wait_whole()
    after = members.wait("a share for it", lambda: stage.even(members.owners(), ADDRESSES, 5), 30)
    moved = [address for address in before if after[address] != before[address]]
    part = members.member("n5")["raft"]
    tale.check(part == "learner" and len(moved) == 4 and {after[address] for address in moved} == {"n5"},
               f"fifth node: a {part}, {len(moved)} of {ADDRESSES} addresses moved, all to it")


def wiped(tale, members):
    """A voter that does not lead loses its disk and comes back."""
    leader = members.leader()
    victim = next(name for name in voters(members) if name != leader)
    old = rows(members)[victim]
    members.kill(victim)
    members.wipe(victim)
    started = time.monotonic()
    members.start(victim)
    members.wait_whole()
    members.wait("its old identity gone, three voters", lambda: old[0] not in rows(members).get(victim, old)
                 and len(rows(members)[victim]) == 1 and len(voters(members)) == 3, 90)
    new = rows(members)[victim]
    members.wait("one group of five", lambda: one_group(members) and len(rows(members)) == 5)
    tale.check(new[0][0] != old[0][0], f"wiped: {victim} was {old[0][0]}, is {new[0][0]}, the old one is no member any more "
                                       f"({time.monotonic() - started:.1f} s); voters {', '.join(voters(members))}")


def dead_voter(tale, members):
    """A voter that does not lead dies; another node votes for it."""
    members.wait("an even spread", lambda: stage.even(members.owners(), ADDRESSES, 5), 30)
    leader = members.leader()
    victim = next(name for name in voters(members) if name != leader)
    members.kill(victim)
    started = time.monotonic()
    members.wait("another voter", lambda: len(voters(members, leader)) == 3 and victim not in voters(members, leader), 60)
    took = time.monotonic() - started
    tale.check(True, f"dead voter: {victim} replaced after {took:.1f} s, voters {', '.join(voters(members, leader))}")
    members.start(victim)
    members.wait_whole()
    members.wait("its part again", lambda: members.member(victim)["raft"] in ("learner", "voter"))
    tale.check(len(voters(members)) == 3, f"{victim} is back as a {members.member(victim)['raft']}")


def leaves(tale, members, everyone):
    """A voter leaves for good; its next start says why it does not run; without its data it may come again."""
    members.wait("an even spread", lambda: stage.even(members.owners(), ADDRESSES, 5), 30)
    leader = members.leader()
    goer = next(name for name in voters(members) if name != leader)
    code, text = members.command(goer, "leave")
    ended = stage.wait_process(members, goer)
    tale.check(code == 0 and ended == 0, f"leave: {goer}: {text.splitlines()[-1]}")
    members.wait("it is no member", lambda: goer not in rows(members, leader) and goer not in members.owners(leader).values())
    members.wait("three voters of the others", lambda: len(voters(members, leader)) == 3)
    size = members.log(goer).stat().st_size
    members.start(goer)
    why = members.wait("its word", lambda: says(members, goer, size), 20)
    tale.check(goer not in rows(members, leader), f"leave: its restart says: {why}")
    members.signal(goer, signal.SIGTERM)
    stage.wait_process(members, goer)
    members.add_manifest("cluster.yaml", group.cluster_manifest([n for n in everyone if n.name != goer], **SETTINGS))
    members.wait("the files without it", lambda: not members.member(goer, leader).get("configured"), 20)
    members.wait("four nodes with 5 each", lambda: stage.even(members.owners(leader), ADDRESSES, 4), 30)
    tale.check(goer not in rows(members, leader), "leave: out of the files, four nodes go on")


def says(members, name, size):
    """Why a node that left does not run, in its log and in its status; None until both say so."""
    raft = members.ask("/v1/raft", name)
    with open(members.log(name), encoding="utf-8", errors="replace") as log:
        log.seek(size)
        logged = "left the group" in log.read()
    return raft["phase_why"] if raft and "left the group" in raft["phase_why"] and logged else None
