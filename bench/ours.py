"""QuorumLB on a segment or on one host: what the benches measure."""

import json

from qlab import group

ADDRESSES = [f"10.9.0.{100 + number}" for number in range(3)]
PROFILES = {"default": ("100ms", "500ms"), "fast": ("20ms", "100ms")}

_RULES = """\
apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {name: bench}
spec: {addresses: [10.9.0.100-10.9.0.102]}
---
apiVersion: quorumlb.io/v1alpha1
kind: L2Policy
metadata: {name: bench}
spec: {interfaces: [net0]}
"""
# Each service that is written gets an address of it.
_WIDE_POOL = """\
apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {name: wide}
spec: {addresses: ["100.64.0.0/10"]}
"""
_SERVICE = """\
---
apiVersion: quorumlb.io/v1alpha1
kind: Service
metadata: {{name: web-{number}}}
spec:
  addresses: [{address}]
  ports: [{{name: http, protocol: TCP, port: 80}}]
  backends: [{{address: 10.9.0.11, port: 80}}]
"""


def manifests():
    """Three services, so that at rest each of three nodes owns one address."""
    return _RULES + "".join(_SERVICE.format(number=n, address=address) for n, address in enumerate(ADDRESSES))


class Quorum:
    """Three nodes with an address each; the victim is the Raft leader, or one that is not."""

    def __init__(self, name, segment, folder, profile, kill_leader):
        self.name, self.segment = name, segment
        self._kill_leader = kill_leader
        ping, hold = PROFILES[profile]
        nodes = [group.Node(host, segment.namespace(host), segment.address[host]) for host in segment.hosts]
        cluster = group.cluster_manifest(nodes, ping=ping, hold=hold, rebalance="{after: 1s, pace: 100/s}")
        self._group = group.Group(nodes, folder, cluster)
        self._group.add_manifest("bench.yaml", manifests())

    def start(self, *hosts):
        """Starts these hosts' processes, with what they had on disk, or all."""
        self._group.start(*hosts)

    def settle(self):
        """Waits until all live and each owns one address; returns the victim and its address."""
        leader = self._group.wait_whole()
        owners = self._group.wait("an address for each node", self._one_each)
        victim = leader if self._kill_leader else next(host for host in self.segment.hosts if host != leader)
        return victim, next(address for address, owner in owners.items() if owner == victim)

    def _one_each(self):
        owners = self._group.owners()
        return owners if sorted(owners.values()) == self.segment.hosts else None

    def bury(self, host):
        """Waits for the end of a killed host's process; its next start clears away the rest."""
        self._group.nodes[host].process.wait()

    def stop(self):
        """Ends all."""
        self._group.stop()


# How one service is proposed and acknowledged once it is durable on a quorum: the path of the admin endpoint on a node's
# Unix socket. With None the benches say that our side was not measured.
PROPOSE_PATH = "/v1/services"


def proposal(number):
    """The HTTP request that proposes the service with this number."""
    body = json.dumps({
        "apiVersion": "quorumlb.io/v1alpha1", "kind": "Service",
        "metadata": {"name": f"bench-{number}", "namespace": "default"},
        "spec": {"ports": [{"protocol": "TCP", "port": 80}]},
    })
    return (
        f"POST {PROPOSE_PATH} HTTP/1.1\r\nHost: admin\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


class Writers:
    """A three-node group on the loopback of one namespace, for the benches that write."""

    name = "quorumlb"
    # What bench/load calls these writes.
    kind = "quorumlb-service"

    def __init__(self, namespace, folder):
        # In one namespace each needs an address of its own for its metrics, too.
        nodes = [group.Node(f"n{n}", namespace, f"127.0.1.{n}", interface="lo", prefix_length=8,
                            metrics=f"127.0.1.{n}:7474") for n in (1, 2, 3)]
        for node in nodes:
            # Like the peer: three members and their client share the same few CPUs here, and none is to starve another.
            node.options = ("--scheduling", "normal")
        self._group = group.Group(nodes, folder, group.cluster_manifest(nodes))
        self._group.add_manifest("pool.yaml", _WIDE_POOL)

    def start(self, *names):
        """Starts these members, with what they had on disk, or all."""
        self._group.start(*names)

    def settle(self):
        """Waits until all are whole; returns the leader and the other two."""
        leader = self._group.wait_whole()
        return leader, [name for name in self._group.nodes if name != leader]

    def target(self, name):
        """Where a member takes writes, for load.connect."""
        return str(self._group.socket(name))

    write = staticmethod(proposal)

    def pids(self):
        """Of its members."""
        return [node.process.pid for node in self._group.nodes.values()]

    def kill(self, name):
        """SIGKILL."""
        self._group.kill(name)

    def stop(self):
        """Ends all."""
        self._group.stop()
