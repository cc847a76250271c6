"""Latency under a steady load: so many queries a second at random moments, whatever comes back."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench import datagrams
from bench.arithmetic import turns
from bench.errors import BenchError
from bench.measure import Effort, Say, Scene, prepared
from bench.ways import UDP
from bench.workloads import Workload

RATES = (1_000, 5_000, 10_000, 20_000)


@dataclass(frozen=True, slots=True)
class Timed:
    """Answer times of one server at one rate, in microseconds: medians over the rounds."""

    server: str
    per_second: int
    p50: float
    p99: float
    p999: float
    answered_share: float
    late_p99: float  # how far the load was behind its schedule
    p99_of_rounds: tuple[float, ...]


def measure_latency(
    started: Scene, names: Sequence[str], workload: Workload, effort: Effort, say: Say
) -> tuple[list[Timed], dict[str, str]]:
    """Times of these servers at each rate, by turns; and who is missing, and why."""
    queries = started.folder / "queries"
    servers, missing = prepared(started, workload, UDP, names, say)
    found: dict[tuple[str, int], list[tuple[float, datagrams.Latency]]] = {}
    for rate in RATES:
        for number in range(effort.rounds):
            if number and effort.is_over():
                break
            say(f"latency at {rate:,} a second: round {number + 1} of {effort.rounds}")
            asked = workload.queries(effort.seconds, f"l{rate}x{number}", most_a_second=rate * 2)
            UDP.write(queries, asked)
            for turn in turns(len(servers), number):
                server = servers[turn]
                if server.name in missing:
                    continue
                try:
                    load, latency = datagrams.at_rate(server.ports.do53, queries, effort.seconds, rate)
                except BenchError as error:
                    missing[server.name] = str(error)
                    continue
                share = load.answered / max(1, load.sent)
                found.setdefault((server.name, rate), []).append((share, latency))
    return [_timed(name, rate, rounds) for (name, rate), rounds in found.items()], missing


def _timed(name: str, rate: int, rounds: Sequence[tuple[float, datagrams.Latency]]) -> Timed:
    every = [latency for _, latency in rounds]
    return Timed(
        name,
        rate,
        p50=statistics.median(latency.p50 for latency in every),
        p99=statistics.median(latency.p99 for latency in every),
        p999=statistics.median(latency.p999 for latency in every),
        answered_share=min(share for share, _ in rounds),
        late_p99=statistics.median(latency.late_p99 for latency in every),
        p99_of_rounds=tuple(latency.p99 for latency in every),
    )
