"""Programs and ports: find one, choose the other, and end what was started, by its process and never by its name."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

PATIENCE_SECONDS = 30.0
"""How long a test waits for what should come at once: other work may keep the machine busy."""

PYTHON = os.environ.get("MOATDNS_PYTHON", sys.executable)
"""The interpreter that the server under test is installed for: another one where a compiled wheel is tested."""

MOATDNS = str(Path(PYTHON).absolute().parent / "moatdns")

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each start of a server would compile all that it imports anew

_BELOW_EPHEMERAL = range(20_000, 32_000)  # no connection of anybody's gets such a port by chance
_RUNS_BESIDE = 8
_given: deque[int] = deque(maxlen=200)  # of late: a server that is about to start may want them
_SYSTEM = "/usr/sbin:/usr/bin:/sbin:/bin"

T = TypeVar("T")


def program(name: str) -> str:
    """The path of a program. Fails, and does not skip, where it is missing: `tests/set-up-machine` installs it."""
    path = shutil.which(name) or shutil.which(name, path=_SYSTEM)
    assert path, f"{name} is not installed; tests/set-up-machine installs what the tests need"
    return path


def free_port() -> int:
    """A port that nobody holds now, for UDP and TCP, on IPv4 and IPv6."""
    for port in random.sample(_ports(), 500):
        if port not in _given and is_free(port):
            _given.append(port)
            return port
    raise AssertionError("no free port")


def _ports() -> range:
    """Those of this test run: runs that are beside each other (pytest -n) do not choose the same one."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return _BELOW_EPHEMERAL[number % _RUNS_BESIDE :: _RUNS_BESIDE]


def is_free(port: int) -> bool:
    """Whether a port can be bound on all addresses, for UDP and TCP."""
    with contextlib.ExitStack() as held:
        for family, host in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
                one = held.enter_context(socket.socket(family, kind))
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                if kind == socket.SOCK_STREAM:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    one.bind((host, port))
                except OSError:
                    return False
    return True


def wait_until(true: Callable[[], T], what: str, *, seconds: float = PATIENCE_SECONDS) -> T:
    """Ask again and again until the answer is true, and give it. `what` is told when it never is."""
    deadline = time.monotonic() + seconds
    while not (result := true()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.01)
    return result


def end(process: subprocess.Popen[bytes], *, seconds: float = PATIENCE_SECONDS) -> int:
    """Ask a process to end, kill it when it does not, and give its status."""
    if process.poll() is None:
        process.terminate()
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextlib.contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """The process, which is ended in the end."""
    try:
        yield process
    finally:
        end(process)
