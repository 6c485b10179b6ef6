"""What a trial plays on: a segment with a group of nodes on it, which leaves nothing behind; and what it says."""

import contextlib
import os
import pathlib
import shutil
import tempfile

from . import fabric, flat, group, volume


class Tale:
    """Prints what a trial sees and counts what did not hold."""

    def __init__(self, name, rounds):
        self.name, self.rounds, self.failed, self.checked = name, rounds, 0, 0

    def tell(self, text):
        """Something to know."""
        print(f"  {self.name}: {text}", flush=True)

    def check(self, held, text):
        """Something that has to hold."""
        self.checked += 1
        self.failed += not held
        print(f"  {self.name}: {'ok  ' if held else 'FAIL'} {text}", flush=True)
        return bool(held)

    def each(self):
        """The numbers of the rounds, each announced."""
        for number in range(1, self.rounds + 1):
            self.tell(f"round {number} of {self.rounds}")
            yield number


@contextlib.contextmanager
def folder():
    """A folder on a disk, not on a memory file system: what is acknowledged has to be durable. Gone afterwards, unless
    $QUORUMLB_KEEP is set."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="quorumlb-trial-", dir="/var/tmp"))
    try:
        yield path
    finally:
        if os.environ.get("QUORUMLB_KEEP"):
            print(f"  kept: {path}", flush=True)
        else:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def flat_group(purpose, manifests, hosts=3, running=None, second=False, **cluster):
    """(segment, group) on a flat segment; the nodes `running` (all, if none are named) are started and live."""
    with folder() as path, flat.FlatSegment(purpose, hosts, second) as segment:
        nodes = [group.Node(host, segment.namespace(host), segment.address[host]) for host in segment.hosts]
        with told(group.Group(nodes, path / "group", group.cluster_manifest(nodes, **cluster))) as members:
            for name, text in manifests.items():
                members.add_manifest(name, text)
            if running != []:
                members.start(*running or [])
                members.wait_whole()
            yield segment, members


@contextlib.contextmanager
def fabric_group(manifests, names=(), prepare=None, **cluster):
    """(fabric, group) on the reference fabric, with all of its nodes or those named, started and live. `prepare` gets the
    fabric before that."""
    with folder() as path, fabric.Fabric("qb") as lab:
        if prepare:
            prepare(lab)
        nodes = [node for node in group.lab_nodes(lab.prefix) if not names or node.name in names]
        with told(group.Group(nodes, path / "group", group.cluster_manifest(nodes, **cluster))) as members:
            for name, text in manifests.items():
                members.add_manifest(name, text)
            members.start()
            members.wait_whole()
            yield lab, members


@contextlib.contextmanager
def told(members):
    """The group, ended afterwards. After an error the nodes' last words are printed, since the logs go."""
    try:
        yield members
    except Exception:
        for name in members.nodes:
            print(f"  {name}'s last words:\n{members.tail(name, 12)}", flush=True)
        raise
    finally:
        # Without a handover, which takes seconds: the namespaces go as well.
        for name in members.running():
            members.kill(name)


@contextlib.contextmanager
def own_disk(members, name, megabytes):
    """The volume that a node has its data directory on; before its first start."""
    with volume.Volume(members.folder / f"{name}.img", members.data(name), megabytes) as disk:
        identity = members.folder / "issued" / name / "pki"
        members.tool("pki", "issue", name, "--dir", str(members.folder / "pki"), "--out", str(identity))
        disk.copy_in(identity)
        disk.run("sync", "-f", str(disk.path))
        members.nodes[name].wrapper = disk.wrapper
        yield disk


def rules(addresses, pool="trial"):
    """A pool, and the policy that every node answers on net0 for what is in it."""
    return (
        f"apiVersion: quorumlb.io/v1alpha1\nkind: IPPool\nmetadata: {{name: {pool}}}\nspec: {{addresses: [{addresses}]}}\n"
        f"---\napiVersion: quorumlb.io/v1alpha1\nkind: L2Policy\nmetadata: {{name: {pool}}}\n"
        "spec: {interfaces: [net0], anySubnet: true}\n"
    )


def services(count, addresses=()):
    """Services web-0.., with these addresses as far as there are some, else with any of the pool."""
    text = []
    for number in range(count):
        wish = f"  addresses: [{addresses[number]}]\n" if number < len(addresses) else ""
        text.append(
            "---\napiVersion: quorumlb.io/v1alpha1\nkind: Service\n"
            f"metadata: {{name: web-{number}}}\nspec:\n{wish}"
            "  ports: [{name: http, protocol: TCP, port: 80}]\n  backends: [{address: 10.9.0.11, port: 80}]\n"
        )
    return "".join(text)


def even(owners, addresses, nodes):
    """The owners, if there are all of them and their spread over so many nodes is the best there is."""
    loads = [list(owners.values()).count(node) for node in set(owners.values())]
    settled = len(owners) == addresses and len(loads) == nodes and max(loads) - min(loads) <= 1
    return owners if settled else None


def loads(owners):
    """Addresses by node, as text."""
    counts = {node: list(owners.values()).count(node) for node in sorted(set(owners.values()))}
    return ", ".join(f"{node} {count}" for node, count in counts.items())


def everywhere(members, condition):
    """The result of a condition on each running node, if it holds on all of them."""
    results = {name: condition(name) for name in members.running()}
    return results if results and all(results.values()) else None


def grants(events):
    """(record, the grant in it) for each."""
    return [(record, record["event"]["Granted"]) for record in events if "Granted" in record["event"]]


def wait_process(members, name, seconds=30):
    """The exit code of a node's process, which is about to end."""
    return members.nodes[name].process.wait(seconds)
