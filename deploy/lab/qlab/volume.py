"""A small disk of its own for a node: ext4 in a file, mounted in a mount namespace that nobody else sees and that is gone
with this process, whatever happens."""

import contextlib
import os
import pathlib
import subprocess

from . import netns

# EXT4_IOC_SHUTDOWN, and the flag that throws away what was not synced: what a power cut does.
_SHUTDOWN = 0x8004587D
_WITHOUT_FLUSH = 2


class Volume:
    """A context manager; `wrapper` starts a program that sees the volume at `path`."""

    def __init__(self, image, path, megabytes):
        self.image, self.path = pathlib.Path(image), pathlib.Path(path)
        self._megabytes, self._holder = megabytes, None
        self.wrapper = ()

    def __enter__(self):
        self.image.parent.mkdir(parents=True, exist_ok=True)
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.image, "wb") as image:
            image.truncate(self._megabytes << 20)
        netns.command("mkfs.ext4", "-q", "-F", "-m", "0", str(self.image))
        self._holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", "echo ready; exec sleep infinity"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=netns.die_with_parent,
        )
        self._holder.stdout.readline()
        self.wrapper = ("nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt")
        # Without the volume the folder must not look like an empty disk.
        self.run("mount", "-t", "tmpfs", "-o", "ro,size=4k", "none", str(self.path))
        self.mount()
        return self

    def __exit__(self, *_):
        if self._holder:
            self._holder.kill()
            self._holder.wait()
        with contextlib.suppress(FileNotFoundError):
            self.image.unlink()

    def run(self, *command, check=True):
        """Runs a command that sees the volume; its exit code."""
        result = subprocess.run([*self.wrapper, *command], capture_output=True, text=True, check=False)
        if check and result.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: exit {result.returncode}: {result.stderr.strip()}")
        return result.returncode

    def mount(self):
        """Mounts it where nothing of it is mounted."""
        self.run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.path))

    def copy_in(self, folder):
        """Puts a folder into it."""
        self.run("cp", "-a", str(folder), str(self.path))

    def fill(self):
        """Leaves no room."""
        self.run("dd", "if=/dev/zero", f"of={self.path}/filler", "bs=64k", check=False)
        self.run("sync", "-f", str(self.path), check=False)

    def empty(self):
        """Gives the room back."""
        self.run("rm", "-f", f"{self.path}/filler")

    def fail(self):
        """The file system meets an error and goes read-only, as it does when a disk fails."""
        self.run("mount", "-o", "remount,abort", str(self.path))

    def repair(self):
        """Checks the file system and mounts it again; whether nothing held it any more."""
        if self.run("umount", str(self.path), check=False) != 0:
            return False
        self.run("e2fsck", "-fp", str(self.image), check=False)
        self.mount()
        return True

    def cut_power(self):
        """What was not synced is lost; the volume is gone until it is mounted again."""
        code = (f"import fcntl, os, struct; fd = os.open({str(self.path)!r}, os.O_RDONLY); "
                f"fcntl.ioctl(fd, {_SHUTDOWN}, struct.pack('I', {_WITHOUT_FLUSH}))")
        self.run("python3", "-c", code)

    def power_on(self):
        """After a cut, when nothing runs on it."""
        self.run("umount", str(self.path))
        self.mount()

    def has(self, name):
        """Whether a file is there, as a program that sees the volume finds it."""
        return os.path.exists(f"/proc/{self._holder.pid}/root{self.path}/{name}")
