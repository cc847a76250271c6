"""Workloads: their names, and dnsperf's data files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.stub import ADDRESS
from blocklists.loading import load_catalogue
from resolver.policy.rule_syntax import RuleForm
from resolver.wire.names import to_text, wire_of_key

SINKHOLE = "0.0.0.0"
AI_NAMES = 90
LIST_NAMES = 10_000
CACHED_NAMES = 1_000
MOST_MISSES_A_SECOND = 80_000  # more than any server here can forward on two cores
_CACHED_FOR_ONE_BLOCKED = 4


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of load. `blocked` and `forwarded` are the names in use; when both are, four of the second for one."""

    name: str
    what: str
    blocked: tuple[str, ...] = ()
    in_catalogue: bool = True
    forwarded: tuple[str, ...] = ()
    unique: bool = False  # each name is asked once, so that none is in a cache

    def queries(self) -> list[str]:
        """The names in the order in which they are asked, again and again."""
        if self.blocked and self.forwarded:
            return list(_mixed(self.forwarded, self.blocked))
        return [*self.blocked, *self.forwarded]

    def expected(self, name: str) -> str:
        """The address that the answer must hold."""
        return SINKHOLE if name in self.blocked else ADDRESS


def workloads() -> dict[str, Workload]:
    """All of them, by name."""
    ai_names = _ai_names()
    forwarded = tuple(f"www.site{number:05}.example" for number in range(CACHED_NAMES))
    listed = tuple(f"ads{number:05}.example" for number in range(LIST_NAMES))
    every = (
        Workload("blocked", f"{AI_NAMES} AI names of the catalogue", ai_names),
        Workload("blocked-many", f"{LIST_NAMES:,} names of an own list", listed, in_catalogue=False),
        Workload("cached", f"{CACHED_NAMES:,} names, all of them in the cache", forwarded=forwarded),
        Workload("mixed", "80 % cached names, 20 % AI names", ai_names, forwarded=forwarded),
        Workload("missed", "unique names, each forwarded to the same upstream", unique=True),
    )
    return {workload.name: workload for workload in every}


def unique_names(count: int, prefix: str) -> Iterator[str]:
    """Names that no other `prefix` gives."""
    return (f"{prefix}n{number:07}.example" for number in range(count))


def write_queries(path: Path, names: Iterable[str]) -> None:
    """Write dnsperf's data file: an A query for each name."""
    with path.open("w") as file:
        file.writelines(f"{name} A\n" for name in names)


def _mixed(many: Sequence[str], few: Sequence[str]) -> Iterator[str]:
    other = itertools.cycle(few)
    for number, name in enumerate(many, 1):
        yield name
        if number % _CACHED_FOR_ONE_BLOCKED == 0:
            yield next(other)


def _ai_names() -> tuple[str, ...]:
    """Names that the catalogue blocks by default, evenly spread over it."""
    catalogue = load_catalogue()
    services = set(catalogue.services_of("ai"))
    names = sorted(
        {
            to_text(wire_of_key(domain.rule.key))
            for domain in catalogue.domains
            if domain.service in services and domain.rule.form is not RuleForm.BELOW and domain.response is None
        }
    )
    if len(names) < AI_NAMES:
        raise BenchError(f"the catalogue has {len(names)} AI names, fewer than {AI_NAMES}")
    return tuple(names[number * len(names) // AI_NAMES] for number in range(AI_NAMES))
