"""unbound, blocking by local zones or by a response policy zone; it speaks DoT and DoH itself."""

from __future__ import annotations

import functools
from pathlib import Path

from bench.kinds.job import CACHE_MIB, CONNECTIONS, IN_FLIGHT, Job, Log, Server, TlsFiles, write_rpz
from bench.ways import Ports

UNBOUND = "unbound"
UNBOUND_RPZ = "unbound RPZ"


def server(*, log: Log = Log.NONE, rpz: bool = False) -> Server:
    """unbound; its log of hits names the blocked queries with their clients, its log of all each reply."""
    name = UNBOUND_RPZ if rpz else UNBOUND
    told = name if log is Log.NONE else f"{name}, {log.value}"
    return Server(told, UNBOUND, functools.partial(_command, log=log, rpz=rpz), log)


def _command(job: Job, ports: Ports, folder: Path, *, log: Log, rpz: bool) -> list[str]:
    lines = [
        "server:",
        f"  interface: 127.0.0.1@{ports.do53}",
        *(_tls(job.tls, ports) if job.tls else ()),
        f"  incoming-num-tcp: {CONNECTIONS}",
        "  do-ip6: no",
        "  num-threads: 1",
        "  so-rcvbuf: 4m",  # as moatdns has; dnsmasq has no such setting, and loses some of a burst
        f'  module-config: "{"respip " if rpz else ""}iterator"',
        "  do-not-query-localhost: no",
        f"  msg-cache-size: {CACHE_MIB // 2}m",
        f"  rrset-cache-size: {CACHE_MIB // 2}m",
        f"  num-queries-per-thread: {IN_FLIGHT}",
        f"  outgoing-range: {IN_FLIGHT}",
        '  username: ""',
        '  chroot: ""',
        f'  directory: "{folder}"',
        '  pidfile: ""',
        "  use-syslog: no",
        "  do-daemonize: no",
        *_log(log, rpz, folder),
        *(() if rpz else (f'  local-zone: "{name}." always_null' for name in job.blocked)),
    ]
    if rpz:
        write_rpz(folder / "rpz.zone", job.blocked)
        lines += ["rpz:", '  name: "rpz.bench."', f'  zonefile: "{folder}/rpz.zone"']
        lines += ["  rpz-log: yes", '  rpz-log-name: "bench"'] if log is Log.HITS else []
    lines += ["forward-zone:", '  name: "."', f"  forward-addr: 127.0.0.1@{job.upstream_port}"]
    lines += ["remote-control:", "  control-enable: no"]
    path = folder / "unbound.conf"
    path.write_text("\n".join(lines) + "\n")
    return ["unbound", "-d", "-c", str(path)]


def _log(log: Log, rpz: bool, folder: Path) -> list[str]:
    if log is Log.NONE:
        return []
    what = ["  log-replies: yes"] if log is Log.ALL else [] if rpz else ["  log-local-actions: yes"]
    return [f'  logfile: "{folder}/queries.log"', "  log-time-ascii: yes", *what]


def _tls(tls: TlsFiles, ports: Ports) -> list[str]:
    return [
        f"  interface: 127.0.0.1@{ports.dot}",
        f"  interface: 127.0.0.1@{ports.doh}",
        f"  tls-port: {ports.dot}",
        f"  https-port: {ports.doh}",
        f'  tls-service-pem: "{tls.certificate}"',
        f'  tls-service-key: "{tls.private_key}"',
    ]
