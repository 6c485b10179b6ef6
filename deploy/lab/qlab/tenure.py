"""P3 as a check over what was seen on a segment: at no instant do two nodes answer for one address."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """A claim by a node that another one had already followed."""

    address: str
    mac: str
    after: str
    late_ns: int
    kind: str

    def __str__(self):
        return (
            f"{self.address}: {self.mac} sent {self.kind} {self.late_ns / 1e6:.3f} ms after the first claim of its "
            f"successor {self.after}"
        )


def violations(claims, may_return=False):
    """What breaks P3 among the claims, in the order of their times.

    Whoever claimed an address before its present owner has to stay silent. With `may_return` it may become owner again,
    which it must begin with an announcement: for long records with several moves.
    """
    found = []
    current, former = {}, {}
    for claim in sorted(claims, key=lambda claim: claim.time_ns):
        owner, since = current.get(claim.address, (None, 0))
        if claim.mac == owner:
            continue
        before = former.setdefault(claim.address, set())
        returns = may_return and claim.is_announcement()
        if claim.mac in before and not returns:
            found.append(Violation(claim.address, claim.mac, owner, claim.time_ns - since, claim.kind))
            continue
        if owner is not None:
            before.add(owner)
        before.discard(claim.mac)
        current[claim.address] = (claim.mac, claim.time_ns)
    return found


def owners_in_order(claims, address):
    """The MACs that claimed an address, each at its first claim."""
    order = []
    for claim in sorted(claims, key=lambda claim: claim.time_ns):
        if claim.address == address and claim.mac not in order:
            order.append(claim.mac)
    return order
