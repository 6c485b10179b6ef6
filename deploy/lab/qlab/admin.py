"""HTTP on a node's admin socket."""

import http.client
import json
import socket

PATIENCE = 15


class Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket; kept open between requests."""

    def __init__(self, path):
        super().__init__("admin", timeout=PATIENCE)
        self._path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)

    def ask(self, path, method="GET", body=None):
        """(status, the answer: what JSON says, else text)."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        self.request(method, path, body=body, headers=headers)
        response = self.getresponse()
        text = response.read().decode(errors="replace")
        is_json = "json" in (response.getheader("Content-Type") or "")
        return response.status, json.loads(text) if is_json and text else text


def request(socket_path, path, method="GET", body=None):
    """One request on a connection of its own."""
    connection = Connection(socket_path)
    try:
        return connection.ask(path, method, body)
    finally:
        connection.close()
