"""The servers under test as processes: started, seen to answer, and ended, whatever happens."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.ask import addresses
from bench.errors import BenchError
from bench.kinds.job import Job, Log, Server
from bench.ways import Ports

_ROOT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 60.0
_STOP_SECONDS = 12.0
_PORTS = (10_000, 32_000)  # below the range of Linux (ip_local_port_range)
_READY_NAME = "ready.example"
# A server ends with the thread that started it, even if that is killed (util-linux).
_DIES_WITH_US = ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") else ()


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    name: str
    ports: Ports
    pid: int
    log: Log = Log.NONE
    lacks: Mapping[str, str] = field(default_factory=dict)  # as Server has it


PROGRAMS = {
    "dnsperf": "dnsperf",
    "dnsmasq": "dnsmasq-base",
    "unbound": "unbound",
    "dnsdist": "dnsdist",
    "pdns_recursor": "pdns-recursor",
    "kresd": "knot-resolver",
}
"""The programs that a comparison may need, and Debian's packages for them."""
_TELL_VERSION = {"unbound": "-V", "dnsperf": "-h"}
_NAMED = re.compile("version|recursor|dnsdist|resolver", re.IGNORECASE)
_VERSION = re.compile(r"\d+\.\d[\w.]*")


def check_programs(*programs: str) -> None:
    """Raise BenchError naming what is not installed."""
    missing = [PROGRAMS[program] for program in programs if shutil.which(program) is None]
    if missing:
        raise BenchError(f"not installed: {' '.join(missing)} (apt-get install {' '.join(missing)})")


def versions(*programs: str) -> dict[str, str]:
    """The versions of programs compared with, as each tells it."""
    found = {}
    for program in programs:
        done = subprocess.run(
            [program, _TELL_VERSION.get(program, "--version")], capture_output=True, text=True, check=False
        )
        lines = [line for line in (done.stdout + done.stderr).splitlines() if _NAMED.search(line)]
        number = next((match[0] for line in lines if (match := _VERSION.search(line))), None)
        found[program] = number or "unknown"
    return found


@contextlib.contextmanager
def running(server: Server, job: Job, folder: Path, *, patience_seconds: float = _READY_SECONDS) -> Iterator[Running]:
    """Start a server in an empty folder, wait until it answers, and end it afterwards, whatever happens."""
    ports = free_ports()
    with process_of(server.name, server.command(job, ports, folder), folder) as process:
        _wait(server.name, process, ports.do53, folder, patience_seconds)
        yield Running(server.name, ports, process.pid, server.log, server.lacks)


@contextlib.contextmanager
def running_stub(folder: Path) -> Iterator[Running]:
    """Start the upstream of all servers (bench.stub)."""
    ports = free_ports()
    with process_of("stub", [sys.executable, "-m", "bench.stub", str(ports.do53)], folder) as process:
        _wait("stub", process, ports.do53, folder, _READY_SECONDS)
        yield Running("stub", ports, process.pid)


@contextlib.contextmanager
def process_of(name: str, command: Sequence[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program whose output goes to a log in `folder`, and end it afterwards, whatever happens."""
    with _log(folder).open("wb") as log:
        # A process group of its own: Ctrl-C comes to us alone, and we end the servers.
        # PYTHONPATH would put the source tree before the wheel that is measured.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        process = subprocess.Popen(
            [*_DIES_WITH_US, *command],
            cwd=_ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            sys.stderr.write(f"{name} (pid {process.pid}) did not end and is killed\n")
            process.kill()
            process.wait()


def _wait(name: str, process: subprocess.Popen[bytes], port: int, folder: Path, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{name} ended with status {process.returncode}:\n{_log(folder).read_text()[-2000:]}")
        if addresses(port, _READY_NAME, timeout_seconds=0.2) is not None:
            return
        time.sleep(0.05)
    raise BenchError(f"{name} did not answer within {seconds:g} s:\n{_log(folder).read_text()[-2000:]}")


def _log(folder: Path) -> Path:
    return folder / "log"


def free_ports() -> Ports:
    """Ports of 127.0.0.1 that are free for UDP and TCP at this moment."""
    with contextlib.ExitStack() as held:
        return Ports(*(_free_port(held) for _ in range(3)))


def _free_port(held: contextlib.ExitStack) -> int:
    """One that is free, and is held until `held` ends; none that clients get, which the load's sockets might take."""
    while True:
        udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        tcp = held.enter_context(socket.socket())
        port = random.randrange(*_PORTS)
        with contextlib.suppress(OSError):
            udp.bind(("127.0.0.1", port))
            tcp.bind(("127.0.0.1", port))
            return port
