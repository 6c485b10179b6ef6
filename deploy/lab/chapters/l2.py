"""The article's L2 address and 99 more on four nodes; their owner dies and comes back."""

import collections
import math
import pathlib
import time

from qlab import flood, group, netns, probe, segment, web

ADDRESS = "10.0.5.100"
ARTICLE = pathlib.Path(__file__).resolve().parents[2] / "article" / "l2.yaml"
REBALANCE = "{after: 5s, pace: 10/s}"


def tell(story, lab):
    """The chapter."""
    nodes = group.lab_nodes(lab.prefix)
    with group.Group(nodes, lab.folder / "l2", group.cluster_manifest(nodes, rebalance=REBALANCE)) as cluster:
        cluster.add_manifest(ARTICLE.name, ARTICLE.read_text())
        cluster.start()
        cluster.wait_whole()
        show_the_article(story, lab, cluster)
        before = show_the_spread(story, lab, cluster)
        dead = show_the_loss(story, lab, cluster, before)
        show_the_return(story, lab, cluster, dead)


def extra_manifest():
    """99 services with addresses of a pool that is no node's subnet, so that all four nodes may answer for them."""
    head = (
        "apiVersion: quorumlb.io/v1alpha1\nkind: IPPool\nmetadata: {name: everywhere}\n"
        "spec:\n  addresses: [10.77.0.1-10.77.0.99]\n  serviceSelectors: [{matchLabels: {reach: everywhere}}]\n"
        "---\napiVersion: quorumlb.io/v1alpha1\nkind: L2Policy\nmetadata: {name: everywhere}\n"
        "spec:\n  serviceSelectors: [{matchLabels: {reach: everywhere}}]\n  interfaces: [net0]\n  anySubnet: true\n"
    )
    service = (
        "---\napiVersion: quorumlb.io/v1alpha1\nkind: Service\n"
        "metadata: {{name: extra-{:02}, labels: {{reach: everywhere}}}}\n"
        "spec:\n  ports: [{{name: http, protocol: TCP, port: 80}}]\n  backends: [{{address: 10.0.5.11, port: 80}}]\n"
    )
    return head + "".join(service.format(number) for number in range(1, 100))


def loads(owners):
    """Addresses per node, as text and as a sorted list."""
    counts = collections.Counter(owners.values())
    return ", ".join(f"{name} {counts[name]}" for name in sorted(counts)), sorted(counts.values())


def ask_on_the_wire(lab, addresses):
    """Address -> the ports that answered ARP for it, asked on both racks' segments."""
    records = [segment.ClaimRecord(lab.namespace(leaf), addresses) for leaf in ("leaf01", "leaf02")]
    since = time.time_ns()
    for host, sender in (("client2", "10.0.5.20"), ("leaf02", "10.0.10.1")):
        interface = "br0" if host.startswith("leaf") else "net0"
        asking = flood.ArpFlood(lab.namespace(host), interface, sender, addresses, 0.002)
        while asking.sent < 2 * len(addresses):
            time.sleep(0.01)
        asking.stop()
    time.sleep(0.3)
    claims = [claim for record in records for claim in record.close()]
    return flood.who_answers(claims, addresses, since)


def show_the_article(story, lab, cluster):
    """10.0.5.100 has one owner, and both clients are served."""
    story.step(f"The article's {ARTICLE.name}, unchanged: {ADDRESS} on rack0's segment")
    owner = cluster.wait(f"an owner of {ADDRESS}", lambda: cluster.owners().get(ADDRESS))
    mac = netns.link_address(lab.namespace(owner), "net0")
    story.check(owner in ("node1", "node2"), f"the owner is {owner} ({mac}), in rack0")
    cluster.wait("the same owner everywhere", lambda: all(
        cluster.owners(name).get(ADDRESS) == owner for name in cluster.nodes))
    story.check(True, "all four nodes say the same")
    answers = ask_on_the_wire(lab, [ADDRESS])[ADDRESS]
    story.check([found for _, found in answers] == [mac], f"ARP on the segment is answered by {answers}")
    for client, where in (("client2", "on the segment"), ("client", "routed, behind spine02")):
        counts = web.ask(lab.namespace(client), ADDRESS, 20)
        story.check(counts == {owner: 20}, f"{client} ({where}): {counts.get(owner, 0)} of 20 HTTP answers {counts}")
    neighbours = netns.run(lab.namespace("leaf01"), "ip", "neigh", "show", ADDRESS).split()
    story.check(neighbours.count("lladdr") == 1 and mac in neighbours, f"leaf01's neighbour table: {' '.join(neighbours)}")


