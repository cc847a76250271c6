"""The servers under test as processes: started, seen to answer, and ended, whatever happens."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.ask import addresses
from bench.errors import BenchError
from bench.kinds import Job, Server
from bench.ways import Ports

_ROOT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 60.0
_STOP_SECONDS = 12.0
_READY_NAME = "ready.example"


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    name: str
    ports: Ports
    pid: int


PROGRAMS = {"dnsperf": "dnsperf", "dnsmasq": "dnsmasq-base", "unbound": "unbound", "dnsdist": "dnsdist"}
"""The programs that a comparison may need, and Debian's packages for them."""
_TELL_VERSION = {"dnsmasq": "--version", "unbound": "-V", "dnsdist": "--version", "dnsperf": "-h"}
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
        done = subprocess.run([program, _TELL_VERSION[program]], capture_output=True, text=True, check=False)
        lines = [
            line for line in (done.stdout + done.stderr).splitlines() if program in line.lower() or "ersion" in line
        ]
        number = next((match[0] for line in lines if (match := _VERSION.search(line))), None)
        found[program] = number or "unknown"
    return found


@contextlib.contextmanager
def running(server: Server, job: Job, folder: Path) -> Iterator[Running]:
    """Start a server in an empty folder, wait until it answers, and end it afterwards, whatever happens."""
    ports = _free_ports()
    with _process(server.name, server.command(job, ports, folder), folder) as process:
        _wait(server.name, process, ports.do53, folder)
        yield Running(server.name, ports, process.pid)


@contextlib.contextmanager
def running_stub(folder: Path) -> Iterator[Running]:
    """Start the upstream of all servers (bench.stub)."""
    ports = _free_ports()
    with _process("stub", [sys.executable, "-m", "bench.stub", str(ports.do53)], folder) as process:
        _wait("stub", process, ports.do53, folder)
        yield Running("stub", ports, process.pid)


@contextlib.contextmanager
def _process(name: str, command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with _log(folder).open("wb") as log:
        # A process group of its own: Ctrl-C comes to us alone, and we end the servers.
        process = subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
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


def _wait(name: str, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise BenchError(f"{name} ended with status {process.returncode}:\n{_log(folder).read_text()[-2000:]}")
        if addresses(port, _READY_NAME, timeout_seconds=0.2) is not None:
            return
        time.sleep(0.05)
    raise BenchError(f"{name} did not answer within {_READY_SECONDS:g} s:\n{_log(folder).read_text()[-2000:]}")


def _log(folder: Path) -> Path:
    return folder / "log"


def _free_ports() -> Ports:
    """Ports of 127.0.0.1 that are free for UDP and TCP at this moment."""
    with contextlib.ExitStack() as held:
        return Ports(*(_free_port(held) for _ in range(3)))


def _free_port(held: contextlib.ExitStack) -> int:
    """One that is free, and is held until `held` ends."""
    while True:
        udp = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        tcp = held.enter_context(socket.socket())
        udp.bind(("127.0.0.1", 0))
        port: int = udp.getsockname()[1]
        with contextlib.suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            return port
