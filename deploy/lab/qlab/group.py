"""A group of `quorumlb` processes in namespaces, and what its admin side says."""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

from . import admin, netns

_PROJECT = pathlib.Path(__file__).resolve().parents[3]
REBALANCE = "{after: 10m, pace: 10/s}"


def binary():
    """The program under test: $QUORUMLB, or the debug build of this tree."""
    path = os.environ.get("QUORUMLB", str(_PROJECT / "target" / "debug" / "quorumlb"))
    if not os.access(path, os.X_OK):
        raise SystemExit(f"no program at {path}; build it first (cargo build), or set QUORUMLB to its path")
    return path


class Node:
    """One member: where it runs and how it is described in the Cluster file."""

    def __init__(self, name, namespace, address, rack=None, interface="net0", prefix_length=24,
                 metrics="127.0.0.1:7474", pods=None):
        self.name, self.namespace, self.address, self.rack = name, namespace, address, rack
        self.metrics, self.pods = metrics, pods
        self.interface, self.prefix_length = interface, prefix_length
        self.process = None
        # Another build than the group's, and what the program is started through.
        self.program, self.wrapper = None, ()
        # More of `quorumlb run`'s options.
        self.options = ()

    def manifest(self):
        """Its entry in the Cluster file."""
        lines = [f"  - name: {self.name}", f"    address: {self.address}"]
        if self.rack:
            lines.append(f"    labels: {{rack: {self.rack}}}")
        lines.append(
            f"    interfaces: [{{name: {self.interface}, addresses: [{self.address}/{self.prefix_length}]}}]"
        )
        if self.pods:
            lines.append(f"    podCIDRs: [{self.pods}]")
        return "\n".join(lines)


def lab_nodes(prefix):
    """The four nodes of the reference fabric."""
    places = [("node1", "10.0.5.11", "rack0", "10.1.0.0/24"), ("node2", "10.0.5.12", "rack0", "10.1.3.0/24"),
              ("node3", "10.0.10.11", "rack1", "10.1.1.0/24"), ("node4", "10.0.10.12", "rack1", "10.1.2.0/24")]
    return [Node(name, prefix + name, address, rack, pods=pods) for name, address, rack, pods in places]


def cluster_manifest(nodes, voters=3, ping="100ms", hold="500ms", rebalance=REBALANCE):
    """The Cluster document for these nodes."""
    entries = "\n".join(node.manifest() for node in nodes)
    return (
        "apiVersion: quorumlb.io/v1alpha1\nkind: Cluster\nmetadata: {name: lab}\nspec:\n  nodes:\n"
        f"{entries}\n  voters: {voters}\n  liveness: {{ping: {ping}, hold: {hold}}}\n  rebalance: {rebalance}\n"
    )


