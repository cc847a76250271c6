"""A steady load by dnsperf, an independent client, beside whatever a run does meanwhile."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.load import Load, parse_report
from tests.support.programs import ended, program

SOCKETS = 16
OUTSTANDING = 20_000  # by default dnsperf stops at 100 and so hides an outage
LOST_AFTER_SECONDS = 2


class Dnsperf:
    """A dnsperf that runs; `load` once it was ended."""

    def __init__(self) -> None:
        self.load: Load | None = None


@contextlib.contextmanager
def dnsperf(port: int, queries: Path, per_second: int) -> Iterator[Dnsperf]:
    """Load a server while the context lasts."""
    command = [program("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-Q", str(per_second)]
    command += ["-c", str(SOCKETS), "-q", str(OUTSTANDING), "-t", str(LOST_AFTER_SECONDS), "-l", "3600"]
    running = Dnsperf()
    with ended(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=False)) as process:
        yield running
        process.send_signal(2)  # SIGINT: it waits for what is outstanding, and reports
        output, _ = process.communicate(timeout=30)
        running.load = parse_report(output.decode())
