"""Workloads: their names, and the queries for them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.errors import BenchError
from bench.kinds.job import SINKHOLE, SINKHOLE_IPV6
from bench.queries import Asked
from bench.stub import ADDRESS
from blocklists.loading import load_catalogue
from resolver.policy.rule_syntax import RuleForm
from resolver.wire.names import to_text, wire_of_key

AI_NAMES = 90
VARIED_NAMES = 1_500
LIST_NAMES = 10_000
CACHED_NAMES = 1_000
SOCKETS = 8  # of a load that does not vary its clients
CLIENTS = 500
MOST_MISSES_A_SECOND = 80_000  # more than any server here can forward on two cores
MOST_REALISTIC_A_SECOND = 200_000
_VARIED_QUERIES = 30_000
_A_SOCKET = 4  # queries that leave by one socket together
_SHARES = (("A", 60), ("HTTPS", 20), ("AAAA", 20))


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of load: `catalogue`, `listed` and `forwarded` are the names in use; `pattern` is how they alternate."""

    name: str
    what: str
    catalogue: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    forwarded: tuple[str, ...] = ()
    pattern: str = ""  # b: blocked, c: cached, m: missed, again and again
    varied: bool = False  # clients, types, EDNS, cookies and case differ; else eight sockets and bare A queries

    @property
    def blocked(self) -> tuple[str, ...]:
        """The names that must be blocked."""
        return self.catalogue + self.listed

    @property
    def unique(self) -> bool:
        """Whether some names are asked once only, so that none is in a cache."""
        return "m" in self.pattern

    def queries(self, seconds: float = 0.0, prefix: str = "", *, most_a_second: int | None = None) -> Iterator[Asked]:
        """The queries in the order in which they are asked, again and again.

        Of unique names there are more than can be asked in `seconds`, which no other `prefix` gives.
        """
        count = self._count(seconds, most_a_second)
        chance = random.Random(1)
        kinds = itertools.islice(itertools.cycle(self.pattern), count)
        if self.varied:
            names = {"b": _chosen(self.blocked, chance), "c": _chosen(self.forwarded, chance)}
            names["m"] = unique_names(count, prefix)
            return (_varied(next(names[kind]), kind, chance) for kind in kinds)
        names = {"b": itertools.cycle(self.blocked), "c": itertools.cycle(self.forwarded)}
        names["m"] = unique_names(count, prefix)
        return (Asked(next(names[kind]), client=at // _A_SOCKET % SOCKETS) for at, kind in enumerate(kinds))

    def _count(self, seconds: float, most_a_second: int | None) -> int:
        if self.unique:
            usual = MOST_MISSES_A_SECOND if self.pattern == "m" else MOST_REALISTIC_A_SECOND
            return int(seconds * (most_a_second or usual))
        if self.varied:
            return _VARIED_QUERIES
        # As often as each name comes once at least, and all come equally often.
        return max(
            (
                len(names) * len(self.pattern) // self.pattern.count(kind)
                for kind, names in (("b", self.blocked), ("c", self.forwarded))
                if names
            )
        )

    def expected(self, asked: Asked) -> list[str]:
        """The addresses that the answer must hold."""
        blocked = asked.name.lower() in self.blocked
        found = {"A": SINKHOLE if blocked else ADDRESS, "AAAA": SINKHOLE_IPV6 if blocked else None}.get(asked.qtype)
        return [found] if found else []


def _varied(name: str, kind: str, chance: random.Random) -> Asked:
    client = chance.randrange(CLIENTS)
    qtype = "A" if kind != "b" else chance.choices([each for each, _ in _SHARES], [share for _, share in _SHARES])[0]
    if chance.random() < 0.3:
        name = "".join(chance.choice((char.lower(), char.upper())) for char in name)
    how = chance.random()  # 40 % bare, 30 % EDNS, 30 % with a cookie
    cookie = client.to_bytes(8, "big") if how > 0.7 else b""
    return Asked(name, qtype, client, edns=how > 0.4, cookie=cookie)


def _chosen(names: Sequence[str], chance: random.Random) -> Iterator[str]:
    while names:
        yield chance.choice(names)


def workloads() -> dict[str, Workload]:
    """All of them, by name."""
    ai_names = catalogue_names(AI_NAMES)
    # Half of them are below a rule's own name, as most names that clients ask for.
    below = tuple(f"n{number}.{name}" for number, name in enumerate(catalogue_names(VARIED_NAMES // 2, subtree=True)))
    many = catalogue_names(VARIED_NAMES - len(below)) + below
    forwarded = tuple(f"www.site{number:05}.example" for number in range(CACHED_NAMES))
    listed = tuple(f"ads{number:05}.example" for number in range(LIST_NAMES))
    clients = f"{CLIENTS} clients in 8 groups, EDNS, cookies, mixed case"
    every = (
        Workload("blocked", f"{AI_NAMES} AI names of the catalogue", ai_names, pattern="b"),
        Workload("blocked-many", f"{LIST_NAMES:,} names of an own list", listed=listed, pattern="b"),
        Workload("varied", f"{VARIED_NAMES:,} AI names, A, HTTPS, AAAA; {clients}", many, pattern="b", varied=True),
        Workload("cached", f"{CACHED_NAMES:,} names, all of them in the cache", forwarded=forwarded, pattern="c"),
        Workload("mixed", "80 % cached names, 20 % AI names", ai_names, forwarded=forwarded, pattern="ccccb"),
        Workload(
            "realistic",
            f"40 % AI names, 40 % cached, 20 % missed; {clients}",
            many,
            forwarded=forwarded,
            pattern="bcbcm",
            varied=True,
        ),
        Workload("missed", "unique names, each forwarded to the same upstream", pattern="m"),
    )
    return {workload.name: workload for workload in every}


def unique_names(count: int, prefix: str) -> Iterator[str]:
    """Names that no other `prefix` gives."""
    return (f"{prefix}n{number:07}.example" for number in range(count))


def catalogue_names(count: int, *, subtree: bool = False) -> tuple[str, ...]:
    """So many names that the catalogue blocks by default, evenly spread over it; `subtree`: with all below them."""
    catalogue = load_catalogue()
    services = set(catalogue.services_of("ai"))
    forms = (RuleForm.SUBTREE,) if subtree else (RuleForm.SUBTREE, RuleForm.EXACT)
    names = sorted(
        {
            to_text(wire_of_key(domain.rule.key))
            for domain in catalogue.domains
            if domain.service in services and domain.response is None and domain.rule.form in forms
        }
    )
    if len(names) < count:
        raise BenchError(f"the catalogue has {len(names)} AI names, fewer than {count}")
    return tuple(names[number * len(names) // count] for number in range(count))
