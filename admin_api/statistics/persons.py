"""Counts of single persons: told, and, of who is erased, added to those of nobody in particular: every total stays."""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import CTE, ColumnElement, Delete, and_, bindparam, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.statistics.folding import adding
from admin_api.statistics.rollups import DAY, HOUR, MINUTE, rolled
from admin_api.statistics.rows import ERASED, OF_PEOPLE, key_of, name_of
from admin_api.store.columns import iso_text
from admin_api.store.tables import stats_rollup

_OF_ONE, _WITH_VENDOR, _OF_EXEMPTION = OF_PEOPLE
_BEHIND: Final = chr(ord("/") + 1)  # begins the first key that does not begin with a name and "/"


async def identities_counted(conn: AsyncConnection) -> set[str]:
    """Identities, and pseudonyms, that have counts of their own."""
    c = stats_rollup.c
    return set(map(name_of, (await conn.execute(select(c.key).where(c.dimension == _OF_ONE).distinct())).scalars()))


@dataclass(frozen=True, slots=True)
class PersonCount:
    """Hits of a person in a minute, hour or day, of a vendor, or by an exemption."""

    at: str  # its begin
    period_seconds: int
    vendor: str | None
    exemption: str | None
    verdict: str  # blocked, monitored, exempted
    hits: int


async def counts_of(conn: AsyncConnection, identities: Collection[str]) -> list[PersonCount]:
    """Counts of some identities, the newest first, each hit in one period alone."""
    found: list[PersonCount] = []
    for period, first in (await _counted_once(conn)).items():
        for dimension in (_WITH_VENDOR, _OF_EXEMPTION):
            for row in await _rows_of(conn, period, dimension, identities):
                if row.at >= first:
                    before, _, behind = row.key.rpartition("/") if dimension == _WITH_VENDOR else row.key.partition("/")
                    vendor, exemption = (behind, None) if dimension == _WITH_VENDOR else (None, before)
                    at = iso_text(datetime.fromtimestamp(row.at, UTC))
                    found.append(PersonCount(at, period, vendor, exemption, row.kind, row.n))
    return sorted(found, key=lambda count: count.at, reverse=True)


async def _counted_once(conn: AsyncConnection) -> dict[int, int]:
    """By period, from when on its hits are not in a coarser one, too."""
    done = await rolled(conn)
    return {MINUTE: done.hours, HOUR: done.days, DAY: 0}


async def move_to_erased(conn: AsyncConnection, identities: Collection[str]) -> int:
    """Add the counts of some identities to those of ERASED, by minute, hour and day; gives how many hits that are."""
    if not identities:
        return 0
    hits = 0
    for period, first in (await _counted_once(conn)).items():
        for dimension in OF_PEOPLE:
            rows = await _rows_of(conn, period, dimension, identities)
            if not rows:
                continue
            await conn.execute(_deleting(), [{f"b_{name}": getattr(row, name) for name in _KEY} for row in rows])
            anew = [{**row._mapping, "key": _erased(dimension, row.key)} for row in rows]
            await conn.execute(adding(conn.dialect.name), anew)
            if dimension == _OF_ONE:
                hits += sum(row.n for row in rows if row.at >= first)
    return hits


_KEY: Final = ("period_seconds", "at", "dimension", "key", "kind")


@functools.cache
def _deleting() -> Delete:
    """Made once, and executed with a list of keys."""
    return delete(stats_rollup).where(and_(*(stats_rollup.c[name] == bindparam(f"b_{name}") for name in _KEY)))


async def _rows_of(conn: AsyncConnection, period: int, dimension: str, identities: Collection[str]) -> list[Any]:
    """Rows of a dimension that are theirs, found period by period: all other dimensions' rows are passed over."""
    c, times = stats_rollup.c, _times(period)
    query = select(stats_rollup).join(times, c.at == times.c.at)
    query = query.where(c.period_seconds == period, c.dimension == dimension, _theirs(dimension, identities))
    return [row for row in await conn.execute(query) if _identity_of(dimension, row.key) in identities]


def _times(period: int) -> CTE:
    """The begins of a period that have any rows: one look into the primary key for each."""
    c = stats_rollup.c
    of_period = c.period_seconds == period
    times = select(func.min(c.at).label("at")).where(of_period).cte("times", recursive=True)
    following = select(func.min(c.at)).where(of_period, c.at > times.c.at).scalar_subquery()
    return times.union_all(select(following).where(times.c.at.is_not(None)))


def _theirs(dimension: str, identities: Collection[str]) -> ColumnElement[bool]:
    """Keys that may be theirs, as far as an index tells."""
    key = stats_rollup.c.key
    if dimension == _OF_ONE:
        return key.in_([key_of(one) for one in identities])
    if dimension == _WITH_VENDOR:
        return or_(*(and_(key >= f"{one}/", key < f"{one}{_BEHIND}") for one in identities))
    return or_(*(key.endswith(f"/{one}", autoescape=True) for one in identities))


def _identity_of(dimension: str, key: str) -> str:
    if dimension == _OF_ONE:
        return name_of(key)
    return key.rpartition("/")[0] if dimension == _WITH_VENDOR else key.partition("/")[2]


def _erased(dimension: str, key: str) -> str:
    if dimension == _OF_ONE:
        return ERASED
    return f"{ERASED}/{key.rpartition('/')[2]}" if dimension == _WITH_VENDOR else f"{key.partition('/')[0]}/{ERASED}"
