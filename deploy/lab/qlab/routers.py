"""The fabric's routers, asked in FRR's own words, and changed while they run."""

import json
import subprocess

from . import netns


class Router:
    """FRR in a namespace."""

    def __init__(self, namespace, run):
        self.namespace = namespace
        self._shell = ("vtysh", "--vty_socket", str(run))

    def show(self, what, how="json"):
        """The answer to `show ... json`."""
        return json.loads(netns.run(self.namespace, *self._shell, "-c", f"show {what} {how}") or "{}")

    def configure(self, *lines):
        """Enters lines as after `configure terminal`; an error if FRR refuses one."""
        words = [word for line in ("configure terminal", *lines) for word in ("-c", line)]
        result = subprocess.run(["ip", "netns", "exec", self.namespace, *self._shell, *words],
                                capture_output=True, text=True, check=False)
        if result.returncode != 0 or "%" in result.stdout:
            raise RuntimeError(f"FRR refuses {lines}: {result.stdout.strip()} {result.stderr.strip()}")

    def name_neighbours(self, asn, *addresses):
        """Makes nodes neighbours of their own, in place of ones that come and go with their connections, before they come.
        FRR 8.4 forgets BFD with the latter when one is kept over a graceful restart."""
        self.configure(f"router bgp {asn}", *(f"neighbor {address} peer-group NODES" for address in addresses))

    def neighbour(self, address):
        """What `show bgp neighbors` says of one; empty when there is none."""
        return self.show(f"bgp neighbors {address}").get(address, {})

    def is_established(self, address):
        """Whether the session with a neighbour is up."""
        return self.neighbour(address).get("bgpState") == "Established"

    def paths(self, prefix):
        """Next hop -> the path by it."""
        found = self.show(f"bgp ipv4 unicast {prefix}").get("paths", [])
        return {path["nexthops"][0]["ip"]: path for path in found}

    def heard(self, address):
        """Prefix -> the path that a neighbour announced."""
        routes = self.show("bgp ipv4 unicast", "json detail").get("routes", {})
        # The first of each route's list is about the route itself.
        return {prefix: path for prefix, (_, *paths) in routes.items() for path in paths if path["peer"]["peerId"] == address}

    def detection(self, address):
        """`show bfd peers` for one; empty when there is none."""
        return next((peer for peer in self.show("bfd peers") if peer["peer"] == address), {})

    def gateways(self, prefix):
        """The next hops of a route in the kernel, in order; none without the route."""
        routes = json.loads(netns.run(self.namespace, "ip", "-j", "route", "show", "exact", prefix))
        return sorted(hop["gateway"] for route in routes for hop in route.get("nexthops", [route]) if "gateway" in hop)


def communities(path):
    """The communities of a path, standard and large ones, as texts."""
    return sorted(value for kind in ("community", "largeCommunity") for value in path.get(kind, {}).get("list", []))
