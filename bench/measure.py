"""Workloads and servers, by turns: start them, see that they answer rightly, warm them, take the samples."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.arithmetic import microseconds_a_query, turns
from bench.ask import addresses, stub_count
from bench.cpu import CpuReading, CpuTime, read_tree
from bench.errors import BenchError
from bench.kinds.echo import ECHO
from bench.kinds.job import Job, Log, Server, TlsFiles
from bench.load import Load
from bench.servers import Running, running, running_stub
from bench.ways import UDP, Way
from bench.workloads import Workload

_CHECKED_QUERIES = 20  # of a workload, at each server
_PATIENCE_SECONDS = 5.0  # until a policy is in force
_MOST_WARM_UPS = 50  # passes; with two workers each name must have come to both
_WARM_UP_MISSES = 25_000  # more than any cache here holds: in service, caches are full

_SETTLED_SECONDS = 1.0
_SETTLED_SHARE = 0.05  # of a core
_MOST_SETTLING_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured."""

    rounds: int
    seconds: float  # of load in each turn
    until: float = math.inf  # by time.monotonic: no round begins later, but for the first

    def is_over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.until


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
    logs: dict[str, Log] = field(default_factory=dict)  # each server's
    fewest: dict[str, str] = field(default_factory=dict)  # of servers with many rules, the same with the fewest
    missing: dict[str, str] = field(default_factory=dict)  # servers that could not be measured, and why


@dataclass(slots=True)
class Scene:
    """Started servers and their upstream, with those that could not be started."""

    stub: Running
    servers: list[Running]
    folder: Path
    missing: dict[str, str]


@contextlib.contextmanager
def scene(
    chosen: Sequence[Workload], servers: Sequence[Server], folder: Path, say: Say, *, tls: TlsFiles | None = None
) -> Iterator[Scene]:
    """Start all servers for all these workloads, in an empty folder; end them afterwards.

    With `tls`, they serve DoT and DoH too.
    """
    with contextlib.ExitStack() as stack:
        stub = stack.enter_context(running_stub(_made(folder / "stub")))
        catalogue = dict.fromkeys(name for workload in chosen for name in workload.catalogue)
        listed = dict.fromkeys(name for workload in chosen for name in workload.listed)
        job = Job(tuple(catalogue), tuple(listed), stub.ports.do53, tls)
        started = Scene(stub, [], folder, {})
        say(f"starting {len(servers)} servers")
        for number, server in enumerate(servers):
            try:
                started.servers.append(stack.enter_context(running(server, job, _made(folder / str(number)))))
            except BenchError as error:
                started.missing[server.name] = str(error)
                say(str(error))
        settle([server.pid for server in started.servers], say)
        yield started


def settle(pids: Sequence[int], say: Say) -> None:
    """Wait until no server (by its pid) is busy any more, so that its start does not count as a cost of queries."""
    deadline = time.monotonic() + _MOST_SETTLING_SECONDS
    while time.monotonic() < deadline:
        before = [_reading(pid) for pid in pids]
        time.sleep(_SETTLED_SECONDS)
        used = [_used_since(pid, then) for pid, then in zip(pids, before, strict=True)]
        if all(cpu.ran_nanoseconds < _SETTLED_SHARE * _SETTLED_SECONDS * 1e9 for cpu in used):
            return
    say(f"some server is still busy {_MOST_SETTLING_SECONDS:g} s after its start")


def _reading(pid: int) -> CpuReading:
    try:
        return read_tree(pid)
    except BenchError:
        return CpuReading({})


def _used_since(pid: int, then: CpuReading) -> CpuTime:
    """Much, where a process ended meanwhile: a start has such for a while."""
    try:
        return read_tree(pid).since(then)
    except BenchError:
        return CpuTime(ran_nanoseconds=10**9)


