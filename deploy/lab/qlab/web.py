"""A tiny HTTP service that says which node answered, and clients of it."""

import collections
import http.client
import subprocess
import sys

from . import netns

_SERVER = """
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = sys.argv[1].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("", 80), Answer).serve_forever()
"""


def serve(namespace, name):
    """Answers on port 80 of every address that the namespace holds, with `name`."""
    return netns.spawn(
        namespace, sys.executable, "-c", _SERVER, name, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def ask(namespace, address, times):
    """Counts of what answered: names, or failures by kind."""
    answers = collections.Counter()
    for _ in range(times):
        try:
            with netns.inside(namespace):
                connection = http.client.HTTPConnection(address, 80, timeout=2)
                connection.request("GET", "/")
                answers[connection.getresponse().read().decode()] += 1
                connection.close()
        except OSError as error:
            answers[f"failed: {type(error).__name__}"] += 1
    return dict(answers)
