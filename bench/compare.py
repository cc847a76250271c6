"""``python -m bench.compare``: moatdns beside dnsmasq, unbound and dnsdist under the same load, in CPU a query.

That of the whole process tree. With ``--compiled``, the compiled wheel is measured too; with
``--before``, a wheel of another version is what ours is compared with.

One run holds everything that is compared: the servers take turns in each round, and what is told is the median of the
rounds' ratios, so that a slow moment of the machine does not count for or against anybody.
Exit codes: 0 measured, 1 it could not be, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.compiled import installed
from bench.errors import BenchError
from bench.kinds import BEFORE, MOATDNS, PEERS, Server, one_of_each
from bench.measure import Effort, Measured, measure
from bench.report import LEGEND, table, to_plain
from bench.servers import check_programs, versions
from bench.workloads import Workload, workloads

FULL = Effort(rounds=7, seconds=1.5)
QUICK = Effort(rounds=3, seconds=0.5)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the servers then, too
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        known = workloads()
        options = _options(arguments, list(known))
        default = QUICK if options.quick else FULL
        effort = Effort(options.rounds or default.rounds, options.seconds or default.seconds)
        peers = options.peer or (() if options.before else PEERS)
        check_programs("dnsperf", *peers)
        with tempfile.TemporaryDirectory(prefix="moatdns-bench-") as folder:
            compiled = installed(options.compiled, Path(folder) / "compiled") if options.compiled else None
            before = installed(options.before, Path(folder) / "before") if options.before else None
            every = one_of_each(compiled=compiled, before=before, unlisted=options.unlisted)
            servers = [each for each in every if each.name in (*peers, BEFORE) or MOATDNS in each.name]
            chosen = [known[name] for name in options.workload or known]
            _run(chosen, servers, peers, effort, as_json=options.json)
    except BenchError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("ended early; the servers are stopped")
        return 130
    return 0


def _run(
    chosen: Sequence[Workload], servers: Sequence[Server], peers: Sequence[str], effort: Effort, *, as_json: bool
) -> None:
    found = versions("dnsperf", *peers)
    every: list[Measured] = []
    if not as_json:
        told = ", ".join(f"{program} {version}" for program, version in found.items())
        print(f"{effort.rounds} rounds of {effort.seconds:g} s on {os.cpu_count()} cores; {told}\n{LEGEND}")
    for workload in chosen:
        with tempfile.TemporaryDirectory(prefix="moatdns-bench-") as folder:
            measured = measure(workload, servers, effort, Path(folder), _say)
        every.append(measured)
        if not as_json:
            print(f"\n{table(measured, (*peers, BEFORE) if BEFORE in measured.samples else peers)}", flush=True)
    if as_json:
        machine = {"cores": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
        results = [to_plain(measured, (*peers, BEFORE)) for measured in every]
        effort_told = {"rounds": effort.rounds, "seconds": effort.seconds}
        print(json.dumps({"machine": machine, "versions": found, "effort": effort_told, "results": results}, indent=2))


def _options(arguments: Sequence[str] | None, names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a look of about a minute; too short to quote")
    parser.add_argument("--rounds", type=_rounds, help=f"turns of each server (default {FULL.rounds})")
    parser.add_argument("--seconds", type=_seconds, help=f"load in each turn (default {FULL.seconds:g})")
    parser.add_argument("--workload", action="append", choices=names, help="only this one; may be given again")
    parser.add_argument("--peer", action="append", choices=PEERS, help="beside this one only; may be given again")
    parser.add_argument("--compiled", type=Path, metavar="WHEEL", help="measure this wheel, too: dist/moatdns-….whl")
    parser.add_argument("--before", type=Path, metavar="WHEEL", help="beside this wheel of another version")
    parser.add_argument("--unlisted", action="store_true", help="measure ours with the inbox of unlisted names, too")
    parser.add_argument("--json", action="store_true", help="print JSON with every sample, not tables")
    return parser.parse_args(arguments)


def _rounds(text: str) -> int:
    rounds = int(text)
    if rounds < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return rounds


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("from 0.1 to 3600")
    return seconds


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
