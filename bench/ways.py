"""The ways to ask a server: UDP, TCP, DoT and DoH, each with the load that keeps it busy."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench import datagrams
from bench.errors import BenchError
from bench.load import Load, run_dnsperf
from bench.queries import Asked

_PROCESS_SPARE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens on 127.0.0.1; the last two only if it serves TLS."""

    do53: int  # UDP and TCP
    dot: int
    doh: int


class Way(Protocol):
    """How queries reach a server."""

    @property
    def kind(self) -> str:
        """The transport: udp, tcp, dot, doh or doh-get; Server.lacks has it."""

    def write(self, path: Path, queries: Iterable[Asked]) -> None:
        """Write the file that the load reads."""

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """Load a server for `seconds`; without `repeat`, only until each query of the file was asked once."""

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """Ask every query of the file once."""


@dataclass(frozen=True, slots=True)
class Udp:
    """By bench/c/load.c: a socket a client, 150 queries outstanding."""

    kind: str = "udp"

    def write(self, path: Path, queries: Iterable[Asked]) -> None:
        """See Way."""
        datagrams.write_queries(path, queries)

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """See Way."""
        return datagrams.saturate(ports.do53, queries, seconds, once=not repeat)

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """See Way."""
        return datagrams.saturate(ports.do53, queries, _PROCESS_SPARE_SECONDS, once=True)


class Lines:
    """Queries as dnsperf's data file has them: name and type, of one client without options."""

    def write(self, path: Path, queries: Iterable[Asked]) -> None:
        """See Way."""
        with path.open("w") as file:
            file.writelines(f"{asked.name} {asked.qtype}\n" for asked in queries)


@dataclass(frozen=True)
class Dnsperf(Lines):
    """By dnsperf: its connections stay open, and 200 queries are outstanding."""

    kind: str  # as its -m has it

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """See Way."""
        return self._run(ports, queries, "-l", f"{seconds:g}", *([] if repeat else ["-n", "1"]))

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """See Way."""
        return self._run(ports, queries, "-n", "1")

    def _run(self, ports: Ports, queries: Path, *limits: str) -> Load:
        port = {"dot": ports.dot, "doh": ports.doh}.get(self.kind, ports.do53)
        options = ["-m", self.kind]
        if self.kind == "doh":
            options += ["-O", f"doh-uri=https://127.0.0.1:{port}/dns-query", "-O", "doh-method=POST"]
        return run_dnsperf(port, queries, *options, *limits)


@dataclass(frozen=True)
class ShortConnections(Lines):
    """By `bench.short_connections`: connections of a few queries each. (dnsperf pauses 0.1 s before each new one.)"""

    queries_each: int
    tls: bool = False

    @property
    def kind(self) -> str:
        """See Way."""
        return "dot" if self.tls else "tcp"

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """See Way."""
        port = ports.dot if self.tls else ports.do53
        options = ["--queries", str(self.queries_each), *(["--tls"] if self.tls else [])]
        return _by_module("bench.short_connections", port, queries, seconds, *options, *([] if repeat else ["--once"]))

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """See Way."""
        return self.for_seconds(ports, queries, _PROCESS_SPARE_SECONDS, repeat=False)


@dataclass(frozen=True, slots=True)
class DohGet:
    """By `bench.doh_load`: GET over HTTP/2 as Chromium sends it, 8 connections, 200 queries outstanding."""

    kind: str = "doh-get"

    def write(self, path: Path, queries: Iterable[Asked]) -> None:
        """See Way."""
        path.write_text(json.dumps([[asked.name, asked.qtype] for asked in queries]))

    def for_seconds(self, ports: Ports, queries: Path, seconds: float, *, repeat: bool) -> Load:
        """See Way."""
        return _by_module("bench.doh_load", ports.doh, queries, seconds, *([] if repeat else ["--once"]))

    def one_pass(self, ports: Ports, queries: Path) -> Load:
        """See Way."""
        return self.for_seconds(ports, queries, _PROCESS_SPARE_SECONDS, repeat=False)


def _by_module(module: str, port: int, queries: Path, seconds: float, *options: str) -> Load:
    command = [sys.executable, "-m", module, str(port), str(queries), "--seconds", f"{seconds:g}", *options]
    limit = seconds + _PROCESS_SPARE_SECONDS
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    if done.returncode:
        raise BenchError(f"the load ended with status {done.returncode}: {done.stderr.strip()[-2000:]}")
    return Load(**json.loads(done.stdout))


UDP = Udp()
