"""A running group gets every wrong manifest there is: it keeps what it has, and says what is wrong and where."""

import pathlib
import re
import subprocess
import time

from qlab import flood, segment as wire, stage

ROUNDS = 1000
SERVICES = 6
WRONG = pathlib.Path(__file__).resolve().parents[3] / "actors" / "tests" / "manifests" / "wrong"
JUNK_BYTES = 100_000_000
GOOD = stage.rules("10.9.0.100-10.9.0.120") + stage.services(SERVICES)


def inputs():
    """(what it is called, its bytes), made when it is needed."""
    for path in sorted(WRONG.iterdir()):
        yield path.name, path.read_bytes()
    for at in (GOOD.index("10.9.0.100-") + 4, GOOD.index("kind: Service") + 9, GOOD.rindex("{address") + 9):
        yield f"good manifests cut off at byte {at}", GOOD.encode()[:at]
    with open("/dev/urandom", "rb") as random:
        yield "100 MB of random bytes", random.read(JUNK_BYTES)
    yield "100 MB of one list", b"- a\n" * (JUNK_BYTES // 4)
    yield "100 MB of opening brackets", b"[" * JUNK_BYTES
    # Small enough to be read at all.
    yield "15 MB of one list", b"- a\n" * 3_750_000
    yield "15 MB of opening brackets", b"[" * 15_000_000


def run(tale):
    """The trial. A round is one wrong input; the short form takes some of each kind."""
    listed = sum(1 for _ in WRONG.iterdir())
    every = max(1, round(listed / max(1, tale.rounds - 8)))
    with stage.flat_group("bad", {"trial.yaml": GOOD}) as (segment, members):
        members.wait("all owners", lambda: len(members.owners()) == SERVICES)
        before, owners = members.addresses(), members.owners()
        for number, (name, content) in enumerate(inputs()):
            if number < listed and number % every:
                continue
            tale.check(*take(members, name, content))
        restored = mend(members)
        tale.check(restored, "the right files again: no node has an error, the group has them")
        tale.check(members.addresses() == before and members.owners() == owners, "no address and no owner changed")
        answered = on_the_wire(segment, sorted(owners))
        expected = {address: [segment.mac(owner)] for address, owner in owners.items()}
        tale.check(answered == expected, "each address is answered by its owner on the segment")


def take(members, name, content):
    """Replaces the good file by a wrong one; (whether all was as it should be, in words)."""
    before = (members.addresses(), members.owners())
    seen = {node: members.metric(node, "quorumlb_config_reload_failures_total") for node in members.nodes}
    logged = {node: members.log(node).stat().st_size for node in members.nodes}
    put(members, content)
    started = time.monotonic()
    try:
        members.wait("the files read", lambda: all(
            members.metric(node, "quorumlb_config_reload_failures_total") > seen[node] for node in members.nodes), 30)
        rows = members.wait("an error of each node, with its place", lambda: located(members), 10)
    except RuntimeError as error:
        return False, f"{name}: {error}"
    took = time.monotonic() - started
    problems = [f"{node} does not log it" for node in members.nodes if b"files are wrong" not in added(members, node, logged)]
    problems += ["addresses or owners changed"] * ((members.addresses(), members.owners()) != before)
    problems += offline(members)
    return not problems, f"{name}: {rows[0].partition('/config/')[2]} ({took:.1f} s) {'; '.join(problems)}"


def put(members, content):
    """The file, in one step."""
    draft = members.folder / ".trial.yaml"
    draft.write_bytes(content)
    draft.rename(members.config / "trial.yaml")


def located(members):
    """The nodes' errors as `get nodes` shows them, if each has one that begins with file:line:column."""
    rows = members.get("nodes", "n1") or []
    errors = [row["config_error"] for row in rows]
    good = len(errors) == len(members.nodes) and all(re.match(r"\S+\.yaml:\d+:\d+: .", error) for error in errors)
    return errors if good else None


def added(members, node, since):
    """What a node logged since a moment."""
    with open(members.log(node), "rb") as log:
        log.seek(since[node])
        return log.read()


def offline(members):
    """What `quorumlb check` has wrong about the same files."""
    result = subprocess.run([members.binary, "check", str(members.config)], capture_output=True, check=False)
    text = (result.stdout + result.stderr).decode(errors="replace")
    problems = [f"check exits {result.returncode}"] if result.returncode != 2 else []
    problems += ["check panics"] if "panicked" in text else []
    return problems + ([] if re.search(r"trial\.yaml:\d+:\d+", text) else ["check names no place"])


def mend(members):
    """The right file again; whether every node has taken it."""
    put(members, GOOD.encode())
    return members.wait("no errors", lambda: stage.everywhere(members, lambda name: all(
        row["config_current"] and not row["config_error"] for row in members.ask("/v1/nodes", name) or [{"config_current": 0}])), 30)


def on_the_wire(segment, addresses):
    """Address -> MACs that answer ARP for it."""
    record = wire.ClaimRecord(segment.namespace("sw"), addresses)
    since = time.time_ns()
    asking = flood.ArpFlood(segment.namespace("obs"), "net0", segment.address["obs"], addresses, 0.005)
    record.wait_for(lambda claim: asking.sent >= 3 * len(addresses) and claim.kind == "reply", 10)
    asking.stop()
    answers = flood.who_answers(record.close(), addresses, since)
    return {address: [mac for _, mac in found] for address, found in answers.items()}
