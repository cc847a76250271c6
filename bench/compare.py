"""``python -m bench.compare``: moatdns beside the C servers under the same load: CPU a query, latency, memory.

CPU is that of the whole process tree. With ``--compiled``, the compiled wheel is measured too; with
``--before``, a wheel of another version is what ours is compared with.

One run holds everything that is compared: the servers take turns in each round, and what is told is the median of the
rounds' ratios, so that a slow moment of the machine does not count for or against anybody. When a run's time is up, no
round begins any more.
Exit codes: 0 measured, 1 it could not be, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import plan
from bench.certificate import certificate
from bench.compiled import installed
from bench.errors import BenchError
from bench.footprint import measure_footprints
from bench.kinds.echo import ECHO
from bench.kinds.job import Server
from bench.kinds.ours import MOATDNS
from bench.kinds.unbound import UNBOUND
from bench.latency import measure_latency
from bench.measure import Effort, measure, scene
from bench.report import FEWEST, LEGEND, SAME_LOG, table, tables, to_plain
from bench.results import Results
from bench.rules import measure_rules
from bench.servers import check_programs, versions
from bench.svg import picture
from bench.workloads import workloads

_BEGAN = time.monotonic()
_HARD_STOP_SECONDS = 180  # after the time of a run: something hangs


@dataclass(frozen=True, slots=True)
class Extent:
    """How much a run measures."""

    plain: Effort
    streams: Effort
    rules: Effort
    latency: Effort
    starts: int
    sizes: tuple[int, ...]
    minutes: float


FULL = Extent(Effort(5, 0.8), Effort(5, 1.2), Effort(5, 0.8), Effort(3, 2.0), 5, plan.SIZES, 37.0)
QUICK = Extent(Effort(2, 0.3), Effort(2, 0.6), Effort(2, 0.3), Effort(1, 0.5), 2, plan.QUICK_SIZES, 4.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.default_int_handler)  # end the servers then, too
    try:
        options = _options(arguments)
        extent = _extent(options)
        signal.alarm(int(extent.minutes * 60) + _HARD_STOP_SECONDS)
        results, columns = _measured(options, extent)
    except BenchError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say("ended early; the servers are stopped")
        return 130
    finally:
        signal.alarm(0)
    print(f"\n{'=' * 40}\n\n{tables(results, columns)}\n\n{LEGEND}")
    if options.json:
        options.json.write_text(json.dumps(to_plain(results, columns), indent=1) + "\n")
    if options.svg:
        options.svg.write_text(picture(results))
    return 0 if results.measured or results.timed or results.footprints else 1


def _measured(options: argparse.Namespace, extent: Extent) -> tuple[Results, list[str]]:
    chosen = options.workload or plan.USUAL
    peers = options.peer or (() if options.before else plan.PEERS)
    with tempfile.TemporaryDirectory(prefix="moatdns-bench-") as name:
        folder = Path(name)
        wheels = plan.Wheels(
            installed(options.compiled, folder / "compiled") if options.compiled else None,
            installed(options.before, folder / "before") if options.before else None,
        )
        servers = [*plan.moatdns(wheels, unlisted=options.unlisted), *plan.peers(peers)]
        servers = plan.fewer(servers) if options.quick else servers
        programs = sorted({server.program for server in servers} - {MOATDNS, ECHO} | {"dnsperf"})
        check_programs(*programs)
        results = Results(
            date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=shlex.join(["python", "-m", "bench.compare", *(options.told or ())]),
            machine=_machine(),
            versions=versions(*programs),
            effort={"rounds": extent.plain.rounds, "seconds": extent.plain.seconds},
        )
        columns = _columns(servers, peers)
        told = ", ".join(f"{program} {version}" for program, version in results.versions.items())
        _say(f"{extent.plain.rounds} rounds of {extent.plain.seconds:g} s on {os.cpu_count()} cores; {told}")
        _all_parts(results, servers, chosen, extent, folder, columns)
    return results, columns


def _all_parts(
    results: Results, servers: list[Server], chosen: Sequence[str], extent: Extent, folder: Path, columns: list[str]
) -> None:
    plain = [name for name in (*plan.PLAIN, "mixed") if name in chosen]
    streams = [name for name in plan.WAYS if name in chosen]
    if plain or plan.LATENCY in chosen:
        timed = ["realistic"] if plan.LATENCY in chosen and "realistic" not in plain else []
        every = [workloads()[name] for name in (*plain, *timed)]
        taking_part = servers if plain else plan.latency_servers(servers)
        with scene(every, taking_part, folder / "plain", _say) as started:
            for name in plain:
                if _over(results, name, extent.plain):
                    continue
                results.measured.append(measure(started, workloads()[name], extent.plain, _say))
                print(f"\n{table(results.measured[-1], columns)}", flush=True)
            if plan.LATENCY in chosen and not _over(results, plan.LATENCY, extent.latency):
                names = [server.name for server in plan.latency_servers(servers)]
                realistic = workloads()["realistic"]
                found = measure_latency(started, names, realistic, extent.latency, _say)
                results.timed, results.missing[plan.LATENCY] = found
    if streams and not _over(results, ", ".join(streams), extent.streams):
        ways = [plan.stream(name) for name in streams]
        some = plan.stream_servers(servers)
        tls = certificate(folder)
        with scene([workload for workload, _ in ways], some, folder / "streams", _say, tls=tls) as started:
            for workload, way in ways:
                if not _over(results, workload.name, extent.streams):
                    results.measured.append(measure(started, workload, extent.streams, _say, way=way))
                    print(f"\n{table(results.measured[-1], columns)}", flush=True)
    if plan.FOOTPRINT in chosen and not _over(results, plan.FOOTPRINT, extent.plain):
        some = plan.footprint_servers(servers)
        starts = replace(extent.plain, rounds=extent.starts)
        found_there = measure_footprints(some, workloads()["blocked"], starts, folder / "footprint", _say)
        results.footprints, results.missing[plan.FOOTPRINT] = found_there
    if plan.RULES in chosen and not _over(results, plan.RULES, extent.rules):
        some = plan.rules_servers(servers)
        measured, started_in = measure_rules(some, extent.sizes, extent.rules, folder / "rules", _say)
        results.measured.append(measured)
        results.rules_started = started_in
        print(f"\n{table(measured, columns)}", flush=True)


def _machine() -> dict[str, str | float]:
    return {
        "cores": os.cpu_count() or 0,
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _over(results: Results, name: str, effort: Effort) -> bool:
    """Whether there is no time for a part, which is noted then."""
    if effort.is_over():
        results.skipped.append(name)
    return effort.is_over()


def _columns(servers: Sequence[Server], peers: Sequence[str]) -> list[str]:
    names = [server.name for server in servers]
    if plan.BEFORE in names:
        return [plan.BEFORE, FEWEST]
    compared = (UNBOUND, ECHO) if UNBOUND in peers else [name for name in names if not name.startswith(MOATDNS)]
    return [*compared[:1], *([SAME_LOG] if UNBOUND in peers else []), *compared[1:], FEWEST]


def _extent(options: argparse.Namespace) -> Extent:
    base = QUICK if options.quick else FULL
    until = time.monotonic() + (options.minutes or base.minutes) * 60

    def effort(usual: Effort) -> Effort:
        return Effort(options.rounds or usual.rounds, options.seconds or usual.seconds, until)

    return replace(
        base,
        plain=effort(base.plain),
        streams=effort(base.streams),
        rules=effort(base.rules),
        latency=effort(base.latency),
        minutes=options.minutes or base.minutes,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a look of five minutes at most; too short to quote")
    parser.add_argument("--rounds", type=_rounds, help=f"turns of each server (default {FULL.plain.rounds})")
    parser.add_argument("--seconds", type=_seconds, help=f"load in each turn (default {FULL.plain.seconds:g})")
    parser.add_argument("--minutes", type=_minutes, help=f"time of the run (default {FULL.minutes:g})")
    parser.add_argument("--workload", action="append", choices=plan.CHOICES, help="only this one; may be given again")
    parser.add_argument("--peer", action="append", choices=plan.PEERS, help="beside this one only; may be given again")
    parser.add_argument(
        "--compiled", type=Path, metavar="WHEEL", help="this wheel, or the folder that it is installed in"
    )
    parser.add_argument("--before", type=Path, metavar="WHEEL", help="beside this wheel of another version")
    parser.add_argument("--unlisted", action="store_true", help="measure ours with the inbox of unlisted names, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the ratios there")
    options = parser.parse_args(arguments)
    options.told = list(sys.argv[1:] if arguments is None else arguments)
    return options


def _rounds(text: str) -> int:
    rounds = int(text)
    if not 1 <= rounds <= 1000:
        raise argparse.ArgumentTypeError("from 1 to 1000")
    return rounds


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 60:
        raise argparse.ArgumentTypeError("from 0.1 to 60")
    return seconds


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0.1 <= minutes <= 600:
        raise argparse.ArgumentTypeError("from 0.1 to 600")
    return minutes


def _say(text: str) -> None:
    print(f"{time.monotonic() - _BEGAN:6.0f} s  {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
