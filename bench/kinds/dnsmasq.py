"""dnsmasq; it has neither TLS nor a log of hits alone."""

from __future__ import annotations

import functools
from pathlib import Path

from bench.kinds.job import CACHE_ENTRIES, IN_FLIGHT, SINKHOLE, SINKHOLE_IPV6, Job, Log, Server
from bench.ways import Ports

DNSMASQ = "dnsmasq"
_LACKS = {
    "tcp": "starts a process for each connection, whose CPU time is gone with it",
    "dot": "has no DoT",
    "doh": "has no DoH",
    "doh-get": "has no DoH",
}


def server(*, log: Log = Log.NONE) -> Server:
    """dnsmasq, with its log of queries and answers or without."""
    told = DNSMASQ if log is Log.NONE else f"{DNSMASQ}, {log.value}"
    return Server(told, DNSMASQ, functools.partial(_command, log=log), log, _LACKS)


def _command(job: Job, ports: Ports, folder: Path, *, log: Log) -> list[str]:
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
        f"cache-size={CACHE_ENTRIES}",
        f"dns-forward-max={IN_FLIGHT}",
        *(["log-queries", f"log-facility={folder}/queries.log"] if log is Log.ALL else ["log-facility=-"]),
    ]
    for name in job.blocked:
        lines += [f"address=/{name}/{SINKHOLE}", f"address=/{name}/{SINKHOLE_IPV6}", f"local=/{name}/"]
    path = folder / "dnsmasq.conf"
    path.write_text("\n".join(lines) + "\n")
    return ["dnsmasq", f"--conf-file={path}"]
