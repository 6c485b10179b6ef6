"""Silent losses: packets of a namespace that go nowhere, while its links stay up."""

import contextlib

from . import netns

# The port that the nodes talk with each other on.
GROUP = "udp dport 7473 drop; udp sport 7473 drop;"
EVERYTHING = "drop;"


@contextlib.contextmanager
def cut(namespaces, what):
    """Drops such packets in these namespaces, both ways, for the time of the block."""
    rules = (f"table inet quorumlb_cut {{ chain in {{ type filter hook input priority 0; {what} }}; "
             f"chain out {{ type filter hook output priority 0; {what} }}; }}")
    with contextlib.ExitStack() as stack:
        for namespace in namespaces:
            netns.run(namespace, "nft", rules)
            stack.callback(netns.run, namespace, "nft", "delete", "table", "inet", "quorumlb_cut")
        yield
