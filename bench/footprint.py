"""What a node at rest costs: resident memory and processor time, four nodes on one segment, the default liveness."""

import ipaddress
import os
import pathlib
import time

import table
from qlab import flat, group

# Services, and the most that a node may take: MiB, and the share of a core.
BOUNDS = {1_000: (40, 0.01), 20_000: (200, 1.0)}
SECONDS = 20
_POOL = ipaddress.ip_network("10.9.128.0/17")
_RULES = f"""\
apiVersion: quorumlb.io/v1alpha1
kind: IPPool
metadata: {{name: bench}}
spec: {{addresses: ["{_POOL}"]}}
---
apiVersion: quorumlb.io/v1alpha1
kind: L2Policy
metadata: {{name: bench}}
spec: {{interfaces: [net0], anySubnet: true}}
"""
_SERVICE = """\
---
apiVersion: quorumlb.io/v1alpha1
kind: Service
metadata: {{name: web-{number:06}, namespace: team-{team:02}, labels: {{app: app-{app}, tier: front}}}}
spec:
  ports: [{{name: http, protocol: TCP, port: 80}}]
  backends: [{{address: 10.9.0.11, port: 8080}}]
"""


def manifests(services):
    """A pool, a policy and so many services."""
    return _RULES + "".join(_SERVICE.format(number=n, team=n % 50, app=n % 997) for n in range(services))


def usage(pid):
    """(seconds of processor time, resident KiB, greatest resident KiB) of a process until now."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    kib = (int(status[name].split()[0]) for name in ("VmRSS", "VmHWM"))
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), *kib


def footprint(folder, rounds, with_ours):
    """The bench; returns whether every node kept within the bounds."""
    del rounds, with_ours
    rows, good = [], True
    for services, (most_mib, most_cpu) in BOUNDS.items():
        with flat.FlatSegment("foot", hosts=4) as segment:
            measured = of_group(segment, pathlib.Path(folder) / str(services), services)
        for name, leads, cpu, rss, peak in measured:
            row = f"{100 * cpu:.2f}", f"{rss / 1024:.1f}", f"{peak / 1024:.1f}"
            rows.append([services, name, "leader" if leads else "", *row])
            good = good and rss < most_mib * 1024 and cpu < most_cpu
    print(f"\nFour nodes at rest over {SECONDS} s:\n")
    table.show(["services", "node", "role", "% of a core", "RSS MiB", "greatest RSS MiB"], rows)
    return good


def of_group(segment, folder, services):
    """[(node, whether it leads, share of a core, RSS and greatest RSS in KiB)] of a group that has settled."""
    nodes = [group.Node(host, segment.namespace(host), segment.address[host]) for host in segment.hosts]
    with group.Group(nodes, folder, group.cluster_manifest(nodes)) as running:
        running.add_manifest("bench.yaml", manifests(services))
        running.start()
        running.wait_whole(120)
        running.wait("an owner for each address", lambda: len(running.owners()) == services, 300)
        time.sleep(15)
        leader = running.leader()
        before = {name: usage(node.process.pid) for name, node in running.nodes.items()}
        time.sleep(SECONDS)
        after = {name: usage(node.process.pid) for name, node in running.nodes.items()}
    return [(name, name == leader, (after[name][0] - before[name][0]) / SECONDS, *after[name][1:]) for name in after]
