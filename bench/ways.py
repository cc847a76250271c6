"""The ways to ask a server: UDP, TCP, DoT and DoH, each with the load that keeps it busy."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.errors import BenchError
from bench.load import Load, run_dnsperf

_PROCESS_SPARE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens on 127.0.0.1; the last two only if it serves TLS."""

    do53: int  # UDP and TCP
    dot: int
    doh: int


class Way(Protocol):
    """How queries reach a server."""

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """Load a server for `seconds`; without `repeat`, only until each query of the file was asked once."""

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """Ask every query of the file once."""


@dataclass(frozen=True, slots=True)
class Dnsperf:
    """By dnsperf: its sockets or connections stay open, and 200 queries are outstanding."""

    mode: str = "udp"  # as its -m has it

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """See Way."""
        return self._run(ports, queries, "-l", f"{seconds:g}", *([] if repeat else ["-n", "1"]))

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """See Way."""
        return self._run(ports, queries, "-n", "1")

    def _run(self, ports: Ports, queries: Path, *limits: str) -> Load:
        port = {"dot": ports.dot, "doh": ports.doh}.get(self.mode, ports.do53)
        options = ["-m", self.mode]
        if self.mode == "doh":
            options += ["-O", f"doh-uri=https://127.0.0.1:{port}/dns-query", "-O", "doh-method=POST"]
        return run_dnsperf(port, queries, *options, *limits)


@dataclass(frozen=True, slots=True)
class ShortConnections:
    """By `bench.short_connections`: connections of a few queries each. (dnsperf pauses 0.1 s before each new one.)"""

    queries_each: int
    tls: bool = False

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """See Way."""
        return self._run(ports, queries, seconds, *([] if repeat else ["--once"]))

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """See Way."""
        return self._run(ports, queries, _PROCESS_SPARE_SECONDS, "--once")

    def _run(self, ports: Ports, queries: Path, seconds: float, *options: str) -> Load:
        command = [sys.executable, "-m", "bench.short_connections", str(ports.dot if self.tls else ports.do53)]
        command += [str(queries), "--queries", str(self.queries_each), "--seconds", f"{seconds:g}", *options]
        command += ["--tls"] if self.tls else []
        limit = seconds + _PROCESS_SPARE_SECONDS
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
        if done.returncode:
            raise BenchError(f"the load ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
        return Load(**json.loads(done.stdout))


UDP = Dnsperf()
