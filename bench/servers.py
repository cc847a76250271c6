"""The servers side by side: how each is configured for the same job, started and ended. All listen on 127.0.0.1 only.

What a server can be tuned in is set alike: a cache for about 10,000 answers, room for more queries in flight than the
load has, no query log, no validation, one thread or process unless its name says otherwise.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.ask import addresses
from bench.errors import BenchError
from bench.ways import Ports

_ROOT = Path(__file__).resolve().parent.parent
_READY_SECONDS = 60.0
_STOP_SECONDS = 12.0
_CACHE_ENTRIES = 10_000  # dnsmasq's default is 150, and it advises against more than this
_CACHE_MIB = 8  # about as many entries
_IN_FLIGHT = 4096
_CONNECTIONS = 1000  # as many as a worker of moatdns holds
_READY_NAME = "ready.example"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a server shows to TLS clients."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class Job:
    """What every server is to do: answer `blocked` with 0.0.0.0, forward the rest."""

    blocked: tuple[str, ...]
    in_catalogue: bool  # moatdns knows these names already; else they go into a list of the company's own
    upstream_port: int
    tls: TlsFiles | None = None  # with it, DoT and DoH are served too


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server: how its configuration is written into a folder, and the command that starts it."""

    name: str
    command: Callable[[Job, Ports, Path], list[str]]


@dataclass(frozen=True, slots=True)
class Running:
    """A started server."""

    name: str
    ports: Ports
    pid: int


def moatdns(job: Job, ports: Ports, folder: Path, *, workers: int) -> list[str]:
    """Ours."""
    config: dict[str, Any] = {
        "listen": {"do53": [f"127.0.0.1:{ports.do53}"]},
        "clients": {"queries_per_second": 0},  # all load comes from one address
        "workers": workers,
        "state_dir": str(folder / "state"),
        "admin": {"listen": None},  # its port is one only, and several servers run beside each other
        "upstream": {"servers": [f"udp://127.0.0.1:{job.upstream_port}"]},
        "cache": {"max_mib": _CACHE_MIB},
        "policy": {"lists": [] if job.in_catalogue else [{"name": "house", "block": list(job.blocked)}]},
    }
    if job.tls:
        config["listen"] |= {"dot": [f"127.0.0.1:{ports.dot}"], "doh": [f"127.0.0.1:{ports.doh}"]}
        config["tls"] = {"certificate": str(job.tls.certificate), "private_key": str(job.tls.private_key)}
    path = folder / "moatdns.yaml"
    path.write_text(yaml.safe_dump(config))
    return [sys.executable, "-m", "resolver.cli", "serve", "--config", str(path)]


def _dnsmasq(job: Job, ports: Ports, folder: Path) -> list[str]:
    lines = [
        f"port={ports.do53}",
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


def unbound(job: Job, ports: Ports, folder: Path) -> list[str]:
    """unbound, which speaks DoT and DoH itself."""
    lines = [
        "server:",
        f"  interface: 127.0.0.1@{ports.do53}",
        *(_tls_of_unbound(job.tls, ports) if job.tls else ()),
        f"  incoming-num-tcp: {_CONNECTIONS}",
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


def _tls_of_unbound(tls: TlsFiles, ports: Ports) -> list[str]:
    return [
        f"  interface: 127.0.0.1@{ports.dot}",
        f"  interface: 127.0.0.1@{ports.doh}",
        f"  tls-port: {ports.dot}",
        f"  https-port: {ports.doh}",
        f'  tls-service-pem: "{tls.certificate}"',
        f'  tls-service-key: "{tls.private_key}"',
    ]


MOATDNS = "moatdns"
PEERS = ("dnsmasq", "unbound")
SERVERS = (
    Server(MOATDNS, functools.partial(moatdns, workers=1)),
    Server("moatdns, 2 workers", functools.partial(moatdns, workers=2)),
    Server("dnsmasq", _dnsmasq),
    Server("unbound", unbound),
)
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
