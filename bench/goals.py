"""The bounds that moatdns sets itself beside the C servers, and whether a run kept them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.arithmetic import Spread, paired_ratios, spread
from bench.kinds.echo import ECHO
from bench.kinds.job import Log
from bench.kinds.ours import MOATDNS
from bench.kinds.unbound import UNBOUND
from bench.latency import Timed
from bench.measure import Measured, Sample
from bench.plan import COMPILED, SIZES, STREAMS, TWO_WORKERS, UNLOGGED
from bench.results import Results
from bench.rules import named

_LOGGED_PEER = f"{UNBOUND}, {Log.HITS.value}"
_UNLOGGED = f"{COMPILED}, {UNLOGGED}"
_HOT = ("blocked", "varied", "cached", "realistic")
_P99_AT = 10_000
_WORKERS_SHOWN_BY = ("missed", "realistic", "doh")


@dataclass(frozen=True, slots=True)
class Goal:
    """One bound, with the figure that a run found."""

    what: str
    figure: Spread
    bound: float
    at_least: bool = False
    unit: str = "×"

    @property
    def reached(self) -> bool:
        """Whether the median keeps the bound."""
        return self.figure.median >= self.bound if self.at_least else self.figure.median <= self.bound


def goals(results: Results) -> list[Goal]:
    """Every bound for which the run has figures."""
    return [*_cpu(results), *_size(results), *_latency(results), *_workers(results), *_footprint(results)]


def _cpu(results: Results) -> Iterator[Goal]:
    def ratio(workload: str, ours: str, theirs: str, bound: float) -> Iterator[Goal]:
        measured = results.of(workload)
        if measured and (found := cpu_ratio(measured, ours, theirs)):
            yield Goal(f"{workload}: {ours} ÷ {theirs}", found, bound)

    for workload in _HOT:
        yield from ratio(workload, COMPILED, _LOGGED_PEER, 1.0)
        yield from ratio(workload, _UNLOGGED, UNBOUND, 1.0)
        yield from ratio(workload, _UNLOGGED, ECHO, 1.3)
    yield from ratio("missed", COMPILED, UNBOUND, 0.7)
    yield from ratio("missed", MOATDNS, UNBOUND, 1.2)
    for workload in STREAMS:
        yield from ratio(workload, COMPILED, UNBOUND, 2.0 if workload.startswith("doh") else 1.0)


def _size(results: Results) -> Iterator[Goal]:
    measured = results.of("rules")
    few, most = SIZES[0], SIZES[-1]
    if measured:
        found = cpu_ratio(measured, named(COMPILED, most), named(COMPILED, few))
        if found:
            yield Goal(f"{COMPILED}: {most:,} rules ÷ {few:,}", found, 1.1)


def _latency(results: Results) -> Iterator[Goal]:
    def of(server: str) -> Timed | None:
        return next((one for one in results.timed if (one.server, one.per_second) == (server, _P99_AT)), None)

    for ours, theirs in ((COMPILED, _LOGGED_PEER), (_UNLOGGED, UNBOUND)):
        one, other = of(ours), of(theirs)
        if one and other and len(one.p99_of_rounds) == len(other.p99_of_rounds):
            ratios = spread(paired_ratios(one.p99_of_rounds, other.p99_of_rounds))
            yield Goal(f"p99 at {_P99_AT:,}/s: {ours} ÷ {theirs}", ratios, 1.0)


def _workers(results: Results) -> Iterator[Goal]:
    """Answers a second; the load itself needs cores, so that few machines can show it."""
    for workload in _WORKERS_SHOWN_BY:
        measured = results.of(workload)
        two, one = (f"{COMPILED}, {TWO_WORKERS}", COMPILED)
        if measured and (found := _ratio(measured, two, one, lambda sample: sample.load.queries_per_second)):
            yield Goal(f"{workload}: answers a second, two workers ÷ one", found, 1.8, at_least=True)


def _footprint(results: Results) -> Iterator[Goal]:
    for footprint in results.footprints:
        if footprint.server == f"{COMPILED}, {TWO_WORKERS}":
            yield Goal(f"{footprint.server}: memory", spread([footprint.mib]), 143, unit="MiB")  # 150 MB
        if footprint.server == COMPILED:
            yield Goal(f"{footprint.server}: start to first answer", footprint.first_answer, 0.4, unit="s")


def cpu_ratio(measured: Measured, ours: str, theirs: str) -> Spread | None:
    """CPU a query of ours ÷ theirs, paired by round; None when one of them is missing."""
    return _ratio(measured, ours, theirs, lambda sample: sample.cpu_microseconds)


def _ratio(measured: Measured, ours: str, theirs: str, figure: Callable[[Sample], float]) -> Spread | None:
    one, other = measured.samples.get(ours), measured.samples.get(theirs)
    if not one or not other:
        return None
    return spread(paired_ratios([figure(sample) for sample in one], [figure(sample) for sample in other]))
