"""One bridge with a few hosts and an observer: the smallest segment that has takeovers."""

import os

from . import netns

_SETTINGS = (
    "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0", "net.ipv4.conf.all.arp_ignore=1",
    "net.ipv4.conf.all.arp_announce=2", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1",
)


class FlatSegment:
    """Hosts n1.. with 10.9.0.11.., and an observer with 10.9.0.50, in namespaces named after the purpose. With a second
    segment each host n1.. has another interface, net1, with 10.10.0.11.. on it."""

    def __init__(self, purpose, hosts=3, second=False):
        self.prefix = f"qb{os.getpid()}-{purpose}-"
        self.hosts = [f"n{number}" for number in range(1, hosts + 1)]
        self.address = {host: f"10.9.0.{10 + number}" for number, host in enumerate(self.hosts, 1)}
        self.address["obs"] = "10.9.0.50"
        self._second = second

    def __enter__(self):
        try:
            self._make("sw")
            netns.run(self.namespace("sw"), "ip", "link", "add", "br0", "type", "bridge", "stp_state", "0",
                      "forward_delay", "0")
            netns.run(self.namespace("sw"), "ip", "link", "set", "br0", "up")
            for host, address in self.address.items():
                self._join(host, address)
            if self._second:
                self._add_second()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _add_second(self):
        switch = self.namespace("sw")
        netns.run(switch, "ip", "link", "add", "br1", "type", "bridge", "stp_state", "0", "forward_delay", "0")
        netns.run(switch, "ip", "link", "set", "br1", "up")
        for host in self.address:
            self._connect(host, "net1", f"q-{host}", "br1", self.address[host].replace("10.9.", "10.10."))

    def _make(self, host):
        netns.command("ip", "netns", "add", self.namespace(host))
        netns.run(self.namespace(host), "sysctl", "-qw", *_SETTINGS)
        netns.run(self.namespace(host), "ip", "link", "set", "lo", "up")

    def _join(self, host, address):
        self._make(host)
        self._connect(host, "net0", f"p-{host}", "br0", address)

    def _connect(self, host, interface, port, bridge, address):
        switch, there = self.namespace("sw"), self.namespace(host)
        netns.command("ip", "link", "add", interface, "netns", there, "type", "veth", "peer", "name", port, "netns", switch)
        netns.run(switch, "ip", "link", "set", port, "master", bridge, "up")
        netns.run(there, "ip", "addr", "add", f"{address}/24", "dev", interface)
        netns.run(there, "ip", "link", "set", interface, "up")

    def __exit__(self, *_):
        for host in ["sw", *self.address]:
            netns.remove(self.namespace(host))

    def namespace(self, host):
        """The namespace of a host, of the observer `obs` or of the switch `sw`."""
        return self.prefix + host

    def mac(self, host):
        """A host's MAC on the segment."""
        return netns.link_address(self.namespace(host), "net0")
