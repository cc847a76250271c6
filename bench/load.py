"""The load: dnsperf with 8 sockets and 200 queries outstanding, so that the server under it is never idle."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError

SOCKETS = 8
OUTSTANDING = 200
LOST_AFTER_SECONDS = 2
_MOST_SECONDS = 120  # of one run: it waits without end for a connection that is never answered
_NUMBERS = {
    "sent": re.compile(r"Queries sent:\s+(\d+)"),
    "completed": re.compile(r"Queries completed:\s+(\d+)"),
    "lost": re.compile(r"Queries lost:\s+(\d+)"),
}
_SECONDS = re.compile(r"Run time \(s\):\s+([\d.]+)")
_NOERROR = re.compile(r"Response codes:.*?NOERROR (\d+)")


@dataclass(frozen=True, slots=True)
class Load:
    """dnsperf's figures of one run."""

    sent: int
    answered: int  # with NOERROR
    failed: int  # with any other rcode
    lost: int  # no answer within LOST_AFTER_SECONDS
    seconds: float

    @property
    def queries_per_second(self) -> float:
        """Answers a second, failed ones left out."""
        return self.answered / self.seconds


def for_seconds(port: int, queries: Path, seconds: float, *, repeat: bool) -> Load:
    """Load a server for `seconds`; without `repeat`, only until each query of the file was asked once."""
    return run_dnsperf(port, queries, "-l", f"{seconds:g}", *([] if repeat else ["-n", "1"]))


def one_pass(port: int, queries: Path) -> Load:
    """Ask every query of the file once."""
    return run_dnsperf(port, queries, "-n", "1")


def run_dnsperf(port: int, queries: Path, *options: str) -> Load:
    """One run of dnsperf with the socket and query counts above. Raises BenchError when it fails."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries)]
    command += ["-c", str(SOCKETS), "-q", str(OUTSTANDING), "-t", str(LOST_AFTER_SECONDS), *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_MOST_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchError(f"dnsperf {' '.join(options)} did not end within {_MOST_SECONDS} s") from None
    if done.returncode:
        raise BenchError(f"dnsperf ended with status {done.returncode}: {done.stderr.strip()}")
    return parse_report(done.stdout)


def parse_report(report: str) -> Load:
    """Read dnsperf's statistics. Raises BenchError when they are not there."""
    found = {what: pattern.search(report) for what, pattern in _NUMBERS.items()}
    seconds = _SECONDS.search(report)
    counts = {what: int(match[1]) for what, match in found.items() if match}
    if len(counts) < len(_NUMBERS) or seconds is None:
        raise BenchError(f"dnsperf's report is not understood:\n{report}")
    noerror = _NOERROR.search(report)
    answered = int(noerror[1]) if noerror else 0
    return Load(counts["sent"], answered, counts["completed"] - answered, counts["lost"], float(seconds[1]))