def prepared(
    started: Scene, workload: Workload, way: Way, names: Sequence[str] | None, say: Say
) -> tuple[list[Running], dict[str, str]]:
    """The servers (of these `names`) that answer a workload rightly, with caches warm; and the others, with reasons."""
    queries = started.folder / "queries"
    way.write(queries, workload.queries(1, "warm", most_a_second=_WARM_UP_MISSES))
    missing = {name: why for name, why in started.missing.items() if names is None or name in names}
    servers = []
    for server in started.servers:
        if names is not None and server.name not in names:
            continue
        try:
            _take_part(server, workload, way, started.stub, queries)
        except BenchError as error:
            missing[server.name] = str(error)
            say(str(error))
        else:
            servers.append(server)
    return servers, missing


def measure(
    started: Scene,
    workload: Workload,
    effort: Effort,
    say: Say,
    *,
    way: Way = UDP,
    names: Sequence[str] | None = None,
) -> Measured:
    """Measure one workload, asked in one way. A server that answers wrongly or not at all is missing in the result.

    Only servers of these `names` take part, where they are given.
    """
    queries = started.folder / "queries"
    servers, missing = prepared(started, workload, way, names, say)
    logs = {server.name: server.log for server in servers}
    measured = Measured(workload, {server.name: [] for server in servers}, logs, missing=missing)
    for number in range(effort.rounds):
        if number and effort.is_over():
            say(f"{workload.name}: the time of the run is up after {number} rounds")
            break
        say(f"{workload.name}: round {number + 1} of {effort.rounds}")
        if workload.unique or not number:
            # The same names for all, new in each round. Nobody comes to the end of the file.
            way.write(queries, workload.queries(effort.seconds, f"r{number}"))
        for turn in turns(len(servers), number):
            server = servers[turn]
            if server.name in missing:
                continue
            try:
                sample = _sample(server, workload, way, started.stub, queries, effort.seconds)
            except BenchError as error:
                missing[server.name] = str(error)
                say(str(error))
            else:
                measured.samples[server.name].append(sample)
    for name in missing:
        measured.samples.pop(name, None)  # pairs need all rounds
    return measured


def _sample(server: Running, workload: Workload, way: Way, stub: Running, queries: Path, seconds: float) -> Sample:
    asked_before = stub_count(stub.ports.do53)
    before = read_tree(server.pid)
    seen = way.for_seconds(server.ports, queries, seconds, repeat=not workload.unique)
    used = read_tree(server.pid).since(before)
    if not seen.answered:
        raise BenchError(f"{server.name}, {workload.name}: no query was answered")
    return Sample(used, seen, stub_count(stub.ports.do53) - asked_before)


def _take_part(server: Running, workload: Workload, way: Way, stub: Running, queries: Path) -> None:
    if way.kind in server.lacks:
        raise BenchError(f"{server.name} {server.lacks[way.kind]}")
    if server.name != ECHO:
        right_within(server, workload, _PATIENCE_SECONDS)
        _warm(server, workload, way, stub, queries)


def right_within(server: Running, workload: Workload, seconds: float) -> None:
    """Wait until some of the queries get the answer that they must. Raises BenchError when they do not in time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return _check(server, workload)
        except BenchError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _check(server: Running, workload: Workload) -> None:
    queries = list(workload.queries(0.01, "check"))
    for asked in queries[:: max(1, len(queries) // _CHECKED_QUERIES)]:
        found, expected = addresses(server.ports.do53, asked.name, asked.qtype), workload.expected(asked)
        if found != expected:
            told = f"the answer for {asked.name} {asked.qtype} is {found}, not {expected}"
            raise BenchError(f"{server.name}, {workload.name}: {told}")


def _warm(server: Running, workload: Workload, way: Way, stub: Running, queries: Path) -> None:
    """Ask everything until the upstream is not asked any more; of what always is, once, which fills the caches."""
    for _ in range(_MOST_WARM_UPS):
        asked_before = stub_count(stub.ports.do53)
        way.one_pass(server.ports, queries)
        if workload.unique or stub_count(stub.ports.do53) == asked_before:
            return
    raise BenchError(f"{server.name}, {workload.name}: still asks the upstream after {_MOST_WARM_UPS} passes")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
