"""The servers side by side: how each is configured for the same job, started and ended. All listen on 127.0.0.1 only.

What a server can be tuned in is set alike: a cache for about 10,000 answers, room for more queries in flight than the
load has, no query log, no validation, one thread or process unless its name says otherwise.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from bench.ask import addresses
from bench.errors import BenchError

_ROOT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 60.0
_STOP_SECONDS = 12.0
_CACHE_ENTRIES = 10_000  # dnsmasq's default is 150, and it advises against more than this
_CACHE_MIB = 8  # about as many entries
_IN_FLIGHT = 4096
_READY_NAME = "ready.example"


@dataclass(frozen=True, slots=True)
class Job:
    """What every server is to do: answer `blocked` with 0.0.0.0, forward the rest."""

    blocked: tuple[str, ...]
    in_catalogue: bool  # moatdns knows these names already; else they go into a list of the company's own
    upstream_port: int


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server: how its configuration is written into a folder, and the command that starts it."""

    name: str
    command: Callable[[Job, int, Path], list[str]]


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    name: str
    port: int
    pid: int


def _moatdns(job: Job, port: int, folder: Path, *, workers: int) -> list[str]:
    config = {
        "listen": {"do53": [f"127.0.0.1:{port}"]},
        "clients": {"queries_per_second": 0},  # all load comes from one address
        "workers": workers,
        "state_dir": str(folder / "state"),
        "admin": {"listen": None},  # its port is one only, and several servers run beside each other
        "upstream": {"servers": [f"udp://127.0.0.1:{job.upstream_port}"]},
        "cache": {"max_mib": _CACHE_MIB},
        "policy": {"lists": [] if job.in_catalogue else [{"name": "house", "block": list(job.blocked)}]},
    }
    path = folder / "moatdns.yaml"
    path.write_text(yaml.safe_dump(config))
    return [sys.executable, "-m", "resolver.cli", "serve", "--config", str(path)]


def _dnsmasq(job: Job, port: int, folder: Path) -> list[str]:
    lines = [
        f"port={port}",
        "listen-address=127.0.0.1",
        "bind-interfaces",
        "keep-in-foreground",
        "user=root",
        "pid-file=",
        "no-resolv",
        "no-hosts",
        f"server=127.0.0.1#{job.upstream_port}",
        f"cache-size={_CACHE_ENTRIES}",
        f"dns-forward-max={_IN_FLIGHT}",
        *(f"address=/{name}/0.0.0.0" for name in job.blocked),
    ]
    path = folder / "dnsmasq.conf"
    path.write_text("\n".join(lines) + "\n")
    return ["dnsmasq", f"--conf-file={path}"]


def _unbound(job: Job, port: int, folder: Path) -> list[str]:
    lines = [
        "server:",
        f"  port: {port}",
        "  interface: 127.0.0.1",
        "  do-ip6: no",
        "  num-threads: 1",
        "  so-rcvbuf: 4m",  # as moatdns has; dnsmasq has no such setting, and loses some of a burst
        '  module-config: "iterator"',
        "  do-not-query-localhost: no",
        f"  msg-cache-size: {_CACHE_MIB // 2}m",
        f"  rrset-cache-size: {_CACHE_MIB // 2}m",
        f"  num-queries-per-thread: {_IN_FLIGHT}",
        f"  outgoing-range: {_IN_FLIGHT}",
        '  username: ""',
        '  chroot: ""',
        f'  directory: "{folder}"',
        '  pidfile: ""',
        "  use-syslog: no",
        "  do-daemonize: no",
        *(f'  local-zone: "{name}." always_null' for name in job.blocked),
        "forward-zone:",
        '  name: "."',
        f"  forward-addr: 127.0.0.1@{job.upstream_port}",
        "remote-control:",
        "  control-enable: no",
    ]
    path = folder / "unbound.conf"
    path.write_text("\n".join(lines) + "\n")
    return ["unbound", "-d", "-c", str(path)]


MOATDNS = "moatdns"
PEERS = ("dnsmasq", "unbound")
SERVERS = (
    Server(MOATDNS, functools.partial(_moatdns, workers=1)),
    Server("moatdns, 2 workers", functools.partial(_moatdns, workers=2)),
    Server("dnsmasq", _dnsmasq),
    Server("unbound", _unbound),
)
PROGRAMS = {"dnsperf": "dnsperf", "dnsmasq": "dnsmasq-base", "unbound": "unbound"}  # and Debian's packages for them
_VERSIONS = {"dnsmasq": ["dnsmasq", "--version"], "unbound": ["unbound", "-V"], "dnsperf": ["dnsperf", "-h"]}


def check_programs() -> None:
    """Raise BenchError naming what is not installed."""
    missing = [package for program, package in PROGRAMS.items() if shutil.which(program) is None]
    if missing:
        raise BenchError(f"not installed: {' '.join(missing)} (apt-get install {' '.join(missing)})")


def versions() -> dict[str, str]:
    """The versions of the programs compared with, as each tells it."""
    found = {}
    for program, command in _VERSIONS.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        line = next((line for line in (done.stdout + done.stderr).splitlines() if "ersion" in line), "unknown")
        found[program] = line.lower().split("version", 1)[-1].split()[0] if "ersion" in line else line
    return found


@contextlib.contextmanager
def running(server: Server, job: Job, folder: Path) -> Iterator[Running]:
    """Start a server in an empty folder, wait until it answers, and end it afterwards, whatever happens."""
    port = _free_port()
    with _process(server.name, server.command(job, port, folder), folder) as process:
        _wait(server.name, process, port, folder)
        yield Running(server.name, port, process.pid)


@contextlib.contextmanager
def running_stub(folder: Path) -> Iterator[Running]:
    """Start the upstream of all servers (bench.stub)."""
    port = _free_port()
    with _process("stub", [sys.executable, "-m", "bench.stub", str(port)], folder) as process:
        _wait("stub", process, port, folder)
        yield Running("stub", port, process.pid)


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


def _free_port() -> int:
    """A port of 127.0.0.1 that is free for UDP and TCP at this moment."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            port: int = udp.getsockname()[1]
            with contextlib.suppress(OSError):
                tcp.bind(("127.0.0.1", port))
                return port
