"""When the node ran, and what was in force on it meanwhile: written as it happens, for those who ask later.

A *period* is one run of the service, with its last sign of life; a *span* is something that lasted within one. What
began and has no end lasted as long as its period did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import documents
from admin_api.store.queries import columns_of, rows_of, values_of
from admin_api.store.tables import node_periods, node_spans

MOST_SPANS: Final = 200_000
"""Spans that are kept; beyond, the oldest go, and less is known of what was."""

POLICY, DEGRADED, WORKERS, UNWATCHED = "policy", "degraded", "workers", "unwatched"

_SAME = timedelta(milliseconds=1)  # of one time as a float and as the store has it
_KNOWN: Final = "evidence"  # the document: since when all is here


@dataclass(frozen=True, slots=True)
class PeriodRow:
    """One run of the service. `ended` None: it runs, or ended without a word after `beat`.

    `how` it ended: stopped as it was told to, or lost, when the supervisor was gone.
    """

    id: int
    node: str
    version: str
    started: datetime
    began: datetime
    beat: datetime
    ended: datetime | None
    how: str | None

    @property
    def known_end(self) -> datetime:
        """Up to when it is known to have run."""
        return self.ended or self.beat


@dataclass(frozen=True, slots=True)
class SpanRow:
    """Something that lasted."""

    id: int
    period_id: int
    kind: str
    began: datetime
    ended: datetime | None
    body: Mapping[str, Any]


async def begun(conn: AsyncConnection, *, node: str, version: str, started: datetime, began: datetime) -> PeriodRow:
    """The period of this run of the service, made where there is none yet: nobody has looked since it began, then."""
    c = node_periods.c
    query = select(node_periods).where(c.started.between(started - _SAME, started + _SAME)).order_by(c.id.desc())
    known = await rows_of(conn, PeriodRow, query.limit(1))
    if known:
        await conn.execute(update(node_periods).where(c.id == known[0].id).values(ended=None, how=None))
        return replace(known[0], ended=None, how=None)
    values = {"node": node, "version": version, "started": started, "began": began, "beat": began}
    row = (await conn.execute(insert(node_periods).values(values).returning(*c))).one()
    if await documents.get(conn, _KNOWN) is None:
        await documents.put(conn, _KNOWN, {"since": began.isoformat()})
    return PeriodRow(**row._mapping)


async def live(conn: AsyncConnection, period: int, now: datetime, *, how: str | None = None) -> None:
    """Note a sign of life, and the end where it is the last one: `how` it ended."""
    values = {"beat": now, "ended": None if how is None else now, "how": how}
    await conn.execute(update(node_periods).where(node_periods.c.id == period).values(values))


async def open_spans(conn: AsyncConnection, period: int) -> list[SpanRow]:
    """Spans of a period that have no end yet."""
    c = node_spans.c
    query = select(node_spans).where(c.period_id == period, c.ended.is_(None)).order_by(c.id)
    return await rows_of(conn, SpanRow, query)


async def put_span(conn: AsyncConnection, span: SpanRow) -> SpanRow:
    """Write a span; one of the id 0 is a new one."""
    if span.id:
        values = {"ended": span.ended, "body": span.body}
        await conn.execute(update(node_spans).where(node_spans.c.id == span.id).values(values))
        return span
    values = values_of(span)
    del values["id"]
    number = await conn.scalar(insert(node_spans).values(values).returning(node_spans.c.id))
    return replace(span, id=int(number or 0))


async def periods_touching(conn: AsyncConnection, start: datetime, end: datetime) -> list[PeriodRow]:
    """Periods within a window, and the last one before it, the oldest first.

    One that ended without a word counts up to its last sign of life.
    """
    c = node_periods.c
    query, known_end = select(*columns_of(node_periods, PeriodRow)), func.coalesce(c.ended, c.beat)
    within = query.where(c.began < end, known_end >= start).order_by(c.began, c.id)
    before = query.where(known_end < start).order_by(c.began.desc(), c.id.desc()).limit(1)
    return [*await rows_of(conn, PeriodRow, before), *await rows_of(conn, PeriodRow, within)]


async def spans_of(
    conn: AsyncConnection, periods: Sequence[PeriodRow], end: datetime, running: int | None
) -> list[SpanRow]:
    """Spans of some periods that began before a time, the oldest first.

    Those without an end get that of their period, but for the one that is `running`.
    """
    if not periods:
        return []
    c = node_spans.c
    first, last = min(row.id for row in periods), max(row.id for row in periods)
    query = select(node_spans).where(c.period_id.between(first, last), c.began < end).order_by(c.began, c.id)
    ends = {row.id: None if row.id == running else row.known_end for row in periods}
    found = await rows_of(conn, SpanRow, query)
    return [row if row.ended else replace(row, ended=ends[row.period_id]) for row in found if row.period_id in ends]


def running_of(periods: Sequence[PeriodRow], started: datetime) -> int | None:
    """The id of the period of the run of the service that began at a time; None before it was noted."""
    return next((row.id for row in reversed(periods) if abs(row.started - started) < _SAME), None)


async def known_since(conn: AsyncConnection) -> datetime | None:
    """Since when every period and span is here; None where nothing was ever noted."""
    noted = await documents.get(conn, _KNOWN)
    return None if noted is None else datetime.fromisoformat(noted["since"])


async def forget(conn: AsyncConnection, before: datetime) -> None:
    """Remove what ended before a time, and the oldest of too many."""
    spans, c = node_spans, node_spans.c
    count = int(await conn.scalar(select(func.count()).select_from(spans)) or 0)
    if count > MOST_SPANS:
        oldest = select(c.began).order_by(c.began).offset(count - MOST_SPANS).limit(1)
        at = await conn.scalar(oldest)
        before = max(before, at) if at is not None else before
    since = await known_since(conn)
    if since is None or since >= before:
        return
    await conn.execute(delete(spans).where(func.coalesce(c.ended, c.began) < before, c.ended.is_not(None)))
    p = node_periods.c
    await conn.execute(delete(node_periods).where(func.coalesce(p.ended, p.beat) < before))
    await conn.execute(delete(spans).where(c.period_id.not_in(select(p.id))))
    await documents.put(conn, _KNOWN, {"since": before.astimezone(UTC).isoformat()})
