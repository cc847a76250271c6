"""Cost of statistics and the query log: CPU a query of the workers, by turns with both switched off, in one run.

``python -m prove.telemetry_cost [--short]``: at saturation, and at 5,000 queries a second; a fifth are hits.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import load
from bench.arithmetic import microseconds_a_query, paired_ratios, spread, turns
from bench.cpu import read_tree
from prove.queries import write_for_dnsperf
from prove.service import Service
from prove.upstream import Upstream

_MOST_RATIO = 1.25
OPEN = [f"open-{number}.example" for number in range(400)]
BLOCKED = [f"n{number}.claude.ai" for number in range(100)]
_PACED = 5_000  # queries a second
_OFF = {"statistics": {"enabled": False}, "query_log": {"enabled": False}}
_VARIANTS: dict[str, dict[str, Any]] = {
    "both off": _OFF,
    "statistics, no query log": {"query_log": {"enabled": False}},
    "statistics, query log of hits": {},
    "statistics, query log of all": {"query_log": {"what": "all"}},
}


def main() -> int:
    """Measure and print; 1 when the bound is not kept."""
    parser = argparse.ArgumentParser(
        prog="python -m prove.telemetry_cost", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--short", action="store_true", help="fewer and shorter rounds")
    short = parser.parse_args().short
    rounds, seconds = (3, 1.5) if short else (7, 3.0)
    with tempfile.TemporaryDirectory(prefix="moatdns-bench-") as name, ExitStack() as running:
        folder = Path(name)
        write_for_dnsperf(queries := folder / "queries", [*OPEN, *BLOCKED])
        upstream = running.enter_context(Upstream(folder / "upstream"))
        services: dict[str, Service] = {}
        for number, (variant, config) in enumerate(_VARIANTS.items()):
            common = {"workers": 1, "upstream": {"servers": [upstream.server]}}
            service = Service(folder / str(number), {**common, **config})
            services[variant] = running.enter_context(service)
            load.one_pass(service.port, queries)

        def saturated(service: Service) -> int:
            return load.for_seconds(service.port, queries, seconds, repeat=True).answered

        def paced(service: Service) -> int:
            command = ["dnsperf", "-s", "127.0.0.1", "-p", str(service.port), "-d", str(queries), "-l", f"{seconds:g}"]
            done = subprocess.run([*command, "-Q", str(_PACED)], capture_output=True, text=True, check=True)
            return load.parse_report(done.stdout).answered

        workers = measured("at saturation", services, saturated, rounds)
        measured(f"at {_PACED} queries a second", services, paced, rounds)
    ratio = spread(paired_ratios(workers["statistics, query log of hits"], workers["both off"])).median
    print(f"\nworkers' ratio with statistics and query log of hits: {ratio:.3f}, at most {_MOST_RATIO}")
    return 0 if ratio <= _MOST_RATIO else 1


def measured(
    what: str, services: dict[str, Service], ask: Callable[[Service], int], rounds: int
) -> dict[str, list[float]]:
    """Microseconds a query of the workers, by variant and round."""
    workers: dict[str, list[float]] = {variant: [] for variant in services}
    trees: dict[str, list[float]] = {variant: [] for variant in services}
    names = list(services)
    for number in range(rounds):
        for turn in turns(len(names), number):
            service = services[names[turn]]
            pids = {"tree": service.pid, "worker": service.worker_pids()[0]}
            before = {kind: read_tree(pid) for kind, pid in pids.items()}
            answered = ask(service)
            used = {kind: read_tree(pid).since(before[kind]).ran_nanoseconds for kind, pid in pids.items()}
            workers[names[turn]].append(microseconds_a_query(used["worker"], answered))
            trees[names[turn]].append(microseconds_a_query(used["tree"], answered))
    print(f"\nCPU a query {what}, µs, medians of {rounds} rounds (ratio to the first)")
    for variant in names:
        line = f"  {variant:32}"
        for kind, measured in (("workers", workers), ("whole tree", trees)):
            ratio = spread(paired_ratios(measured[variant], measured[names[0]])).median
            line += f"  {kind} {statistics.median(measured[variant]):6.2f} ({ratio:.2f})"
        print(line)
    return workers


if __name__ == "__main__":
    sys.exit(main())
