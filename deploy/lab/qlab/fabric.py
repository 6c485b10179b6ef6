"""The reference fabric for the time of a block, under a name of its own."""

import os
import pathlib
import signal
import subprocess

from . import routers

_SCRIPT = pathlib.Path(__file__).resolve().parents[1] / "lab"


class Fabric:
    """Brings a lab up and takes it down again, also after an error or a signal."""

    def __init__(self, purpose):
        self.prefix = f"{purpose}{os.getpid()}-"
        self.folder = pathlib.Path(f"/run/quorumlb-lab/{self.prefix.rstrip('-')}")
        self._environment = {**os.environ, "LAB_PREFIX": self.prefix, "LAB_DIR": str(self.folder)}

    def __enter__(self):
        end_on_signals()
        try:
            self.script("up")
        except BaseException:
            self.script("down")
            raise
        return self

    def __exit__(self, *_):
        self.script("down")

    def namespace(self, name):
        """The namespace of a member."""
        return self.prefix + name

    def router(self, name):
        """A spine or leaf, to be asked."""
        return routers.Router(self.namespace(name), self.folder / name / "run")

    def script(self, *arguments):
        """Runs deploy/lab/lab on this lab and returns what it printed."""
        result = subprocess.run(
            [str(_SCRIPT), *arguments], env=self._environment, capture_output=True, text=True, check=False
        )
        if result.returncode != 0:
            raise RuntimeError(f"lab {' '.join(arguments)}: {result.stderr.strip() or result.stdout.strip()}")
        return result.stdout


def end_on_signals():
    """SIGTERM and SIGHUP unwind like an error, so that blocks clean up."""

    def unwind(number, _):
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, unwind)
