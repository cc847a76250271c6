"""``python -m bench.streams``: TCP, DoT and DoH of moatdns, unbound and dnsdist under the same load, in one run.

CPU a query of the whole process tree, by turns, as `bench.compare` has it for UDP. The names are those of its mixed
workload: 80 % cached, 20 % blocked. Exit codes: 0 measured, 1 it could not be, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import trustme

from bench.errors import BenchError
from bench.kinds import MOATDNS, Server, TlsFiles, dnsdist, moatdns, unbound
from bench.measure import Effort, Measured, measure
from bench.report import LEGEND, table, to_plain
from bench.servers import check_programs, versions
from bench.ways import Dnsperf, ShortConnections, Way
from bench.workloads import workloads

QUERIES_A_CONNECTION = 10
WAYS: Mapping[str, tuple[str, Way]] = {
    "tcp": (
        f"TCP, {QUERIES_A_CONNECTION} queries in each of many connections, 8 at a time",
        ShortConnections(QUERIES_A_CONNECTION),
    ),
    "tcp-kept": ("TCP, 8 connections that stay, 200 queries outstanding", Dnsperf("tcp")),
    "dot": ("DoT, 8 connections that stay, 200 queries outstanding", Dnsperf("dot")),
    "dot-new": (
        f"DoT, {QUERIES_A_CONNECTION} queries one after the other in each of many connections, 8 at a time",
        ShortConnections(QUERIES_A_CONNECTION, tls=True),
    ),
    "doh": ("DoH by POST over HTTP/2, 8 connections that stay, 200 queries outstanding", Dnsperf("doh")),
}
_PLAIN = ("tcp", "tcp-kept")
PEERS = ("unbound", "dnsdist")


SERVERS = (
    Server(MOATDNS, functools.partial(moatdns, workers=1)),
    Server("unbound", unbound),
    Server("dnsdist", dnsdist),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the servers then, too
    options = _options(arguments)
    try:
        check_programs("unbound", "dnsdist", "dnsperf")
        _run(options.way or list(WAYS), Effort(options.rounds, options.seconds), as_json=options.json)
    except BenchError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("ended early; the servers are stopped")
        return 130
    return 0


def _run(ways: Sequence[str], effort: Effort, *, as_json: bool) -> None:
    found = versions("unbound", "dnsdist", "dnsperf")
    mixed = workloads()["mixed"]
    every: list[Measured] = []
    if not as_json:
        told = ", ".join(f"{program} {version}" for program, version in found.items())
        print(f"{effort.rounds} rounds of {effort.seconds:g} s on {os.cpu_count()} cores; {told}\n{LEGEND}")
    for name in ways:
        what, way = WAYS[name]
        workload = replace(mixed, name=name, what=f"{what}; {mixed.what}")
        with tempfile.TemporaryDirectory(prefix="moatdns-bench-") as folder:
            tls = _certificate(Path(folder)) if name not in _PLAIN else None
            measured = measure(workload, _servers(name), effort, Path(folder) / "run", _say, way=way, tls=tls)
        every.append(measured)
        if not as_json:
            print(f"\n{table(measured, PEERS)}", flush=True)
    if as_json:
        machine = {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
        results = [to_plain(measured, PEERS) for measured in every]
        print(json.dumps({"machine": machine, "versions": found, "results": results}, indent=2))


def _servers(way: str) -> Sequence[Server]:
    """All, but for dnsdist over DoH: 1.7.3 leaves most of what dnsperf asks at once on one connection unanswered."""
    return [server for server in SERVERS if (way, server.name) != ("doh", "dnsdist")]


def _certificate(folder: Path) -> TlsFiles:
    """A certificate for 127.0.0.1 with an elliptic key, the same for all servers."""
    issued = trustme.CA().issue_cert("127.0.0.1", "localhost")
    files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
    issued.private_key_pem.write_to_path(files.private_key)
    files.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return files


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.streams", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, choices=range(1, 1001), metavar="1-1000", default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="load in each turn")
    parser.add_argument("--way", action="append", choices=list(WAYS), help="only this one; may be given again")
    parser.add_argument("--json", action="store_true", help="print JSON with every sample, not tables")
    return parser.parse_args(arguments)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
