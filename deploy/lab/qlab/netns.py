"""Network namespaces: run a program in one, or open a socket in one."""

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess

_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1


def die_with_parent():
    """In a child before exec: the kernel kills it when its parent ends in whatever way."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _enter(fd):
    if _LIBC.setns(fd, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


@contextlib.contextmanager
def inside(namespace):
    """The calling thread is in the namespace for the time of the block; sockets opened there stay there."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def run(namespace, *command, check=True):
    """Runs a command in the namespace and returns what it printed."""
    result = subprocess.run(["ip", "netns", "exec", namespace, *command], capture_output=True, text=True, check=False)
    if check and result.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} in {namespace}: exit {result.returncode}: {result.stderr.strip()}")
    return result.stdout


def spawn(namespace, *command, **options):
    """Starts a program in the namespace; its pid is the program's own, and it ends with this process."""
    return subprocess.Popen(
        ["ip", "netns", "exec", namespace, *command], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent, **options
    )


def end(process, how=signal.SIGTERM, patience=5.0):
    """Signals a program and waits for it; SIGKILL when it does not end in time. Stopped ones are continued first."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    process.send_signal(signal.SIGCONT)
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def link_address(namespace, interface):
    """The MAC of an interface, as text."""
    with inside(namespace), socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as probe:
        probe.bind((interface, 0))
        return probe.getsockname()[4].hex(":")


def set_link(namespace, interface, up):
    """Takes a link up or down by one system call, for where a started program would take too long."""
    name = interface.encode().ljust(16, b"\0")
    with inside(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("16sH14x", name, 0))
        flags = struct.unpack("16sH14x", request)[1]
        flags = flags | _IFF_UP if up else flags & ~_IFF_UP
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", name, flags))


def command(*arguments):
    """Runs a command where we are; an error if it fails."""
    subprocess.run(arguments, check=True)


def remove(namespace):
    """Kills what runs in the namespace and deletes it; nothing if it does not exist."""
    if not os.path.exists(f"/run/netns/{namespace}"):
        return
    for pid in pids(namespace):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    command("ip", "netns", "del", namespace)


def pids(namespace):
    """The processes in a namespace."""
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=True)
    return [int(pid) for pid in listed.stdout.split()]
