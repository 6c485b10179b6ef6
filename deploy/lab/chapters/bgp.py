"""The article's bgp.yaml: every node tells its leaf, the fabric learns it, ECMP spreads over the nodes; one node dies."""

import pathlib

from qlab import group, web

ADDRESS = "20.0.10.0"
ROUTE = f"{ADDRESS}/32"
ARTICLE = pathlib.Path(__file__).resolve().parents[2] / "article" / "bgp.yaml"
# So many connections reach each of four nodes that hashing spreads them over, but for one in ten million times.
MANY = 80
RACKS = {"leaf01": ("node1", "node2"), "leaf02": ("node3", "node4")}
# Where the leaves are seen from each of the others.
TO_LEAVES = {"spine01": ["10.0.101.2", "10.0.104.2"], "spine02": ["10.0.102.2", "10.0.103.2"]}
TO_SPINES = {"leaf01": ["10.0.101.1", "10.0.103.1"], "leaf02": ["10.0.102.1", "10.0.104.1"]}


def tell(story, lab):
    """The chapter."""
    nodes = group.lab_nodes(lab.prefix)
    with group.Group(nodes, lab.folder / "bgp", group.cluster_manifest(nodes)) as cluster:
        cluster.add_manifest(ARTICLE.name, ARTICLE.read_text())
        story.step("A quorumlb on each node")
        cluster.start()
        leader = cluster.wait_whole()
        story.check(True, f"the group is formed: leader {leader}, sessions of {', '.join(cluster.live_nodes())} are valid")
        show_the_sessions(story, lab, cluster)
        show_the_routes(story, lab, cluster)
        show_the_pods(story, lab, cluster)
        show_the_answers(story, lab)
        show_the_loss(story, lab, cluster)
        show_the_return(story, lab, cluster)


def hops(cluster, names):
    """The addresses of nodes, as next hops are listed."""
    return sorted(cluster.nodes[name].address for name in names)


def show_the_sessions(story, lab, cluster):
    """Each node and its leaf say that their session is up."""
    story.step(f"The article's {ARTICLE.name}, unchanged: each node's session with its leaf")
    for leaf, names in RACKS.items():
        router = lab.router(leaf)
        for name in names:
            address = cluster.nodes[name].address
            row = cluster.wait(f"{name}'s session", lambda: established(cluster, name))
            seen = cluster.wait(f"{leaf}'s session", lambda: router.is_established(address) and router.neighbour(address))
            story.check(row["remote_asn"] == seen["remoteAs"], f"{name}: {row['state']} with {row['router']}, "
                        f"AS {row['remote_asn']}, {row['routes']} routes; {leaf} says {seen['bgpState']} with {address}")


def established(cluster, name):
    """The row of a node's session, once that is up."""
    rows = [row for row in cluster.ask("/v1/bgp", name) or [] if row["node"] == name]
    return rows[0] if len(rows) == 1 and rows[0]["state"] == "Established" and rows[0]["told"] else None


def show_the_routes(story, lab, cluster):
    """Two next hops on each leaf; the rest of the fabric knows the way."""
    story.step(f"{ROUTE}: two next hops on each leaf, known to the spines")
    for leaf, names in RACKS.items():
        router, wanted = lab.router(leaf), hops(cluster, names)
        cluster.wait(f"the routes on {leaf}", lambda: router.gateways(ROUTE) == wanted)
        story.check(True, f"{leaf}, kernel: {ROUTE} via {' and '.join(wanted)}")
        used = sorted(hop for hop, path in router.paths(ROUTE).items() if path.get("multipath"))
        story.check(used == wanted, f"{leaf}, show bgp: multipath via {' and '.join(used)}")
    for spine, wanted in TO_LEAVES.items():
        cluster.wait(f"the routes on {spine}", lambda: lab.router(spine).gateways(ROUTE) == wanted)
        as_paths = sorted(path["aspath"]["string"] for path in lab.router(spine).paths(ROUTE).values())
        story.check({"65005", "65010"} <= set(as_paths), f"{spine}: via {' and '.join(wanted)}, AS paths {as_paths}")


def show_the_pods(story, lab, cluster):
    """exportPodCIDR: each node's pod network, wherever it is asked for."""
    story.step("The nodes' pod networks, on their own leaf and on the far one")
    for leaf, names in RACKS.items():
        router = lab.router(leaf)
        for name, node in cluster.nodes.items():
            wanted = [node.address] if name in names else TO_SPINES[leaf]
            cluster.wait(f"{node.pods} on {leaf}", lambda: router.gateways(node.pods) == wanted)
            story.check(True, f"{leaf}: {node.pods} of {name} via {' and '.join(wanted)}")


def show_the_answers(story, lab):
    """The routed client is served, by all of the nodes."""
    story.step("The client behind spine02 asks")
    counts = web.ask(lab.namespace("client"), ADDRESS, 20)
    story.check(served(counts) == 20, f"client: {served(counts)} of 20 HTTP answers {counts}")
    counts = web.ask(lab.namespace("client"), ADDRESS, MANY)
    story.check(len(counts) == 4 and served(counts) == MANY, f"ECMP spreads {MANY} connections over the nodes: {counts}")


def served(counts):
    """How many answers came from a node."""
    return sum(count for name, count in counts.items() if name.startswith("node"))


def show_the_loss(story, lab, cluster):
    """A node dies; its leaf goes on with the other one."""
    story.step("node1 dies: its process gets SIGKILL")
    router, pods = lab.router("leaf01"), cluster.nodes["node1"].pods
    cluster.kill("node1")
    cluster.wait("leaf01 to turn to node2", lambda: router.gateways(ROUTE) == hops(cluster, ["node2"])
                 and not router.gateways(pods))
    story.check(True, f"leaf01: {ROUTE} via {cluster.nodes['node2'].address} alone, {pods} is gone")
    counts = web.ask(lab.namespace("client"), ADDRESS, MANY)
    story.check(served(counts) == MANY and set(counts) == {"node2", "node3", "node4"}, f"the client goes on: {counts}")


def show_the_return(story, lab, cluster):
    """The node is back among the next hops."""
    story.step("node1 comes back")
    cluster.start("node1")
    both = hops(cluster, ["node1", "node2"])
    cluster.wait("both next hops again", lambda: lab.router("leaf01").gateways(ROUTE) == both)
    story.check(True, f"leaf01: {ROUTE} via {' and '.join(both)}")
    counts = web.ask(lab.namespace("client"), ADDRESS, MANY)
    story.check(served(counts) == MANY and len(counts) == 4, f"the client is served by all four: {counts}")