def show_the_spread(story, lab, cluster):
    """100 addresses over four nodes, 25 each."""
    story.step("99 services more, from a pool that all four nodes may serve")
    cluster.add_manifest("extra.yaml", extra_manifest())
    started = time.monotonic()
    owners = cluster.wait("100 owners, evenly spread", lambda: evenly(cluster.owners(), 100, 4), 90)
    story.tell(f"settled after {time.monotonic() - started:.1f} s")
    text, counts = loads(owners)
    story.check(counts == [25, 25, 25, 25], f"100 addresses over 4 nodes: {text}")
    expected = {address: [f"p-{name}"] for address, name in owners.items()}
    answers = {address: [port for port, _ in found] for address, found in ask_on_the_wire(lab, sorted(owners)).items()}
    single = sum(answers[address] == ports for address, ports in expected.items())
    story.check(single == 100, f"asked on both segments, {single} of 100 are answered by exactly their owner")
    return owners


def evenly(owners, addresses, nodes):
    """The owners, if there are all of them and their spread is the best there is."""
    counts = sorted(collections.Counter(owners.values()).values())
    settled = len(owners) == addresses and len(counts) == nodes and counts[-1] - counts[0] <= 1
    return owners if settled else None


def show_the_loss(story, lab, cluster, before):
    """The owner dies without a word."""
    dead = before[ADDRESS]
    story.step(f"{dead} dies: its link goes down, its process gets SIGKILL")
    old_mac = netns.link_address(lab.namespace(dead), "net0")
    record = segment.ClaimRecord(lab.namespace("leaf01"), [ADDRESS])
    probers = {name: probe.Prober(lab.namespace(name), ADDRESS) for name in ("client2", "client")}
    time.sleep(0.5)
    killed = time.time_ns()
    lab.script("link-down", dead)
    cluster.kill(dead)
    gone = time.time_ns()
    taken = record.wait_for(lambda claim: claim.mac != old_mac and claim.is_announcement(), 30)
    answered = {name: prober.first_answer(gone, 30) for name, prober in probers.items()}
    for prober in probers.values():
        prober.close()
    record.close()
    story.check(taken, f"the new owner announces after {since(killed, taken and taken.time_ns)} ({taken and taken.port})")
    for name, time_ns in answered.items():
        story.check(time_ns, f"{name} is answered again after {since(killed, time_ns)}")
    after = cluster.wait("an owner for all 100", lambda: all_owned_without(cluster.owners(), dead, len(before)))
    others = sorted(address for address in before if before[address] != dead and before[address] != after[address])
    story.check(not others, f"only {dead}'s {list(before.values()).count(dead)} addresses moved: {loads(after)[0]}")
    answers = web.ask(lab.namespace("client"), ADDRESS, 20)
    story.check(answers == {after[ADDRESS]: 20}, f"client: 20 of 20 from {after[ADDRESS]}: {answers}")
    return dead


def since(start_ns, time_ns):
    """A span as text."""
    return f"{(time_ns - start_ns) / 1e6:.0f} ms" if time_ns else "more than 30 s"


def all_owned_without(owners, dead, count):
    """The owners, if there are all of them and none is the dead node."""
    return owners if len(owners) == count and dead not in owners.values() else None


def show_the_return(story, lab, cluster, dead):
    """The node comes back and takes its share, no more and not at once."""
    rows = {row["address"]: row for row in cluster.get("owners")}
    allowed = math.ceil(len(rows) / 4)
    story.step(f"{dead} comes back: at most {allowed} addresses may move, 5 s later, 10 a second")
    returned = time.monotonic()
    lab.script("link-up", dead)
    cluster.start(dead)
    cluster.wait("the first move", lambda: dead in cluster.owners().values(), 90)
    story.tell(f"the first address moves {time.monotonic() - returned:.1f} s after the return")
    settled = cluster.wait("an even spread", lambda: evenly(cluster.owners(), len(rows), 4), 90)
    story.tell(f"the last one {time.monotonic() - returned:.1f} s after it")
    moved = [row["address"] for row in cluster.get("owners") if row["epoch"] != rows[row["address"]]["epoch"]]
    story.check(len(moved) <= allowed, f"{len(moved)} addresses moved, {allowed} allowed: {loads(settled)[0]}")
    stray = [address for address in moved if settled[address] != dead]
    story.check(not stray, f"all of them to {dead}")
