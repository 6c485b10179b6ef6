"""The QUIC port refuses and counts whoever is not of the group: certificates, names, garbage, half handshakes."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess

from qlab import group, netns, stage

ROUNDS = 3
FLOOD = 2000
HALVES = 60
# So many handshakes may be open; whoever comes then has to prove its address first, which costs the node no memory.
UNPROVEN = 16
PORT = 7473


def program():
    """A peer without manners: $QUORUMLB_STRANGER, or the example of this tree."""
    path = os.environ.get("QUORUMLB_STRANGER") or str(pathlib.Path(group.binary()).parent / "examples" / "stranger")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"no program at {path}; build it first: cargo build -p quorumlb-raft-store --example stranger")
    return path


def run(tale):
    """The trial."""
    stranger = program()
    files = {"trial.yaml": stage.rules("10.9.0.100-10.9.0.105") + stage.services(6)}
    with stage.flat_group("str", files) as (segment, members):
        members.wait("all owners", lambda: len(members.owners()) == 6)
        members.tool("pki", "init", "--dir", str(members.folder / "other"), "--cluster", "lab")
        shown = {
            "no certificate": ("no_certificate", ()),
            "another authority's": ("other_authority", issue(members, "other", "n2")),
        }
        for _ in tale.each():
            index, closed = members.last_index(), fences(members)
            for what, (cause, identity) in shown.items():
                refused(tale, segment, members, stranger, what, cause, identity)
            garbage(tale, segment, members)
            halves(tale, segment, members, stranger, shown["another authority's"][1])
            records, _ = members.events(index)
            ended = [record for record in records if "SessionExpired" in record["event"]]
            tale.check(not ended and fences(members) == closed, "every session stayed valid all the while")
            another_name(tale, members, stranger)
        wrong_start(tale, members)


def issue(members, authority, name):
    """A certificate and its key."""
    out = members.folder / f"{authority}-{name}"
    members.tool("pki", "issue", name, "--dir", str(members.folder / authority), "--out", str(out))
    return str(out / f"{name}.crt"), str(out / f"{name}.key")


def fences(members):
    """How often the nodes had to stop answering."""
    return {name: members.metric(name, "quorumlb_fence_closed_total") for name in members.running()}


def dial(segment, members, stranger, identity, to=None):
    """Asks n1 from the observer's host; the result of the program."""
    authority = members.data("n1") / "pki" / "ca.crt"
    return subprocess.run(
        ["ip", "netns", "exec", segment.namespace("obs"), stranger, "dial", to or f"{segment.address['n1']}:{PORT}", "n1",
         str(authority), *identity], capture_output=True, text=True, check=False)


def refused(tale, segment, members, stranger, what, cause, identity):
    """A peer with such a certificate gets no answer and is counted."""
    before = members.metric("n1", "quorumlb_wire_refused_total", cause=cause)
    result = dial(segment, members, stranger, identity)
    counted = members.wait("the count", lambda: members.metric("n1", "quorumlb_wire_refused_total", cause=cause) - before, 10)
    tale.check(result.returncode == 0 and counted == 1, f"{what}: {result.stdout.strip()}{result.stderr.strip()}; "
               f"counted as {cause}")


def garbage(tale, segment, members):
    """Datagrams of random bytes, of all sizes and first bytes."""
    before = members.metric("n1", "quorumlb_wire_dropped_total", cause="garbage_packet")
    with netns.inside(segment.namespace("obs")):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender:
        for number in range(FLOOD):
            sender.sendto(os.urandom(1 + number % 1400), (segment.address["n1"], PORT))
    counted = members.wait("the count", lambda: members.metric(
        "n1", "quorumlb_wire_dropped_total", cause="garbage_packet") - before, 10)
    tale.check(counted > FLOOD / 2, f"{FLOOD} datagrams of garbage: {counted:.0f} counted as garbage_packet")


def halves(tale, segment, members, stranger, identity):
    """The first packets of real handshakes, each from a port of its own, with nothing after them."""
    begun = initials(segment, members, stranger, identity)
    before = unfinished(members)
    with contextlib.ExitStack() as stack:
        for initial in begun:
            with netns.inside(segment.namespace("obs")):
                sender = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            sender.sendto(initial, (segment.address["n1"], PORT))
        answered = dial(segment, members, stranger, issue(members, "pki", "n3")).stdout.strip()
        # A handshake that went on was answered with a stream; ours says nothing that makes sense, but it came in.
        members.wait("handshakes given up", lambda: unfinished(members) - before >= UNPROVEN, 30)
    tale.check("connection lost" not in answered and "no answer" not in answered,
               f"{len(begun)} half handshakes: {unfinished(members) - before:.0f} begun, given up and counted; meanwhile a peer of the group gets through: {answered}")


def initials(segment, members, stranger, identity):
    """The first datagrams of so many dials, caught on their way."""
    with netns.inside(segment.namespace("obs")):
        sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found = {}
    with sink:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(10)
        while len(found) < HALVES:
            known = len(found)
            dialling = netns.spawn(
                segment.namespace("obs"), stranger, "dial", f"127.0.0.1:{sink.getsockname()[1]}", "n1",
                str(members.data("n1") / "pki" / "ca.crt"), *identity, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while len(found) == known:  # the connection id tells a repeated packet from that of a new dial
                initial = sink.recv(2048)
                found.setdefault(initial[6:6 + initial[5]], initial)
            netns.end(dialling, signal.SIGKILL)
    return list(found.values())


def unfinished(members):
    """Handshakes that came to nothing, whatever the cause."""
    return sum(members.metric("n1", "quorumlb_wire_refused_total", cause=cause)
               for cause in ("handshake_timeout", "handshake_failed", "too_many", "other_authority", "bad_certificate"))


def another_name(tale, members, stranger):
    """Someone answers in n3's place, with a good certificate for n2."""
    others = [name for name in members.nodes if name != "n3"]
    members.signal("n3", signal.SIGTERM)
    stage.wait_process(members, "n3")
    before = sum(members.metric(name, "quorumlb_wire_refused_total", cause="wrong_name") for name in others)
    node = members.nodes["n3"]
    impostor = netns.spawn(node.namespace, stranger, "serve", f"{node.address}:{PORT}", *issue(members, "pki", "n2"),
                           stdout=subprocess.DEVNULL)
    try:
        counted = members.wait("the count", lambda: sum(members.metric(
            name, "quorumlb_wire_refused_total", cause="wrong_name") for name in others) - before, 20)
    finally:
        netns.end(impostor)
    tale.check(counted > 0, f"n2's certificate in n3's place: refused {counted:.0f} times as wrong_name")
    tale.check(members.live_nodes() == others, f"sessions of {', '.join(others)} are valid, n3 has none")
    members.start("n3")
    members.wait_whole()


def wrong_start(tale, members):
    """A node with a certificate for another name does not start."""
    pki = members.folder / "mixed"
    members.tool("pki", "issue", "n2", "--dir", str(members.folder / "pki"), "--out", str(pki))
    for ending in ("crt", "key"):
        (pki / f"n2.{ending}").rename(pki / f"n3.{ending}")
    result = subprocess.run(
        [members.binary, "run", "--config", str(members.config), "--node", "n3", "--data", str(members.folder / "void"),
         "--pki", str(pki)], capture_output=True, text=True, timeout=20, check=False)
    tale.check(result.returncode == 2 and "n2" in result.stderr, f"n3 with n2's certificate: {result.stderr.strip()[-160:]}")
