"""keepalived on a segment: the peer in the takeover bench."""

import pathlib
import subprocess
import time

from qlab import netns, probe

ADDRESS = "10.9.0.100"
_PRIORITIES = {"n1": 150, "n2": 100, "n3": 50}


def _configuration(version, interval, priority):
    return (
        f"global_defs {{\n  vrrp_version {version}\n  script_user root\n}}\n"
        "vrrp_instance address {\n  state BACKUP\n  interface net0\n  virtual_router_id 51\n"
        f"  priority {priority}\n  advert_int {interval}\n"
        f"  virtual_ipaddress {{\n    {ADDRESS}/32 dev net0\n  }}\n}}\n"
    )


class Keepalived:
    """Three routers with falling priorities; n1 owns the address whenever it lives (preemption is on)."""

    def __init__(self, name, segment, folder, version, interval):
        self.name, self.segment = name, segment
        self._folder = pathlib.Path(folder)
        self._version, self._interval = version, interval
        self._processes = {}

    def start(self, *hosts):
        """Starts it on these hosts, or all."""
        for host in hosts or self.segment.hosts:
            folder = self._folder / host
            folder.mkdir(parents=True, exist_ok=True)
            configuration = folder / "keepalived.conf"
            configuration.write_text(_configuration(self._version, self._interval, _PRIORITIES[host]))
            with open(folder / "log", "ab") as log:
                self._processes[host] = netns.spawn(
                    self.segment.namespace(host), "keepalived", "--dont-fork", "--log-console", "--vrrp",
                    "--use-file", str(configuration), "--pid", str(folder / "pid"),
                    "--vrrp_pid", str(folder / "vrrp_pid"), stdout=log, stderr=log,
                )

    def settle(self):
        """Waits until n1 owns the address again; returns it and the address."""
        wanted = self.segment.mac("n1")
        prober = probe.Prober(self.segment.namespace("obs"), ADDRESS, 0.02)
        try:
            deadline = time.monotonic() + 60
            while prober.last_mac() != wanted:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name}: n1 does not own {ADDRESS}, see {self._folder}/*/log")
                time.sleep(0.05)
        finally:
            prober.close()
        return "n1", ADDRESS

    def bury(self, host):
        """Clears away what a killed host's processes left: the address on the link, and files with their pids."""
        self._processes[host].wait()
        netns.run(self.segment.namespace(host), "ip", "addr", "del", f"{ADDRESS}/32", "dev", "net0", check=False)
        for name in ("pid", "vrrp_pid"):
            (self._folder / host / name).unlink(missing_ok=True)

    def stop(self):
        """Ends all."""
        for process in self._processes.values():
            netns.end(process)


def version():
    """What is installed."""
    shown = subprocess.run(["keepalived", "--version"], capture_output=True, text=True, check=True)
    return shown.stderr.split("\n")[0].split(" (")[0]
