"""Counts of the query log by group: clients, services and names that would have been blocked, and were not yet."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from admin_api.query_log import files
from admin_api.query_log.hits import DAY_SECONDS, CountedHit, hits_between
from admin_api.query_log.unreadable import MOST_UNREADABLE, BlockPlace, lacks_of

MOST_PAIRS: Final = 500_000
"""Pairs of client and name, and of client and service, that are told apart, of all groups together."""
MOST_NAMES: Final = 50_000
MOST_TOLD: Final = 200
"""Names of a group that are told, those with most clients first."""
MOST_CLIENTS_TOLD: Final = 20
REGULAR_DAYS: Final = 3
"""On so many different days a client asked for a service that it can be expected to ask to keep it."""

_WATCHED: Final = "monitor"
_ANSWERED: Final = "allow"  # rows that a log of hits alone does not have


@dataclass(frozen=True, slots=True)
class ServiceCount:
    """A service, or a list of one's own where a name has none; `regular`: clients of REGULAR_DAYS days and more."""

    service: str | None
    list: str | None
    queries: int
    clients: int
    regular: int


@dataclass(frozen=True, slots=True)
class NameCount:
    """A name, with what it belongs to."""

    name: str
    service: str | None
    list: str | None
    queries: int
    clients: int


@dataclass(frozen=True, slots=True)
class ClientCount:
    """A client: an identity, an address or a network, as the log has it."""

    client: str
    queries: int
    services: int


@dataclass(frozen=True, slots=True)
class GroupCount:
    """A group: queries by what came of them, and what of those that were watched is told apart.

    `seen` are all its clients in the log, `holds_all` whether the log has queries without a hit, too.
    """

    group: str
    queries: int
    blocked: int
    exempted: int
    clients: int
    seen: int
    holds_all: bool
    services: list[ServiceCount]
    names: list[NameCount]
    names_left_out: int
    top: list[ClientCount]


@dataclass(frozen=True, slots=True)
class CountedLog:
    """All groups; `first_day` is the first day that the log has, of those asked for. `lacks`: finished sentences.

    `unreadable` are blocks that are missing, MOST_UNREADABLE at most.
    """

    groups: list[GroupCount]
    first_day: str | None
    lacks: list[str]
    unreadable: list[BlockPlace] = field(default_factory=list)


@dataclass(slots=True)
class _GroupTally:
    verdicts: Counter[str] = field(default_factory=Counter)
    seen: set[str] = field(default_factory=set)
    queries_of: Counter[str] = field(default_factory=Counter)  # by client
    services: dict[tuple[str | None, str | None], _Tally] = field(default_factory=dict)
    names: dict[str, _Tally] = field(default_factory=dict)


@dataclass(slots=True)
class _Tally:
    what: tuple[str | None, str | None]
    queries: int = 0
    days: dict[str, int] = field(default_factory=dict)  # by client, a bit a day


class _Counting:
    """Counts with a bound on what they tell apart."""

    def __init__(self, group: str | None) -> None:
        self.groups: dict[str, _GroupTally] = {}
        self.is_full = self.has_too_many_names = self.has_rows = False
        self._wanted = group
        self._pairs = self._names = 0

    def take(self, hits: Iterable[CountedHit]) -> None:
        for hit in hits:
            self.has_rows = True
            if self._wanted is None or hit.group == self._wanted:
                self._take(hit)

    def _take(self, hit: CountedHit) -> None:
        tally = self.groups.get(hit.group)
        if tally is None:
            tally = self.groups[hit.group] = _GroupTally()
        tally.verdicts[hit.verdict] += hit.queries
        if hit.client and (hit.client in tally.seen or self._has_room()):
            tally.seen.add(hit.client)
        if hit.verdict != _WATCHED:
            return
        what = (hit.service, None if hit.service else hit.list)
        service = tally.services.get(what)
        if service is None:
            service = tally.services[what] = _Tally(what)
        self._count(service, hit)
        name = tally.names.get(hit.name)
        if name is None and self._names < MOST_NAMES:
            self._names += 1
            name = tally.names[hit.name] = _Tally(what)
        if name is None:
            self.has_too_many_names = True
        else:
            self._count(name, hit)
        if hit.client in tally.seen:
            tally.queries_of[hit.client] += hit.queries

    def _count(self, tally: _Tally, hit: CountedHit) -> None:
        tally.queries += hit.queries
        if hit.client and (hit.client in tally.days or self._has_room()):
            tally.days[hit.client] = tally.days.get(hit.client, 0) | 1 << max(0, hit.day)

    def _has_room(self) -> bool:
        if self._pairs >= MOST_PAIRS:
            self.is_full = True
            return False
        self._pairs += 1
        return True


def count_log(state_dir: Path, start: float, end: float, group: str | None) -> CountedLog:
    """Read what the query log has of a time, the newest days first, as far as there is room for it."""
    counting = _Counting(group)
    folder = state_dir / files.FOLDER
    first, last = files.day_of(start), files.day_of(end)
    days = [day for day in files.days(folder) if first <= day <= last]
    unread = []
    unreadable: list[BlockPlace] = []
    for day in days:
        met: list[int] = []
        try:
            with closing(files.open_to_read(folder, day)) as connection:
                counting.take(hits_between(connection, start, end, met.append))
        except sqlite3.Error:
            unread.append(day)  # removed meanwhile, or damaged
        unreadable += [(day, number) for number in met]
    lacks = [f"the log of {day} cannot be read" for day in unread]
    lacks += lacks_of(unreadable)
    if not counting.has_rows:
        lacks.append("the query log has nothing of that time: no hits here do not mean that nobody would be hit")
    if counting.is_full:
        lacks.append(f"more than {MOST_PAIRS} pairs of client and name: beyond, numbers of clients are too low")
    if counting.has_too_many_names:
        lacks.append(f"more than {MOST_NAMES} names: beyond, they count for their services alone")
    regular = min(REGULAR_DAYS, max(1, int((end - start) // DAY_SECONDS)))
    groups = [_told(name, tally, regular) for name, tally in sorted(counting.groups.items()) if name]
    return CountedLog(groups, min(days, default=None), lacks, unreadable[:MOST_UNREADABLE])


def _told(group: str, tally: _GroupTally, regular: int) -> GroupCount:
    services = [
        ServiceCount(
            *one.what, one.queries, len(one.days), sum(days.bit_count() >= regular for days in one.days.values())
        )
        for one in tally.services.values()
    ]
    names = [NameCount(name, *one.what, one.queries, len(one.days)) for name, one in tally.names.items()]
    names.sort(key=lambda one: (-one.clients, -one.queries, one.name))
    services_of = Counter(client for one in tally.services.values() for client in one.days)
    top = tally.queries_of.most_common(MOST_CLIENTS_TOLD)
    return GroupCount(
        group=group,
        queries=tally.verdicts[_WATCHED],
        blocked=tally.verdicts["block"],
        exempted=tally.verdicts["exempt"],
        clients=len(tally.queries_of),
        seen=len(tally.seen),
        holds_all=bool(tally.verdicts[_ANSWERED]),
        services=sorted(services, key=lambda one: (-one.clients, -one.queries, one.service or one.list or "")),
        names=names[:MOST_TOLD],
        names_left_out=max(0, len(names) - MOST_TOLD),
        top=[ClientCount(client, queries, services_of[client]) for client, queries in top],
    )
