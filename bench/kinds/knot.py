"""Knot Resolver, blocking by a response policy zone. Its logs of queries are traces for debugging: it has none here."""

from __future__ import annotations

from pathlib import Path

from bench.kinds.job import CACHE_MIB, Job, Server, write_rpz
from bench.ways import Ports

KNOT = "knot-resolver"
_LEAST_CACHE_MIB = 20  # some MiB are the map's own


def server() -> Server:
    """One kresd process."""
    return Server(f"{KNOT} RPZ", "kresd", _command)


def _command(job: Job, ports: Ports, folder: Path) -> list[str]:
    write_rpz(folder / "rpz.zone", job.blocked)
    lines = [
        f"net.listen('127.0.0.1', {ports.do53}, {{kind = 'dns'}})",
        "modules.unload('ta_update')",
        "modules.unload('ta_signal_query')",
        "modules.unload('priming')",
        "modules.unload('detect_time_skew')",
        "modules.load('policy')",
        "trust_anchors.remove('.')",
        f"cache.size = {max(CACHE_MIB, _LEAST_CACHE_MIB)} * MB",
        f"policy.add(policy.rpz(policy.DENY, '{folder}/rpz.zone', false))",
        f"policy.add(policy.all(policy.STUB('127.0.0.1@{job.upstream_port}')))",
    ]
    if job.tls:
        lines[1:1] = [
            f"net.listen('127.0.0.1', {ports.dot}, {{kind = 'tls'}})",
            f"net.listen('127.0.0.1', {ports.doh}, {{kind = 'doh2'}})",
            f"net.tls('{job.tls.certificate}', '{job.tls.private_key}')",
        ]
    (folder / "kresd.conf").write_text("\n".join(lines) + "\n")
    return ["kresd", "-n", "-c", str(folder / "kresd.conf"), str(folder)]
