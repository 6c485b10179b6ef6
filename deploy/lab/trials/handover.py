"""Drain, undrain, SIGTERM of an owner, SIGTERM of an owner that leads: a client that probes every 5 ms loses nothing."""

import signal
import time

from qlab import probe, stage

ROUNDS = 3
ADDRESSES = 3
REBALANCE = "{after: 1s, pace: 100/s}"


def run(tale):
    """The trial."""
    files = {"trial.yaml": stage.rules("10.9.0.100-10.9.0.102") + stage.services(ADDRESSES)}
    with stage.flat_group("han", files, rebalance=REBALANCE) as (segment, members):
        for _ in tale.each():
            for leads, step in ((False, drain), (True, drain), (False, stop), (True, stop)):
                one(tale, segment, members, step, leads)


def one(tale, segment, members, step, leads):
    """One step at an owner that leads, or at one that does not, under probes."""
    members.wait_whole()
    owners = members.wait("an address for each node", lambda: stage.even(members.owners(), ADDRESSES, 3), 30)
    leader = members.leader()
    address, owner = next((a, o) for a, o in owners.items() if (o == leader) == leads)
    mac = segment.mac(owner)
    prober = probe.Prober(segment.namespace("obs"), address)
    try:
        members.wait("answers by the owner", lambda: prober.last_mac() == mac)
        started = time.time_ns()
        step(members, owner, lambda: members.wait("another that answers", lambda: prober.last_mac() != mac, 15))
        members.wait("an even spread again", lambda: stage.even(members.owners(), ADDRESSES, 3), 30)
    finally:
        sent, lost = prober.finish()
    when = ", ".join(f"{(time_ns - started) / 1e6:.0f} ms" for time_ns in lost[:8])
    who = f"{owner}{' (the leader)' if leads else ''}"
    tale.check(not lost, f"{step.__doc__.strip('.')}: {who}: {sent} probes, {len(lost)} lost {when and 'after ' + when}")


def drain(members, owner, moved):
    """drain, undrain."""
    code, text = members.command(owner, "drain", owner)
    if code != 0:
        raise RuntimeError(f"drain: {text}")
    moved()
    code, text = members.command(owner, "undrain", owner)
    if code != 0:
        raise RuntimeError(f"undrain: {text}")


def stop(members, owner, moved):
    """SIGTERM, restart."""
    members.signal(owner, signal.SIGTERM)
    code = stage.wait_process(members, owner)
    if code != 0:
        raise RuntimeError(f"{owner} ended with {code}")
    moved()
    members.start(owner)
    members.wait_whole()
