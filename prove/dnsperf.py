"""A steady load by dnsperf, an independent client, beside whatever a run does meanwhile."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bench.load import Load, parse_report
from tests.support.programs import ended, program

SOCKETS = 16
OUTSTANDING = 20_000  # by default dnsperf stops at 100 and so hides an outage
LOST_AFTER_SECONDS = 2
_FED_SOCKETS = 64  # so that workers have even shares
_BUFFER_KIB = 4096  # for the answers of as many
_REPORT_SECONDS = 30.0


class Dnsperf:
    """A dnsperf that runs; `load` once it was ended."""

    def __init__(self) -> None:
        self.load: Load | None = None


class Fed(Dnsperf):
    """A dnsperf that is given its queries while it runs."""

    def __init__(self, feeder: threading.Thread) -> None:
        super().__init__()
        self._feeder = feeder

    def wait(self) -> None:
        """Wait until it was given all that there is."""
        self._feeder.join()


@contextlib.contextmanager
def dnsperf(port: int, queries: Path, per_second: int, *, tcp: bool = False) -> Iterator[Dnsperf]:
    """Load a server while the context lasts, with the queries of a file again and again."""
    command = [*_command(port, per_second), "-d", str(queries), "-l", "3600", "-m", "tcp" if tcp else "udp"]
    running = Dnsperf()
    with tempfile.TemporaryFile() as report, ended(_started(command, report)) as process:
        yield running
        process.send_signal(signal.SIGINT)  # it waits for what is outstanding, and reports
        running.load = _load(process, report)


@contextlib.contextmanager
def fed(port: int, lines: Iterator[bytes], per_second: int) -> Iterator[Fed]:
    """Load a server with each of `lines` (pieces of dnsperf's data file) once, as fast as `per_second` lets it."""
    command = [*_command(port, per_second, sockets=_FED_SOCKETS), "-n", "1", "-b", str(_BUFFER_KIB)]
    with tempfile.TemporaryFile() as report, ended(_started(command, report, stdin=subprocess.PIPE)) as process:
        assert process.stdin
        pipe = process.stdin

        def feed() -> None:
            with contextlib.suppress(BrokenPipeError), pipe:  # it has ended, and its report tells how
                pipe.writelines(lines)

        feeder = threading.Thread(target=feed, name="feeder of dnsperf")
        feeder.start()
        running = Fed(feeder)
        try:
            yield running
            running.load = _load(process, report)
        finally:
            process.kill()  # so that the feeder ends, too
            feeder.join()


def _started(command: list[str], report: IO[bytes], stdin: int | None = None) -> subprocess.Popen[bytes]:
    """Into a file, and no pipe: each query that is lost is told there, and nobody reads a pipe meanwhile."""
    return subprocess.Popen(command, stdin=stdin, stdout=report, stderr=subprocess.STDOUT)


def _load(process: subprocess.Popen[bytes], report: IO[bytes]) -> Load:
    process.wait(_REPORT_SECONDS)
    report.seek(0)
    return parse_report(report.read().decode())


def _command(port: int, per_second: int, *, sockets: int = SOCKETS) -> list[str]:
    command = [program("dnsperf"), "-s", "127.0.0.1", "-p", str(port), "-Q", str(per_second)]
    return [*command, "-c", str(sockets), "-q", str(OUTSTANDING), "-t", str(LOST_AFTER_SECONDS)]
