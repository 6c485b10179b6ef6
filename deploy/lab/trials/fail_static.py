"""P11: without a quorum, without the process, and after a start without a quorum, the routers keep the routes.

The leaf is asked for its kernel's changes, not for how things are in the end: a route that was gone for a moment is seen.
"""

import contextlib
import signal
import time

from qlab import cuts, netns, probe, route_watch, stage

ROUNDS = 3
ADDRESS, ROUTE, PODS = "20.0.10.0", "20.0.10.0/32", "10.1.0.0/24"
# The address of a service that comes later.
FRESH = "20.0.10.1/32"
NODE, OTHER = "10.0.5.11", "10.0.5.12"
RESTART_SECONDS = 12
# How long nothing may change once all has settled; the nodes look at everything once a second.
QUIET_SECONDS = 4
PEERS = {
    "native": f"""apiVersion: quorumlb.io/v1alpha1
kind: BGPPolicy
metadata: {{name: rack0}}
spec:
  nodeSelectors: [{{matchLabels: {{rack: rack0}}}}]
  localASN: 65005
  peers: [{{name: leaf01, address: 10.0.5.1, asn: 65005, gracefulRestart: {RESTART_SECONDS}s}}]
  advertise: [{{services: {{}}}}, {{podCIDRs: true}}]
""",
    "Cilium's": f"""apiVersion: cilium.io/v2
kind: CiliumBGPClusterConfig
metadata: {{name: rack0}}
spec:
  nodeSelector: {{matchLabels: {{rack: rack0}}}}
  bgpInstances:
  - name: main
    localASN: 65005
    peers: [{{name: leaf01, peerAddress: 10.0.5.1, peerASN: 65005, peerConfigRef: {{name: leaf}}}}]
---
apiVersion: cilium.io/v2
kind: CiliumBGPPeerConfig
metadata: {{name: leaf}}
spec:
  gracefulRestart: {{enabled: true, restartTimeSeconds: {RESTART_SECONDS}}}
  families: [{{afi: ipv4, safi: unicast, advertisements: {{matchLabels: {{told: all}}}}}}]
---
apiVersion: cilium.io/v2
kind: CiliumBGPAdvertisement
metadata: {{name: all, labels: {{told: all}}}}
spec:
  advertisements:
  - advertisementType: PodCIDR
  - advertisementType: Service
    service: {{addresses: [LoadBalancerIP]}}
    selector: {{}}
""",
}
POOL = "apiVersion: quorumlb.io/v1alpha1\nkind: IPPool\nmetadata: {name: bgp}\nspec: {addresses: [20.0.10.0/24]}\n"


def run(tale):
    """The trial."""
    files = {"bgp.yaml": PEERS["native"], "services.yaml": POOL + stage.services(1)}
    with stage.fabric_group(files, ["node1", "node2", "node3"], named) as (lab, members):
        for number in tale.each():
            kind = list(PEERS)[(number - 1) % len(PEERS)]
            members.add_manifest("bgp.yaml", PEERS[kind])
            for step in (without_quorum, others_dead, restarted, planned, all_dead, gone_for_good):
                whole(members, lab)
                with contextlib.ExitStack() as stack:
                    step(tale, Scene(lab, members, stack, f"{kind} peers"))


def named(lab):
    """The leaf knows its nodes."""
    lab.router("leaf01").name_neighbours(65005, NODE, OTHER)


def whole(members, lab):
    """Every node that is down is started; all routes are there, for good."""
    down = [name for name in members.nodes if name not in members.running()]
    if down:
        members.start(*down)
    members.wait_whole()
    leaf = lab.router("leaf01")
    for address in (NODE, OTHER):
        members.wait(f"the session of {address}", lambda: keeps(leaf, address))
    members.wait("both next hops", lambda: leaf.gateways(ROUTE) == [NODE, OTHER] and leaf.gateways(PODS) == [NODE])
    members.wait("nothing stale", lambda: not stale(leaf))


def keeps(leaf, address):
    """Whether the session is up and the leaf would keep its routes over a restart."""
    info = leaf.neighbour(address).get("gracefulRestartInfo", {})
    return leaf.is_established(address) and info.get("ipv4Unicast", {}).get("fBit")


def stale(leaf):
    """The paths to the service that the leaf keeps without a session."""
    return [hop for hop, path in leaf.paths(ROUTE).items() if path.get("stale")]


