"""Edits of labels, selectors, attributes, aggregation, backends and a drain: only what they concern is sent again.

The leaf's own record of UPDATEs tells what each node sent, and that a session stayed up all the while.
"""

import re
import time

from qlab import routers, stage

ROUNDS = 1
NODES = {"node1": "10.0.5.11", "node2": "10.0.5.12"}
FRONT = [f"20.0.10.{number}/32" for number in range(4)]
BACK = [f"20.0.20.{number}/32" for number in range(4)]
GRACEFUL_SHUTDOWN = "gracefulShutdown"
# How long to wait for what must not come.
QUIET_SECONDS = 1

POLICY = """apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {{name: front}}
spec: {{addresses: [20.0.10.0/24], serviceSelectors: [{{matchLabels: {{tier: front}}}}]}}
---
apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {{name: back}}
spec: {{addresses: [20.0.20.0/24], serviceSelectors: [{{matchLabels: {{tier: back}}}}]}}
---
apiVersion: quorumlb.io/v1alpha1
kind: BGPPolicy
metadata: {{name: rack0}}
spec:
  nodeSelectors: [{{matchLabels: {{rack: rack0}}}}]
  localASN: 65005
  peers: [{{name: leaf01, address: 10.0.5.1, asn: 65005}}]
  advertise:
  - services: {{pools: [front], serviceSelectors: [{front_selector}]}}
    communities: [{front_communities}]
    localPref: {front_preference}
  - services: {{pools: [back], serviceSelectors: [{{matchLabels: {{told: "yes"}}}}]}}
    communities: ["65000:2"]
    aggregation: {{ipv4: {back_length}}}
  - podCIDRs: true
"""
DEFAULTS = {"front_selector": '{matchLabels: {told: "yes"}}', "front_communities": '"65000:1"', "front_preference": "100",
            "back_length": "32"}
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {{name: {tier}-{number}, labels: {{tier: {tier}, told: "{told}"}}}}
spec:
  type: LoadBalancer
  loadBalancerIP: {address}
  externalTrafficPolicy: {policy}
  ports: [{{name: http, port: 80}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {tier}-{number}, labels: {{kubernetes.io/service-name: {tier}-{number}}}}}
