"""A node dies, or is cut off without a word: BFD takes its routes out of the leaf's kernel, ECMP goes on over the other.

A process that dies alone is another matter with graceful restart: its kernel says so to the router, which keeps the routes,
see `fail-static`.
"""

import contextlib
import statistics
import time

from qlab import cuts, route_watch, stage

ROUNDS = 20
ROUTE, PODS = "20.0.10.0/32", "10.1.0.0/24"
LOST, OTHER = "10.0.5.11", "10.0.5.12"
# 50 ms x 3 to detect; what is far above it was not found by BFD.
LIMIT_MS = 1000
POLICY = """apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {{name: bgp}}
spec: {{addresses: [20.0.10.0/24]}}
---
apiVersion: quorumlb.io/v1alpha1
kind: BGPPolicy
metadata: {{name: rack0}}
spec:
  nodeSelectors: [{{matchLabels: {{rack: rack0}}}}]
  localASN: 65005
  peers:
  - name: leaf01
    address: 10.0.5.1
    asn: 65005
    bfd: {{transmit: 50ms, receive: 50ms, multiplier: 3}}
    {restart}
  advertise: [{{services: {{}}}}, {{podCIDRs: true}}]
"""


def run(tale):
    """The trial."""
    files = {"bgp.yaml": POLICY.format(restart=""), "services.yaml": stage.services(1)}
    with stage.fabric_group(files, ["node1", "node2", "node3"], named) as (lab, members):
        leaf = lab.router("leaf01")
        series(tale, lab, members, leaf, (process_killed, dead, cut_off), "")
        members.add_manifest("bgp.yaml", POLICY.format(restart="gracefulRestart: 120s"))
        for address in (LOST, OTHER):
            members.wait("graceful restart", lambda: restarts(leaf, address))
        series(tale, lab, members, leaf, (dead, cut_off), ", with graceful restart")


def named(lab):
    """The leaf knows its nodes."""
    lab.router("leaf01").name_neighbours(65005, LOST, OTHER)


def restarts(leaf, address):
    """Whether the leaf would keep a node's routes over a restart."""
    info = leaf.neighbour(address).get("gracefulRestartInfo", {})
    return leaf.is_established(address) and info.get("ipv4Unicast", {}).get("fBit")


def series(tale, lab, members, leaf, losses, how):
    """So many losses of each kind, and the medians."""
    times = {lose: [] for lose in losses}
    for _ in tale.each():
        for lose, taken in times.items():
            whole(members, leaf)
            taken.append(one(tale, lab, members, leaf, lose, how))
    for lose, taken in times.items():
        tale.tell(f"{lose.__doc__}{how}: median {statistics.median(taken):.0f} ms, most {max(taken):.0f} ms of {len(taken)}")
    whole(members, leaf)


def whole(members, leaf):
    """Both nodes' routes are there, and BFD watches both."""
    members.wait("both next hops", lambda: leaf.gateways(ROUTE) == [LOST, OTHER] and leaf.gateways(PODS) == [LOST])
    members.wait("BFD with both", lambda: all(leaf.detection(peer).get("status") == "up" for peer in (LOST, OTHER)))


def one(tale, lab, members, leaf, lose, how):
    """One loss; how long its routes stayed, in ms."""
    with contextlib.ExitStack() as stack:
        watch = stack.enter_context(route_watch.RouteWatch(leaf.namespace))
        since = time.monotonic_ns()
        lose(lab, members, stack)
        left = members.wait("the routes to go", lambda: all_left(watch, since), 130)
        took = (left - since) / 1e6
        stayed = all(OTHER in change.gateways for change in watch.of(ROUTE, since))
        tale.check(took < LIMIT_MS and stayed, f"{lose.__doc__}{how}: its routes are out of the leaf's kernel after "
                   f"{took:.0f} ms{'' if stayed else f', and {OTHER} was not a next hop all the while'}")
    return took


def all_left(watch, since):
    """When the last of the node's routes had gone; None before."""
    left = [watch.left(prefix, LOST, since) for prefix in (ROUTE, PODS)]
    return max(left) if all(left) else None


def process_killed(_, members, stack):
    """process killed"""
    members.kill("node1")
    stack.callback(members.start, "node1")


def dead(lab, members, stack):
    """node dead"""
    cut_off(lab, members, stack)
    process_killed(lab, members, stack)


def cut_off(lab, _, stack):
    """cut off"""
    stack.enter_context(cuts.cut([lab.namespace("node1")], cuts.EVERYTHING))
