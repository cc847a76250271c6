"""One workload, all servers, by turns: start them, see that they answer rightly, warm them, take the samples."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.arithmetic import microseconds_a_query, turns
from bench.ask import addresses, stub_count
from bench.cpu import CpuTime, read_tree
from bench.errors import BenchError
from bench.kinds import Job, Server, TlsFiles
from bench.load import Load
from bench.servers import Running, running, running_stub
from bench.ways import UDP, Way
from bench.workloads import MOST_MISSES_A_SECOND, Workload, unique_names, write_queries

_CHECKED_NAMES = 20  # of a workload, at each server
_MOST_WARM_UPS = 50  # passes; with two workers each name must have come to both
_WARM_UP_MISSES = 25_000  # more than any cache here holds: in service, caches are full


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float  # of load in each turn


@dataclass(frozen=True, slots=True)
class Sample:
    """One turn of one server."""

    cpu: CpuTime  # of the whole process tree
    load: Load
    upstream_queries: int

    @property
    def cpu_microseconds(self) -> float:
        """CPU for each query answered."""
        return microseconds_a_query(self.cpu.ran_nanoseconds, self.load.answered)

    @property
    def busy(self) -> float:
        """How many of its threads had work at a time, on a core or waiting for one: near 1 for one at saturation."""
        return (self.cpu.ran_nanoseconds + self.cpu.waited_nanoseconds) / 1e9 / self.load.seconds


@dataclass(frozen=True, slots=True)
class Measured:
    """A workload's samples: for each server, one a round."""

    workload: Workload
    samples: dict[str, list[Sample]]


def measure(
    workload: Workload,
    servers: Sequence[Server],
    effort: Effort,
    folder: Path,
    say: Callable[[str], None],
    *,
    way: Way = UDP,
    tls: TlsFiles | None = None,
) -> Measured:
    """Measure one workload, asked in one way, in an empty folder. Raises BenchError when a number would mean nothing.

    With `tls`, the servers serve DoT and DoH too.
    """
    with contextlib.ExitStack() as stack:
        stub = stack.enter_context(running_stub(_made(folder / "stub")))
        job = Job(workload.blocked, workload.in_catalogue, stub.ports.do53, tls)
        started = [
            stack.enter_context(running(server, job, _made(folder / str(number))))
            for number, server in enumerate(servers)
        ]
        queries = folder / "queries"
        write_queries(queries, workload.queries())
        for server in started:
            _check(server, workload)
            _warm(server, workload, way, stub, queries)
        samples: dict[str, list[Sample]] = {server.name: [] for server in started}
        for number in range(effort.rounds):
            say(f"{workload.name}: round {number + 1} of {effort.rounds}")
            if workload.unique:
                # The same names for all, new in each round. Nobody comes to the end of the file.
                write_queries(queries, unique_names(int(effort.seconds * MOST_MISSES_A_SECOND), f"r{number}"))
            for turn in turns(len(started), number):
                server = started[turn]
                samples[server.name].append(_sample(server, workload, way, stub, queries, effort.seconds))
        return Measured(workload, samples)


def _sample(server: Running, workload: Workload, way: Way, stub: Running, queries: Path, seconds: float) -> Sample:
    asked_before = stub_count(stub.ports.do53)
    before = read_tree(server.pid)
    seen = way.for_seconds(server.ports, queries, seconds, repeat=not workload.unique)
    used = read_tree(server.pid).since(before)
    if not seen.answered:
        raise BenchError(f"{server.name}, {workload.name}: no query was answered")
    return Sample(used, seen, stub_count(stub.ports.do53) - asked_before)


def _check(server: Running, workload: Workload) -> None:
    """Raise BenchError unless some names of each kind get the answer that they must."""
    kinds = (workload.blocked, workload.forwarded, tuple(unique_names(1, "check")) if workload.unique else ())
    for names in kinds:
        for name in names[:: max(1, len(names) // _CHECKED_NAMES)]:
            found, expected = addresses(server.ports.do53, name), workload.expected(name)
            if found != [expected]:
                raise BenchError(f"{server.name}, {workload.name}: the answer for {name} is {found}, not {expected}")


def _warm(server: Running, workload: Workload, way: Way, stub: Running, queries: Path) -> None:
    """Ask everything until the upstream is not asked any more; of what always is, until caches are full."""
    if workload.unique:
        write_queries(queries, unique_names(_WARM_UP_MISSES, "warm"))
        way.one_pass(server.ports, queries)
        return
    for _ in range(_MOST_WARM_UPS):
        asked_before = stub_count(stub.ports.do53)
        way.one_pass(server.ports, queries)
        if stub_count(stub.ports.do53) == asked_before:
            return
    raise BenchError(f"{server.name}, {workload.name}: still asks the upstream after {_MOST_WARM_UPS} passes")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
