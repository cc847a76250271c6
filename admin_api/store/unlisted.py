"""Domains that look like an AI service and match no rule, as far as enough clients ask for them.

No client is here, only about how many there were on a day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from sqlalchemy import delete, func, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.errors import StaleVersion, found
from admin_api.store.queries import containing, narrowed, row_of, rows_of, values_of
from admin_api.store.tables import unlisted

UnlistedStatus = Literal["new", "wanted", "blocked", "allowed", "ignored"]
STATUSES: Final[tuple[UnlistedStatus, ...]] = get_args(UnlistedStatus)

ACTIONS: Final[Mapping[str, UnlistedStatus]] = {
    # What a person may do with an entry, whatever its status: it leads to this one.
    "block": "blocked",
    "allow": "allowed",
    "ignore": "ignored",
    "want": "wanted",
}

MOST_DAYS: Final = 7
"""Days whose counts are kept of an entry."""


@dataclass(frozen=True, slots=True)
class UnlistedRow:
    """One domain."""

    domain: str
    status: UnlistedStatus
    score: int
    evidence: tuple[tuple[str, str, int], ...]
    hosts: tuple[str, ...]
    queries: int
    clients: int
    days: tuple[tuple[str, int, int], ...]
    first_at: datetime
    last_at: datetime
    rule: str | None = None
    list: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    version: int = 1


def _row(**columns: Any) -> UnlistedRow:
    parts = {name: tuple(tuple(part) for part in columns[name]) for name in ("evidence", "days")}
    return UnlistedRow(**{**columns, **parts})


async def get(conn: AsyncConnection, domain: str) -> UnlistedRow:
    """The entry of a domain. Raises NotFound."""
    query = select(unlisted).where(unlisted.c.domain == bindable(domain))
    return found(await row_of(conn, _row, query), f"unlisted name {domain!r}")


async def page(
    conn: AsyncConnection,
    *,
    status: str | None,
    contains: str | None,
    least_clients: int,
    limit: int,
    after: tuple[int, str] | None,
) -> list[UnlistedRow]:
    """Entries with most evidence first, behind `after` (score and domain); new ones of so many clients at least."""
    c = unlisted.c
    query = containing(narrowed(select(unlisted), (c.status, status)), contains or None, c.domain)
    query = query.where(or_(c.status != "new", c.clients >= least_clients))
    if after is not None:
        query = query.where(tuple_(-c.score, c.domain) > tuple_(-after[0], bindable(after[1])))
    return await rows_of(conn, _row, query.order_by(c.score.desc(), c.domain).limit(limit))


async def among(conn: AsyncConnection, domains: Sequence[str]) -> dict[str, UnlistedRow]:
    """The entries of these domains, as far as there are any."""
    query = select(unlisted).where(unlisted.c.domain.in_([bindable(domain) for domain in domains]))
    return {row.domain: row for row in await rows_of(conn, _row, query)}


async def put(conn: AsyncConnection, row: UnlistedRow, *, is_there: bool) -> None:
    """Write what was observed of a domain; of what was decided about one that is there, only `status` may change."""
    values = values_of(row)
    if not is_there:
        await conn.execute(insert(unlisted).values(values))
        return
    seen = ("status", "score", "evidence", "hosts", "queries", "clients", "days", "last_at")
    statement = update(unlisted).where(unlisted.c.domain == row.domain)
    await conn.execute(statement.values({name: values[name] for name in seen}))


async def forget(conn: AsyncConnection, domains: Sequence[str]) -> None:
    """Remove new entries; those that somebody decided about stay."""
    c = unlisted.c
    await conn.execute(delete(unlisted).where(c.domain.in_(domains), c.status == "new"))


async def all_new(conn: AsyncConnection) -> list[str]:
    """The domains of new entries."""
    return list(await conn.scalars(select(unlisted.c.domain).where(unlisted.c.status == "new")))


async def trim(conn: AsyncConnection, most: int) -> int:
    """Remove entries beyond `most`: new and ignored ones with the least evidence. Gives how many."""
    total = int(await conn.scalar(select(func.count()).select_from(unlisted)) or 0)
    if total <= most:
        return 0
    c = unlisted.c
    some = select(c.domain).where(c.status.in_(("new", "ignored")))
    least = some.order_by(c.status.desc(), c.score, c.last_at).limit(total - most)
    return int((await conn.execute(delete(unlisted).where(c.domain.in_(least)))).rowcount)


async def counts(conn: AsyncConnection) -> dict[str, int]:
    """The number of entries by status."""
    c = unlisted.c
    rows: Any = await conn.execute(select(c.status, func.count().label("n")).group_by(c.status))
    return {**dict.fromkeys(STATUSES, 0), **{row.status: int(row.n) for row in rows}}


async def decide(
    change: Change,
    row: UnlistedRow,
    action: str,
    *,
    rule: str | None = None,
    in_list: str | None = None,
    expected_version: int | None = None,
) -> UnlistedRow:
    """Note what a person has decided about an entry. Raises StaleVersion."""
    if expected_version is not None and expected_version != row.version:
        raise StaleVersion(f"unlisted name {row.domain!r}")
    values: dict[str, Any] = {
        "status": ACTIONS[action],
        "rule": rule,
        "list": in_list,
        "decided_by": change.actor,
        "decided_at": datetime.now(UTC),
        "version": row.version + 1,
    }
    statement = update(unlisted).where(unlisted.c.domain == row.domain).values(values)
    await change.connection.execute(statement)
    return await get(change.connection, row.domain)