class Group:
    """The processes, their folders and their admin sockets. A context manager: leaves no process behind, and no file
    unless there was an error, since then the logs are wanted."""

    def __init__(self, nodes, folder, cluster):
        self.nodes = {node.name: node for node in nodes}
        self.folder = pathlib.Path(folder)
        self.config = self.folder / "config"
        self.binary = binary()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.config.mkdir(parents=True)
        self.add_manifest("cluster.yaml", cluster)
        self._issue_identities()

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        self.stop()
        if error:
            print(f"the group's logs are in {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def add_manifest(self, name, text):
        """Puts a document into the configuration folder in one step, so that nobody reads half of it."""
        draft = self.folder / f".{name}"
        draft.write_text(text)
        draft.rename(self.config / name)

    def _issue_identities(self):
        pki = self.folder / "pki"
        self.tool("pki", "init", "--dir", str(pki), "--cluster", "lab")
        for name in self.nodes:
            self.tool("pki", "issue", name, "--dir", str(pki), "--out", str(self.data(name) / "pki"))

    def tool(self, *arguments, program=None):
        """Runs a `quorumlb` command that needs no node and returns what it printed; an error if it fails."""
        result = subprocess.run([program or self.binary, *arguments], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise RuntimeError(f"quorumlb {' '.join(arguments)}: exit {result.returncode}: {result.stderr.strip()}")
        return result.stdout

    def data(self, name):
        """The data folder of a node."""
        return self.folder / name

    def socket(self, name):
        """The admin socket of a node."""
        return self.folder / f"{name}.sock"

    def log(self, name):
        """Where a node's log goes; it grows over restarts."""
        return self.folder / f"{name}.log"

    def start(self, *names):
        """Starts these nodes, or all."""
        for name in names or self.nodes:
            node = self.nodes[name]
            self.data(name).mkdir(parents=True, exist_ok=True)
            with open(self.log(name), "ab") as log:
                node.process = netns.spawn(
                    node.namespace, *node.wrapper, node.program or self.binary, "run", "--config", str(self.config), "--node", name,
                    "--data", str(self.data(name)), "--socket", str(self.socket(name)), "--metrics", node.metrics,
                    *node.options,
                    stdout=log, stderr=log, start_new_session=True,  # as a service manager does it
                )

    def signal(self, name, what):
        """Sends a signal to a node's process."""
        self.nodes[name].process.send_signal(what)

    def kill(self, name):
        """SIGKILL, and waits until it is gone."""
        self.signal(name, signal.SIGKILL)
        self.nodes[name].process.wait()

    def wipe(self, name):
        """Takes everything from a data folder but the certificates."""
        for path in self.data(name).iterdir():
            if path.name != "pki":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def restore(self, saved, name):
        """Makes a node's data folder from a saved state."""
        self.tool("snapshot", "restore", str(saved), "--config", str(self.config), "--node", name,
                  "--data", str(self.data(name)), program=self.nodes[name].program)

    def stop(self):
        """Ends all that still run."""
        for node in self.nodes.values():
            if node.process:
                netns.end(node.process)

    def running(self):
        """The names of nodes whose process lives."""
        return [name for name, node in self.nodes.items() if node.process and node.process.poll() is None]

    def get(self, what, name=None):
        """What `quorumlb get` says through a node's socket (any that runs, if none is named); None when it has no
        answer at the moment."""
        for candidate in [name] if name else self.running():
            try:
                result = subprocess.run(
                    [self.binary, "get", what, "-o", "json", "--socket", str(self.socket(candidate))],
                    capture_output=True, text=True, timeout=5, check=False,
                )
                if result.returncode == 0:
                    return _listed(json.loads(result.stdout), what)
            except (subprocess.TimeoutExpired, json.JSONDecodeError):
                continue
        return None

    def ask(self, path, name=None, method="GET", body=None):
        """What a node's admin socket says (any that runs, if none is named), without a program in between; None when it
        has no answer at the moment."""
        for candidate in [name] if name else self.running():
            with contextlib.suppress(OSError, http.client.HTTPException):
                status, answer = admin.request(self.socket(candidate), path, method, body)
                if status == 200:
                    return answer
        return None

    def command(self, name, *arguments, patience=60):
        """Runs a `quorumlb` command against a node's socket: (exit code, what it printed)."""
        result = subprocess.run(
            [self.nodes[name].program or self.binary, *arguments, "--socket", str(self.socket(name))],
            capture_output=True, text=True, timeout=patience, check=False,
        )
        return result.returncode, (result.stdout + result.stderr).strip()

    def owners(self, name=None):
        """Address -> owner's name; empty without an answer."""
        return {row["address"]: row["node"] for row in self.ask("/v1/owners", name) or []}

    def addresses(self, name=None):
        """Service -> its addresses; empty without an answer."""
        return {row["service"]: row["addresses"] for row in self.ask("/v1/services", name) or []}

    def member(self, node, name=None):
        """The row of `get nodes` for a node; empty without an answer."""
        return next((row for row in self.ask("/v1/nodes", name) or [] if row["name"] == node), {})

    def events(self, after, name=None):
        """All records after a log index, and the index to go on from."""
        found = []
        while True:
            page = self.ask(f"/v1/events?limit=10000&after={after}", name)
            if page is None or page["gap"]:
                raise RuntimeError(f"the events after {after} cannot be had: {page and page['gap']}")
            if not page["events"]:
                return found, after
            found += page["events"]
            after = found[-1]["index"]

    def last_index(self, name=None):
        """The index of the newest event."""
        page = self.ask("/v1/events?limit=1", name)
        return page["events"][-1]["index"] if page and page["events"] else 0

    def metric(self, name, metric, **labels):
        """A value from a node's /metrics; 0 when there is none."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in (self.ask("/metrics", name) or "").splitlines():
            found, _, value = line.rpartition(" ")
            bare, _, labelled = found.partition("{")
            if bare == metric and wanted <= set(labelled.rstrip("}").split(",")):
                return float(value)
        return 0.0

    def leader(self, name=None):
        """The Raft leader's name as one node sees it, or None."""
        return (self.ask("/v1/raft", name) or {}).get("leader")

    def live_nodes(self, name=None):
        """Names of the nodes whose session is valid."""
        rows = self.ask("/v1/nodes", name) or []
        return sorted(row["name"] for row in rows if row.get("session") == "live")

    def wait(self, what, condition, seconds=60):
        """Polls until the condition gives something true, and returns that. An error that names what was awaited."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            result = condition()
            if result:
                return result
            for name, node in self.nodes.items():
                if node.process and node.process.poll() not in (None, 0, -signal.SIGKILL):
                    raise RuntimeError(f"{name} ended with {node.process.returncode}; last words:\n{self.tail(name)}")
            time.sleep(0.05)
        raise RuntimeError(f"waited {seconds} s in vain for: {what}")

    def wait_whole(self, seconds=60):
        """Waits until there is a leader and every running node's session is valid; returns the leader."""
        names = sorted(self.running())
        self.wait(f"a leader, and valid sessions of {', '.join(names)}",
                  lambda: self.leader() and set(self.live_nodes()) >= set(names), seconds)
        return self.leader()

    def tail(self, name, lines=15):
        """The end of a node's log."""
        try:
            return "\n".join(self.log(name).read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return "(no log)"


def _listed(answer, what):
    """A list may come bare or under its own name."""
    if isinstance(answer, dict) and what in answer:
        return answer[what]
    return answer
