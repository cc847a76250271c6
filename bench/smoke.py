"""A short run that fails when moatdns has become twice as slow: ``python -m bench.smoke [--compiled WHEEL]``.

Its ratios to unbound and to the echo are compared with those of bench/recorded.json, which ``--record`` writes anew.
Exit codes: 0 as recorded, 1 slower or not measured, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import plan
from bench.certificate import certificate
from bench.compiled import installed
from bench.errors import BenchError
from bench.goals import cpu_ratio
from bench.kinds import echo, ours, unbound
from bench.kinds.job import Log
from bench.measure import Effort, measure, scene
from bench.servers import check_programs, versions

RECORDED = Path(__file__).resolve().parent / "recorded.json"
MOST_TIMES = 2.0
_EFFORT = Effort(rounds=3, seconds=0.4)
_MOST_SECONDS = 150
# workload: the server that ours is compared with
COMPARED = {
    "blocked": (unbound.server(log=Log.HITS).name, echo.ECHO),
    "cached": (unbound.UNBOUND, echo.ECHO),
    "missed": (unbound.UNBOUND,),
    "doh": (unbound.UNBOUND,),
}


def measured_ratios(compiled: str | None) -> dict[str, float]:
    """CPU a query of ours ÷ theirs: medians by "workload: ours ÷ theirs". Raises BenchError when one cannot be had."""
    form = [ours.server(), *([ours.server("compiled", python=compiled)] if compiled else [])]
    servers = [*form, unbound.server(), unbound.server(log=Log.HITS), echo.server()]
    chosen = {name: plan.stream(name) if name in plan.WAYS else plan.plain(name) for name in COMPARED}
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="moatdns-bench-") as name:
        folder = Path(name)
        every = [workload for workload, _ in chosen.values()]
        with scene(every, servers, folder / "smoke", _say, tls=certificate(folder)) as started:
            for workload, way in chosen.values():
                theirs = COMPARED[workload.name]
                names = [*(server.name for server in form), *theirs]
                measured = measure(started, workload, _EFFORT, _say, way=way, names=names)
                for server in form:
                    for other in theirs:
                        ratio = cpu_ratio(measured, server.name, other)
                        if ratio is None:
                            raise BenchError(f"{workload.name}: {measured.missing}")
                        found[f"{workload.name}: {server.name} ÷ {other}"] = ratio.median
    return found


def slower(found: dict[str, float], recorded: dict[str, float]) -> list[str]:
    """Sentences for those ratios that are twice the recorded ones, or more, or not recorded at all."""
    told = []
    for name, ratio in found.items():
        if name not in recorded:
            told.append(f"{name}: {ratio:.2f}, and none is recorded: python -m bench.smoke --record")
        elif ratio >= MOST_TIMES * recorded[name]:
            told.append(f"{name}: {ratio:.2f}, recorded are {recorded[name]:.2f}")
    return told


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare and print; the exit code."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.default_int_handler)  # end the servers then, too
    parser = argparse.ArgumentParser(prog="python -m bench.smoke", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--compiled", type=Path, metavar="WHEEL", help="this wheel, or the folder that it is installed in"
    )
    parser.add_argument("--record", action="store_true", help="write the ratios into bench/recorded.json")
    options = parser.parse_args(arguments)
    signal.alarm(_MOST_SECONDS)
    try:
        check_programs("unbound", "dnsperf")
        with tempfile.TemporaryDirectory(prefix="moatdns-bench-") as folder:
            compiled = installed(options.compiled, Path(folder) / "compiled") if options.compiled else None
            found = measured_ratios(compiled)
    except BenchError as error:
        _say(str(error))
        return 1
    except KeyboardInterrupt:
        _say(f"ended early, after {_MOST_SECONDS} s at most; the servers are stopped")
        return 1
    finally:
        signal.alarm(0)
    if options.record:
        _record(found)
    recorded: dict[str, float] = json.loads(RECORDED.read_text())["ratios"]
    for name, ratio in found.items():
        print(f"{name}: {ratio:.2f} (recorded: {recorded.get(name, float('nan')):.2f})")
    told = slower(found, recorded)
    if told:
        _say(f"twice as slow as recorded, or worse ({RECORDED.name}):\n" + "\n".join(told))
    return 1 if told else 0


def _record(found: dict[str, float]) -> None:
    """Keep what is recorded of forms that were not measured now."""
    before: dict[str, float] = json.loads(RECORDED.read_text())["ratios"] if RECORDED.exists() else {}
    ratios = {name: round(ratio, 2) for name, ratio in {**before, **found}.items()}
    kept = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "versions": versions("unbound", "dnsperf"),
        "ratios": ratios,
    }
    RECORDED.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
