"""Arithmetic of the figures: CPU a query, paired ratios, spread. Pure; no process is touched here."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with how far the rounds lay apart."""

    median: float
    low: float  # lower quartile
    high: float  # upper quartile
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value."""
    if len(values) == 1:
        return Spread(*[values[0]] * 5)
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, min(values), max(values))


def microseconds_a_query(cpu_nanoseconds: int, queries: int) -> float:
    """CPU µs for each of `queries`, of which there must be some."""
    return cpu_nanoseconds / 1000 / queries


def paired_ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours ÷ theirs, round by round: what slowed the machine in a round slowed both."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def turns(count: int, round_number: int) -> list[int]:
    """The order in which `count` servers have their turn: another begins in each round, and all follow in the ring.

    So none is always measured first, or always right after a server that left the machine hot.
    """
    return [(round_number + turn) % count for turn in range(count)]
