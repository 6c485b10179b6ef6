"""etcd with three members in one namespace: the peer in the benches that write."""

import base64
import http.client
import json
import os
import pathlib
import subprocess
import time

from qlab import netns


class Etcd:
    """Defaults (heartbeat 100 ms, election 1000 ms, fsync on), the JSON gateway on the loopback."""

    name = "etcd"
    # What bench/load calls these writes.
    kind = "etcd-put"

    def __init__(self, namespace, folder):
        self._namespace = namespace
        self._folder = pathlib.Path(folder)
        self._ports = {"m1": 2381, "m2": 2382, "m3": 2383}
        self._processes = {}

    def start(self, *names):
        """Starts these members, with what they had on disk, or all."""
        cluster = ",".join(f"{name}=http://127.0.0.1:{port + 100}" for name, port in self._ports.items())
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in names or self._ports:
            client, peer = f"http://127.0.0.1:{self._ports[name]}", f"http://127.0.0.1:{self._ports[name] + 100}"
            with open(self._folder / f"{name}.log", "ab") as log:
                self._processes[name] = netns.spawn(
                    self._namespace, "etcd", "--name", name, "--data-dir", str(self._folder / name),
                    "--listen-client-urls", client, "--advertise-client-urls", client,
                    "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
                    "--initial-cluster", cluster, "--logger", "zap", stdout=log, stderr=log,
                )

    def settle(self):
        """Waits until all three members agree on a leader; returns it and the other two."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            answers = {name: self._status(name) for name in self._ports}
            leaders = {answer[1] for answer in answers.values() if answer}
            if all(answers.values()) and len(leaders) == 1:
                ids = {answer[0]: name for name, answer in answers.items()}
                leader = ids.get(leaders.pop())
                if leader:
                    return leader, [name for name in self._ports if name != leader]
            time.sleep(0.1)
        raise RuntimeError(f"etcd found no leader in 60 s, see {self._folder}/*.log")

    def _status(self, name):
        try:
            with netns.inside(self._namespace):
                connection = http.client.HTTPConnection("127.0.0.1", self._ports[name], timeout=2)
                connection.request("POST", "/v3/maintenance/status", b"{}")
                answer = json.loads(connection.getresponse().read())
                connection.close()
            return answer["header"]["member_id"], answer["leader"]
        except (OSError, KeyError, ValueError, http.client.HTTPException):
            return None

    def target(self, name):
        """Where a member takes writes, for load.connect."""
        return "127.0.0.1", self._ports[name]

    @staticmethod
    def write(number):
        """The HTTP request that puts one value of 64 bytes."""
        key = base64.b64encode(f"bench-{number}".encode()).decode()
        value = base64.b64encode(f"{number:064}".encode()).decode()
        body = json.dumps({"key": key, "value": value})
        return (
            f"POST /v3/kv/put HTTP/1.1\r\nHost: etcd\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    def pids(self):
        """Of its members."""
        return [process.pid for process in self._processes.values()]

    def kill(self, name):
        """SIGKILL."""
        self._processes[name].kill()
        self._processes[name].wait()

    def stop(self):
        """Ends all."""
        for process in self._processes.values():
            netns.end(process)


def version():
    """What is installed."""
    shown = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True, env=os.environ)
    return shown.stdout.split("\n")[0].replace(" Version:", "")
