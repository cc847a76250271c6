"""The servers side by side: how each is configured for the same job, and the command that starts it.

What a server can be tuned in is set alike: a cache for about 10,000 answers, room for more queries in flight than the
load has, no query log, no validation, one thread or process unless its name says otherwise. All listen on 127.0.0.1
only.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.ways import Ports

_CACHE_ENTRIES = 10_000  # dnsmasq's default is 150, and it advises against more than this
_CACHE_MIB = 8  # about as many entries
_IN_FLIGHT = 4096
_CONNECTIONS = 1000  # as many as a worker of moatdns holds


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate and key that a server shows to TLS clients."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, slots=True)
class Job:
    """The task of every server: answer `blocked` with 0.0.0.0, forward the rest."""

    blocked: tuple[str, ...]
    in_catalogue: bool  # moatdns knows these names already; else they go into a list of the company's own
    upstream_port: int
    tls: TlsFiles | None = None  # with it, DoT and DoH are served too


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server: how its configuration is written into a folder, and the command that starts it."""

    name: str
    command: Callable[[Job, Ports, Path], list[str]]


def moatdns(
    job: Job,
    ports: Ports,
    folder: Path,
    *,
    workers: int,
    python: str = sys.executable,
    query_log: bool = True,
    unlisted: bool = False,
) -> list[str]:
    """Ours, by the interpreter that it is installed for."""
    config: dict[str, Any] = {
        "listen": {"do53": [f"127.0.0.1:{ports.do53}"]},
        "clients": {"queries_per_second": 0},  # all load comes from one address
        "workers": workers,
        "state_dir": str(folder / "state"),
        "admin": {"listen": None},  # its port is one only, and several servers run beside each other
        "upstream": {"servers": [f"udp://127.0.0.1:{job.upstream_port}"]},
        "cache": {"max_mib": _CACHE_MIB},
        "query_log": {"enabled": query_log},
        **({"unlisted": {"enabled": True}} if unlisted else {}),
        "policy": {"lists": [] if job.in_catalogue else [{"name": "house", "block": list(job.blocked)}]},
    }
    if job.tls:
        config["listen"] |= {"dot": [f"127.0.0.1:{ports.dot}"], "doh": [f"127.0.0.1:{ports.doh}"]}
        config["tls"] = {"certificate": str(job.tls.certificate), "private_key": str(job.tls.private_key)}
    path = folder / "moatdns.yaml"
    path.write_text(yaml.safe_dump(config))
    return [str(Path(python).parent / "moatdns"), "serve", "--config", str(path)]


def dnsmasq(job: Job, ports: Ports, folder: Path) -> list[str]:
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


def dnsdist(job: Job, ports: Ports, folder: Path) -> list[str]:
    """dnsdist with its packet cache, one thread for each transport, and no checks that the upstream would count."""
    lines = [
        f'setLocal("127.0.0.1:{ports.do53}")',
        f'newServer({{address="127.0.0.1:{job.upstream_port}", name="stub", checkInterval=3600}})',
        f'getPool(""):setCache(newPacketCache({_CACHE_ENTRIES}))',
        "setMaxTCPClientThreads(1)",
        "setSecurityPollSuffix('')",
        "blocked = newDNSNameSet()",
        *(f'blocked:add(newDNSName("{name}"))' for name in job.blocked),
        'addAction(QNameSetRule(blocked), SpoofAction("0.0.0.0"))',
    ]
    if job.tls:
        pair = f'"{job.tls.certificate}", "{job.tls.private_key}"'
        lines.append(f'addTLSLocal("127.0.0.1:{ports.dot}", {pair})')
        lines.append(f'addDOHLocal("127.0.0.1:{ports.doh}", {pair}, "/dns-query")')
    path = folder / "dnsdist.conf"
    path.write_text("\n".join(lines) + "\n")
    return ["dnsdist", "--supervised", "--disable-syslog", "-C", str(path)]


MOATDNS = "moatdns"
PEERS = ("dnsmasq", "unbound", "dnsdist")
BEFORE = "before"  # another version of moatdns


def one_of_each(
    *, compiled: str | None = None, before: str | None = None, unlisted: bool = False
) -> tuple[Server, ...]:
    """Servers of a comparison; `compiled` and `before` are interpreters that wheels are installed for.

    With `unlisted`, ours comes a second time, with the inbox of unlisted names on.

    Beside another version, ours is in the form that is compared: compiled where a compiled wheel is given.
    """
    peers = (Server("dnsmasq", dnsmasq), Server("unbound", unbound), Server("dnsdist", dnsdist))
    if before:
        ours_as = functools.partial(moatdns, workers=1, python=compiled or sys.executable)
        return Server(MOATDNS, ours_as), Server(BEFORE, functools.partial(moatdns, workers=1, python=before)), *peers
    ours = [Server(MOATDNS, functools.partial(moatdns, workers=1))]
    if compiled:
        ours.append(Server(f"{MOATDNS}, compiled", functools.partial(moatdns, workers=1, python=compiled)))
    if unlisted:
        watching = functools.partial(moatdns, workers=1, python=compiled or sys.executable, unlisted=True)
        ours.append(Server(f"{MOATDNS}{', compiled' if compiled else ''}, unlisted names", watching))
    unlogged = functools.partial(moatdns, workers=1, python=compiled or sys.executable, query_log=False)
    ours.append(Server(f"{MOATDNS}{', compiled' if compiled else ''}, no query log", unlogged))
    ours.append(Server(f"{MOATDNS}, 2 workers", functools.partial(moatdns, workers=2)))
    return (*ours, *peers)