addressType: IPv4
endpoints: [{{addresses: [10.1.0.10], nodeName: {backend}, conditions: {{ready: {ready}}}}}]
ports: [{{name: http, port: 80}}]
"""


class Files:
    """The manifests, as they are edited."""

    def __init__(self):
        self.policy = dict(DEFAULTS)
        self.services = {(tier, number): {"told": "yes", "policy": "Cluster", "backend": "node1", "ready": "true"}
                         for tier in ("front", "back") for number in range(4)}

    def texts(self):
        """File name -> what is in it."""
        third = {"front": 10, "back": 20}
        services = "".join(SERVICE.format(tier=tier, number=number, address=f"20.0.{third[tier]}.{number}", **fields)
                           for (tier, number), fields in self.services.items())
        return {"bgp.yaml": POLICY.format(**self.policy), "services.yaml": services}


class Scene:
    """A leaf, what it hears, and the files."""

    def __init__(self, tale, lab, members, files):
        self.tale, self.lab, self.members, self.files = tale, lab, members, files
        self.leaf = lab.router("leaf01")
        self._log = lab.folder / "leaf01" / "bgpd.log"
        self._read = 0
        self._established = dict.fromkeys(NODES, 1)

    def sessions(self):
        """How often each node's session came up."""
        return {name: self.leaf.neighbour(address).get("connectionsEstablished") for name, address in NODES.items()}

    def sent(self):
        """Node -> the prefixes that it sent since the last time, whether announced, withdrawn or told twice."""
        with open(self._log, errors="replace") as log:
            log.seek(self._read)
            lines = log.read()
            self._read = log.tell()
        found = {name: [] for name in NODES}
        for name, address in NODES.items():
            pattern = rf"{re.escape(address)}\(\S*\) rcvd (?:UPDATE about )?(\d+\.\d+\.\d+\.\d+/\d+) "
            found[name] = sorted(re.findall(pattern, lines))
        return found

    def told(self):
        """Node -> prefix -> (communities, local preference), as the leaf has it."""
        return {name: {prefix: (routers.communities(path), path["locPrf"])
                       for prefix, path in self.leaf.heard(address).items()} for name, address in NODES.items()}

    def step(self, text, wanted, sent):
        """The files as they are now: what the leaf has in the end, and what was sent on the way there. `wanted` is prefix ->
        (communities, local preference) for each node, `sent` the prefixes; both may be by node."""
        for name, content in self.files.texts().items():
            self.members.add_manifest(name, content)
        self.settle(text, wanted, sent)

    def settle(self, text, wanted, sent):
        """Waits for that, and then for nothing more."""
        wanted, sent = by_node(wanted), {name: sorted(prefixes) for name, prefixes in by_node(sent).items()}
        try:
            self.members.wait(text, lambda: self.services_told() == wanted, 15)
        except RuntimeError:
            found = self.services_told()
            wrong = {name: differing(found[name], wanted[name]) for name in NODES if found[name] != wanted[name]}
            self.tale.check(False, f"{text}: the leaf has not what it should, prefix: (is, should be): {wrong}")
        time.sleep(QUIET_SECONDS)
        found = self.sent()
        self.tale.check(found == sent, f"{text}: sent {counted(found)}{'' if found == sent else f', should be {counted(sent)}'}")
        established = self.sessions()
        if established != self._established:
            self.tale.check(False, f"{text}: a session did not stay up: it came up {self._established} and now {established} times")
            self._established = established

    def services_told(self):
        """What the leaf has, without pod networks."""
        return {name: {prefix: told for prefix, told in routes.items() if not prefix.startswith("10.1.")}
                for name, routes in self.told().items()}


def by_node(what):
    """The same for both nodes, unless it is by node."""
    return what if isinstance(what, dict) and set(what) <= set(NODES) and what else {name: what for name in NODES}


def differing(found, wanted):
    """Prefix -> (found, wanted)."""
    return {prefix: (found.get(prefix), wanted.get(prefix)) for prefix in found.keys() | wanted.keys()
            if found.get(prefix) != wanted.get(prefix)}


def counted(sent):
    """Prefixes by node, as text; one list where both sent the same."""
    texts = {name: ", ".join(prefixes) or "nothing" for name, prefixes in sent.items()}
    return texts["node1"] if len(set(texts.values())) == 1 else "; ".join(f"{name}: {text}" for name, text in texts.items())


def run(tale):
    """The trial."""
    files = Files()
    with stage.fabric_group(files.texts(), ["node1", "node2", "node3"], named) as (lab, members):
        first = {prefix: (["65000:1"], 100) for prefix in FRONT} | {prefix: (["65000:2"], 100) for prefix in BACK}
        scene = Scene(tale, lab, members, files)
        scene.settle("a new session", first, {name: [*first, members.nodes[name].pods] for name in NODES})
        for _ in tale.each():
            labels(scene, dict(first))
            attributes(scene, dict(first))
            aggregation(scene, dict(first))
            traffic_policy(scene, dict(first))
            drained(scene, dict(first))


def named(lab):
    """The leaf knows its nodes, and so counts how often their sessions come up; it notes what it hears."""
    leaf = lab.router("leaf01")
    leaf.name_neighbours(65005, *NODES.values())
    leaf.configure("debug bgp updates in")


