"""``make prove``: load and fault runs against a real moatdns on loopback; each figure beside its target.

Exit codes: 0 every target is met, 1 one is missed or a run could not be finished, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from prove.figures import Figure
from prove.machine import machine
from prove.report import Result, table, to_plain
from prove.runs import RUNS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what was chosen, and print; the exit code."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # end the servers then, too
    signal.signal(signal.SIGHUP, signal.default_int_handler)
    options = _options(arguments)
    before = machine()
    if not options.json:
        print("before: " + ", ".join(f"{what} {value}" for what, value in before.items()), flush=True)
    results = []
    try:
        for name in options.run or RUNS:
            _say(f"{name} …")
            results.append(_result(name, short=options.short))
            if not options.json:
                print(f"\n{table(results[-1])}", flush=True)
    except KeyboardInterrupt:
        _say("ended early; the servers are stopped")
        return 130
    met = all(result.met for result in results)
    if options.json:
        plain = {"before": before, "after": machine(), "met": met, "runs": [to_plain(result) for result in results]}
        print(json.dumps(plain, indent=2))
    else:
        print("\nafter: " + ", ".join(f"{what} {value}" for what, value in machine().items()))
        print("every target is met" if met else "targets are MISSED")
    return 0 if met else 1


def _result(name: str, *, short: bool) -> Result:
    what, full_run, short_run = RUNS[name]
    began = time.monotonic()
    figures: list[Figure] = []
    failure = ""
    with tempfile.TemporaryDirectory(prefix="moatdns-prove-") as folder:
        try:
            figures = (short_run if short else full_run)(Path(folder))
        except Exception as error:  # the other runs are made all the same
            failure = f"{type(error).__name__}: {error}"
    return Result(name, what, time.monotonic() - began, figures, failure)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m prove",
        description=(__doc__ or "").split("\n\n")[0],
        epilog="\n".join(f"  {name:20} {what}" for name, (what, _, _) in RUNS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", nargs="*", help="only these; left out, all", metavar="RUN")
    parser.add_argument("--short", action="store_true", help="a look at each, as `make test-load` does; no proof")
    parser.add_argument("--json", action="store_true", help="print JSON, not tables")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.run if name not in RUNS]:
        parser.error(f"no run is called {unknown[0]}; there are {', '.join(RUNS)}")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
