"""dnsdist with its packet cache: a load balancer, which forwards from one socket and checks no name in the answers."""

from __future__ import annotations

import functools
from pathlib import Path

from bench.kinds.job import CACHE_ENTRIES, SINKHOLE, SINKHOLE_IPV6, Job, Log, Server
from bench.ways import Ports

DNSDIST = "dnsdist"
_LACKS = {"doh": "1.7.3 leaves nearly all of dnsperf's concurrent POST requests of one connection unanswered"}


def server(*, log: Log = Log.NONE) -> Server:
    """dnsdist, with its log of hits, of all queries, or none."""
    told = DNSDIST if log is Log.NONE else f"{DNSDIST}, {log.value}"
    return Server(told, DNSDIST, functools.partial(_command, log=log), log, _LACKS)


def _command(job: Job, ports: Ports, folder: Path, *, log: Log) -> list[str]:
    """One thread for each transport, and no checks that the upstream would count."""
    (folder / "blocked").write_text("\n".join(job.blocked) + "\n")
    logged = f'LogAction("{folder}/queries.log", false, true, true)'  # text, appended, buffered
    lines = [
        f'setLocal("127.0.0.1:{ports.do53}")',
        f'newServer({{address="127.0.0.1:{job.upstream_port}", name="stub", checkInterval=3600}})',
        f'getPool(""):setCache(newPacketCache({CACHE_ENTRIES}))',
        "setMaxTCPClientThreads(1)",
        "setSecurityPollSuffix('')",
        "blocked = newSuffixMatchNode()",
        f'for name in io.lines("{folder}/blocked") do blocked:add(newDNSName(name)) end',
        *([f"addAction(AllRule(), {logged})"] if log is Log.ALL else ()),
        *([f"addAction(SuffixMatchNodeRule(blocked), {logged})"] if log is Log.HITS else ()),
        f'addAction(SuffixMatchNodeRule(blocked), SpoofAction({{"{SINKHOLE}", "{SINKHOLE_IPV6}"}}))',
        "addAction(SuffixMatchNodeRule(blocked), RCodeAction(DNSRCode.NOERROR))",  # other types have no data
    ]
    if job.tls:
        pair = f'"{job.tls.certificate}", "{job.tls.private_key}"'
        lines.append(f'addTLSLocal("127.0.0.1:{ports.dot}", {pair})')
        lines.append(f'addDOHLocal("127.0.0.1:{ports.doh}", {pair}, "/dns-query")')
    path = folder / "dnsdist.conf"
    path.write_text("\n".join(lines) + "\n")
    return ["dnsdist", "--supervised", "--disable-syslog", "-C", str(path)]