def labels(scene, wanted):
    """A service's label, and the selector of an advertisement."""
    front = scene.files.services["front", 0]
    front["told"] = "no"
    withdrawn = wanted.pop(FRONT[0])
    scene.step("a label off", wanted, [FRONT[0]])
    front["told"] = "yes"
    wanted[FRONT[0]] = withdrawn
    scene.step("the label back", wanted, [FRONT[0]])
    front["told"] = "perhaps"
    del wanted[FRONT[0]]
    scene.step("another value of the label", wanted, [FRONT[0]])
    scene.files.policy["front_selector"] = "{matchExpressions: [{key: told, operator: In, values: [\"yes\", perhaps]}]}"
    wanted[FRONT[0]] = withdrawn
    scene.step("a wider selector", wanted, [FRONT[0]])
    front["told"] = "yes"
    scene.step("a label that selects as before", wanted, [])
    scene.files.policy["front_selector"] = DEFAULTS["front_selector"]
    scene.step("a selector that selects as before", wanted, [])


def attributes(scene, wanted):
    """The communities and the local preference of an advertisement."""
    policy = scene.files.policy
    policy["front_communities"] = '"65000:1", "large:65000:1:2", no-export'
    scene.step("communities", wanted | {prefix: (["65000:1", "65000:1:2", "noExport"], 100) for prefix in FRONT}, FRONT)
    policy["front_preference"] = "200"
    scene.step("local preference", wanted | {prefix: (["65000:1", "65000:1:2", "noExport"], 200) for prefix in FRONT}, FRONT)
    policy.update(DEFAULTS)
    scene.step("both as before", wanted, FRONT)


def aggregation(scene, wanted):
    """One advertisement tells an aggregate."""
    scene.files.policy["back_length"] = "24"
    aggregated = {prefix: told for prefix, told in wanted.items() if prefix in FRONT} | {"20.0.20.0/24": (["65000:2"], 100)}
    scene.step("an aggregate in place of exact routes", aggregated, [*BACK, "20.0.20.0/24"])
    scene.files.services["back", 3]["told"] = "no"
    scene.step("one service less in the aggregate", aggregated, [])
    scene.files.services["back", 3]["told"] = "yes"
    scene.step("and again", aggregated, [])
    scene.files.policy["back_length"] = "32"
    scene.step("exact routes again", wanted, [*BACK, "20.0.20.0/24"])


def traffic_policy(scene, wanted):
    """externalTrafficPolicy Local: told by the nodes with a ready backend."""
    service = scene.files.services["front", 1]
    others = {prefix: told for prefix, told in wanted.items() if prefix != FRONT[1]}
    service["policy"] = "Local"
    scene.step("Local, the backend on node1", {"node1": wanted, "node2": others}, {"node1": [], "node2": [FRONT[1]]})
    service["backend"] = "node2"
    scene.step("the backend moves to node2", {"node1": others, "node2": wanted}, [FRONT[1]])
    service["ready"] = "false"
    scene.step("the backend is not ready", others, {"node1": [], "node2": [FRONT[1]]})
    service.update(policy="Cluster", ready="true", backend="node1")
    scene.step("Cluster again", wanted, [FRONT[1]])


def drained(scene, wanted):
    """A drain marks the routes, then withdraws them; pod networks stay."""
    members, everything = scene.members, FRONT + BACK
    code, text = members.command("node1", "drain", "node1", "--no-wait")
    scene.tale.check(code == 0, f"drain: {text}")
    marked = {prefix: (sorted([*told, GRACEFUL_SHUTDOWN]), 0) for prefix, (told, _) in wanted.items()}
    seen = members.wait("the marks", lambda: scene.services_told()["node1"] in (marked, {}) and scene.services_told()["node1"], 10)
    scene.tale.check(seen == marked, f"drained: {len(seen)} routes come marked with 65535:0 and local preference 0")
    scene.settle("and are withdrawn after it", {"node1": {}, "node2": wanted}, {"node1": everything * 2, "node2": []})
    pods = [prefix for prefix in scene.leaf.heard(NODES["node1"]) if prefix.startswith("10.1.")]
    scene.tale.check(pods == ["10.1.0.0/24"], f"drained: its pod network stays: {pods}")
    code, text = members.command("node1", "undrain", "node1")
    scene.tale.check(code == 0, f"undrain: {text}")
    scene.settle("undrained: all routes as before", wanted, {"node1": everything, "node2": []})
