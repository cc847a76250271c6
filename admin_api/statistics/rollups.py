"""Minutes become hours, hours become days, and what is too old is forgotten. Which rows make up a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Select,
    and_,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.statistics import rows as bounds
from admin_api.statistics import sketch
from admin_api.store import documents
from admin_api.store.tables import stats_clients, stats_rollup

MINUTE, HOUR, DAY = 60, 3600, 86400
_FINER = {HOUR: MINUTE, DAY: HOUR}
_ROLLED = "stats_rolled"  # the document that says up to when hours and days are made


@dataclass(frozen=True, slots=True)
class Rolled:
    """Up to when (Unix seconds) hours and days are made."""

    hours: int = 0
    days: int = 0


async def rolled(connection: AsyncConnection) -> Rolled:
    """How far the roll-ups are."""
    return Rolled(**(await documents.get(connection, _ROLLED) or {}))


async def roll_up(connection: AsyncConnection, now: float, most_of_people: int = bounds.MOST_KEYS) -> int:
    """Make the hours and days that are over. To be done in one transaction; doing it again changes nothing.

    Gives how many hits of people are counted as nobody's by that (`rows.TOLD_LOST`), and were not before.
    """
    before = await rolled(connection)
    hours = max(before.hours, int(now) // HOUR * HOUR)
    days = max(before.days, hours // DAY * DAY)
    lost = await _roll(connection, HOUR, before.hours, hours, most_of_people)
    lost += await _roll(connection, DAY, before.days, days, most_of_people)
    if (now_rolled := Rolled(hours, days)) != before:
        await documents.put(connection, _ROLLED, asdict(now_rolled))
    return lost


async def _roll(connection: AsyncConnection, period: int, done: int, until: int, most_of_people: int) -> int:
    """Make the periods from `done` to `until` that have anything in them; gives hits as `roll_up` does."""
    lost = 0
    finer = _FINER[period]
    for table in (stats_rollup, stats_clients):
        first = await connection.scalar(
            select(func.min(table.c.at)).where(table.c.period_seconds == finer, table.c.at >= done, table.c.at < until)
        )
        at = until if first is None else int(first) // period * period
        while at < until:
            within = and_(table.c.period_seconds == finer, table.c.at >= at, table.c.at < at + period)
            await connection.execute(delete(table).where(table.c.period_seconds == period, table.c.at == at))
            if table is stats_rollup:
                lost += await _sum_up(connection, period, at, within, most_of_people)
            else:
                await _unite(connection, period, at, within)
            at += period
    return lost


async def _sum_up(
    connection: AsyncConnection, period: int, at: int, within: ColumnElement[bool], most_of_people: int
) -> int:
    c = stats_rollup.c
    key = (c.dimension, c.key, c.kind)
    summed = select(literal(period), literal(at), *key, func.sum(c.n)).where(within).group_by(*key)
    columns = ["period_seconds", "at", "dimension", "key", "kind", "n"]
    await connection.execute(insert(stats_rollup).from_select(columns, summed))
    lost = 0
    for dimension in bounds.HIT_DIMENSIONS:
        here = {"period_seconds": period, "at": at, "dimension": dimension}
        most = most_of_people if dimension in bounds.OF_PEOPLE else bounds.MOST_KEYS
        moved = await _bound(connection, and_(*(c[name] == value for name, value in here.items())), here, most)
        lost += moved if dimension == bounds.TOLD_LOST else 0
    return lost


async def _bound(
    connection: AsyncConnection, of_one: ColumnElement[bool], key: Mapping[str, object], most_keys: int
) -> int:
    """Put the keys of one dimension in one period that are too many, those with least, under OTHER: so many hits."""
    c = stats_rollup.c
    named = and_(of_one, c.key != bounds.OTHER)
    most = select(c.key).where(named).group_by(c.key).order_by(func.sum(c.n).desc(), c.key).limit(most_keys)
    too_many = and_(named, c.key.not_in(most))
    rows = await connection.execute(select(c.kind, func.sum(c.n).label("n")).where(too_many).group_by(c.kind))
    gained = rows.all()
    if not gained:
        return 0
    await connection.execute(delete(stats_rollup).where(too_many))
    for row in gained:
        other = and_(of_one, c.key == bounds.OTHER, c.kind == row.kind)
        if not (await connection.execute(update(stats_rollup).where(other).values(n=c.n + row.n))).rowcount:
            await connection.execute(insert(stats_rollup).values(**key, key=bounds.OTHER, kind=row.kind, n=row.n))
    return sum(int(row.n) for row in gained)


async def _unite(connection: AsyncConnection, period: int, at: int, within: ColumnElement[bool]) -> None:
    rows = (await connection.execute(select(stats_clients.c.sketch).where(within))).scalars().all()
    if rows:
        merged = sketch.to_bytes(sketch.union(*map(sketch.from_bytes, rows)))
        await connection.execute(insert(stats_clients).values(period_seconds=period, at=at, sketch=merged))


async def forget(connection: AsyncConnection, now: float, days: dict[int, int]) -> None:
    """Remove rows older than so many days, by period."""
    for table in (stats_rollup, stats_clients):
        for period, kept in days.items():
            old = and_(table.c.period_seconds == period, table.c.at < int(now) - kept * DAY)
            await connection.execute(delete(table).where(old))


def parts(start: int, end: int, done: Rolled, kept_from: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    """The (period, from, to) whose rows make up a window: the coarsest that fit, finer ones at the edges.

    `kept_from` says from when there are rows of a period; before that, an edge falls on the border of the next coarser.
    """
    if start < kept_from[MINUTE]:
        start = start // HOUR * HOUR
    if start < kept_from[HOUR]:
        start = start // DAY * DAY
    yield from _split(DAY, start, end, {DAY: done.days, HOUR: done.hours})


def _split(period: int, start: int, end: int, done: dict[int, int]) -> Iterator[tuple[int, int, int]]:
    if start >= end:
        return
    if period == MINUTE:
        yield MINUTE, start // MINUTE * MINUTE, -(-end // MINUTE) * MINUTE
        return
    finer = _FINER[period]
    first = -(-start // period) * period
    last = min(end, done[period]) // period * period
    if first >= last:
        yield from _split(finer, start, end, done)
        return
    yield from _split(finer, start, first, done)
    yield period, first, last
    yield from _split(finer, last, end, done)


def rows_of(dimension: str, some: list[tuple[int, int, int]]) -> FromClause:
    """The rows of a dimension that are in some parts, each looked up by its period's begin.

    The primary key has the time before the dimension: the rows of all others in a part would be read as well.
    """
    firsts = union_all(*(_literals(*part) for part in some)).subquery()
    periods = select(firsts.c.period, firsts.c.at, firsts.c.until).cte("periods", recursive=True)
    p = periods.c
    periods = periods.union_all(select(p.period, p.at + p.period, p.until).where(p.at + p.period < p.until))
    c = stats_rollup.c
    same = and_(c.period_seconds == periods.c.period, c.at == periods.c.at, c.dimension == dimension)
    return periods.join(stats_rollup, same)


def _literals(period: int, start: int, end: int) -> Select[int, int, int]:
    return select(
        literal(period, BigInteger).label("period"),
        literal(start, BigInteger).label("at"),
        literal(end, BigInteger).label("until"),
    )


def within(table: Any, some: list[tuple[int, int, int]]) -> ColumnElement[bool]:
    """The rows of some parts."""
    c = table.c
    return or_(*(and_(c.period_seconds == period, c.at >= start, c.at < end) for period, start, end in some))