class Scene:
    """What one step looks at."""

    def __init__(self, lab, members, stack, what):
        self.lab, self.members, self.what = lab, members, what
        self.leaf = lab.router("leaf01")
        self.watch = stack.enter_context(route_watch.RouteWatch(self.leaf.namespace))
        self.prober = probe.Prober(lab.namespace("client"), ADDRESS)
        stack.callback(self.prober.close)

    def unconfirmed(self, name):
        """Whether a node says that no quorum confirms it."""
        return bool((self.members.ask("/v1/raft", name) or {"session": {"why_not": ""}})["session"]["why_not"])

    def held(self, name="node1"):
        """Whether a node's kernel takes packets for the address."""
        return f"{ADDRESS}/" in netns.run(self.lab.namespace(name), "ip", "-4", "addr", "show", "lo")

    def wrong(self, *nodes):
        """What the leaf did to the routes of these nodes, in words."""
        texts = [f"{prefix} via {sorted(change.gateways)}"
                 for prefix, needed in ((ROUTE, set(nodes)), (PODS, {NODE} & set(nodes)))
                 for change in self.watch.of(prefix) if not needed <= change.gateways]
        return texts + [f"{name} does not hold {ADDRESS}"
                        for name, address in (("node1", NODE), ("node2", OTHER)) if address in nodes and not self.held(name)]

    def verdict(self, tale, text, *nodes):
        """No route of these nodes was gone for a moment, and no answer lost."""
        sent, lost = self.prober.finish()
        wrong = self.wrong(*nodes) + [f"{len(lost)} of {sent} probes lost"] * bool(lost)
        tale.check(not wrong, f"{self.what}: {text}: the leaf keeps the routes, {sent} probes answered {'; '.join(wrong[:4])}")


def without_quorum(tale, scene):
    """The nodes do not hear each other any more."""
    with cuts.cut([node.namespace for node in scene.members.nodes.values()], cuts.GROUP):
        scene.members.wait("no quorum", lambda: all(scene.unconfirmed(name) for name in scene.members.nodes))
        time.sleep(QUIET_SECONDS)
        up = all(scene.leaf.is_established(address) for address in (NODE, OTHER))
        scene.verdict(tale, f"no node hears another one, the sessions are {'up' if up else 'DOWN'}", NODE, OTHER)
    scene.members.wait_whole()


def others_dead(tale, scene):
    """Two of three nodes die; the routes of the one that is left stay, and it keeps on telling them."""
    for name in ("node2", "node3"):
        scene.members.kill(name)
    scene.members.wait("no quorum", lambda: scene.unconfirmed("node1"))
    scene.members.wait("node2's routes to go", lambda: scene.leaf.gateways(ROUTE) == [NODE], RESTART_SECONDS + 30)
    scene.verdict(tale, "node2 and node3 dead", NODE)


def restarted(tale, scene):
    """The process dies and comes back."""
    scene.members.kill("node1")
    scene.members.wait("the leaf to notice", lambda: NODE in stale(scene.leaf), 15)
    held = scene.held()
    scene.members.start("node1")
    back(scene)
    scene.verdict(tale, f"node1 killed ({ADDRESS} {'stays' if held else 'is NOT'} on lo) and started", NODE, OTHER)


def planned(tale, scene):
    """The process is stopped in order and started again, as for an upgrade."""
    scene.members.signal("node1", signal.SIGTERM)
    code = stage.wait_process(scene.members, "node1")
    scene.members.start("node1")
    back(scene)
    scene.verdict(tale, f"node1 stopped (exit {code}) and started", NODE, OTHER)


def back(scene):
    """node1 has told its routes again, and the time in which they would have been kept without it is over."""
    scene.members.wait("node1's routes told again", lambda: keeps(scene.leaf, NODE) and NODE not in stale(scene.leaf))
    time.sleep(QUIET_SECONDS)


def all_dead(tale, scene):
    """All processes die, right after a new service was told; one that did not lead comes back, and has
    nobody to ask."""
    if scene.members.leader() == "node1":
        scene.members.signal("node1", signal.SIGTERM)
        stage.wait_process(scene.members, "node1")
        whole(scene.members, scene.lab)
    scene.members.add_manifest("services.yaml", POOL + stage.services(2))
    scene.members.wait("the new service's route", lambda: NODE in scene.leaf.gateways(FRESH), 15)
    for name in scene.members.nodes:
        scene.members.kill(name)
    scene.members.wait("the leaf to notice", lambda: NODE in stale(scene.leaf), 15)
    scene.members.start("node1")
    back(scene)
    scene.members.wait("node2's routes to go", lambda: scene.leaf.gateways(ROUTE) == [NODE], RESTART_SECONDS + 30)
    time.sleep(QUIET_SECONDS)
    scene.verdict(tale, "all killed, node1 alone started", NODE)
    raft = scene.members.ask("/v1/raft", "node1") or {}
    tale.check(scene.unconfirmed("node1") and scene.leaf.gateways(FRESH) == [NODE],
               f"{scene.what}: so does the route of the service that was new: {FRESH} via {scene.leaf.gateways(FRESH)} "
               f"(log entries up to {raft.get('last_log')}, applied {raft.get('applied')})")
    scene.members.add_manifest("services.yaml", POOL + stage.services(1))


def gone_for_good(tale, scene):
    """A process that does not come back is not waited for longer than was agreed on."""
    since = time.monotonic()
    scene.members.kill("node1")
    scene.members.wait("node1's routes to go", lambda: scene.leaf.gateways(ROUTE) == [OTHER], RESTART_SECONDS + 30)
    scene.verdict(tale, f"node1 killed for good: its routes go {time.monotonic() - since:.1f} s later "
                  f"(agreed: {RESTART_SECONDS} s), node2's", OTHER)
