"""PowerDNS Recursor, blocking by a response policy zone; it listens by UDP and TCP only."""

from __future__ import annotations

import functools
from pathlib import Path

from bench.kinds.job import CACHE_ENTRIES, CONNECTIONS, IN_FLIGHT, Job, Log, Server, write_rpz
from bench.ways import Ports

RECURSOR = "pdns-recursor"
_LACKS = {"dot": "has no DoT for clients", "doh": "has no DoH", "doh-get": "has no DoH"}


def server(*, log: Log = Log.NONE) -> Server:
    """The recursor; its log of all (`quiet=no`) goes to standard error, which is a file here."""
    name = f"{RECURSOR} RPZ"
    told = name if log is Log.NONE else f"{name}, {log.value}"
    return Server(told, "pdns_recursor", functools.partial(_command, log=log), log, _LACKS)


def _command(job: Job, ports: Ports, folder: Path, *, log: Log) -> list[str]:
    write_rpz(folder / "rpz.zone", job.blocked)
    (folder / "rpz.lua").write_text(f'rpzFile("{folder}/rpz.zone", {{policyName="bench", ignoreDuplicates=true}})\n')
    settings = {
        "local-address": "127.0.0.1",
        "local-port": ports.do53,
        "allow-from": "127.0.0.0/8",
        "dont-query": "",
        "forward-zones-recurse": f".=127.0.0.1:{job.upstream_port}",
        "threads": 1,
        "pdns-distributes-queries": "no",
        "dnssec": "off",
        "max-cache-entries": CACHE_ENTRIES,
        "max-packetcache-entries": CACHE_ENTRIES,
        "max-mthreads": IN_FLIGHT,
        "max-tcp-clients": CONNECTIONS,
        "security-poll-suffix": "",
        "socket-dir": folder,
        "daemon": "no",
        "disable-syslog": "yes",
        "quiet": "no" if log is Log.ALL else "yes",
        "lua-config-file": folder / "rpz.lua",
        "hint-file": "no",
        "config-dir": folder,
        "webserver": "no",
    }
    (folder / "recursor.conf").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return ["pdns_recursor", f"--config-dir={folder}"]
