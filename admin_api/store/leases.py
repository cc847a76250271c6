"""Leases: who has which address for now, and who had it before."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import and_, delete, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.errors import found
from admin_api.store.lease_row import LeaseRow
from admin_api.store.queries import containing, count_of, narrowed, page_behind, page_below, row_of, rows_of, values_of
from admin_api.store.tables import lease_history, leases

MOST_EVENTS: Final = 50_000
"""Events of the history that are read at once."""

_BATCH = 500


@dataclass(frozen=True, slots=True)
class LeaseEvent:
    """One event of a lease: set, renewed, ended or expired."""

    id: int
    at: datetime
    action: str
    address: str
    identity: str
    group: str | None
    ends_at: datetime
    actor: str
    request_id: str | None


async def get(conn: AsyncConnection, address: str) -> LeaseRow:
    """The lease on an address. Raises NotFound."""
    query = select(leases).where(leases.c.address == bindable(address))
    return found(await row_of(conn, LeaseRow, query), f"lease on {address}")


async def page(
    conn: AsyncConnection,
    *,
    limit: int,
    after: str | None = None,
    identity: str | None = None,
    contains: str | None = None,
) -> list[LeaseRow]:
    """Leases by address, those behind `after`; `contains` is a text in identity or address (any case)."""
    query = narrowed(page_behind(select(leases), leases.c.address, after, limit), (leases.c.identity, identity))
    return await rows_of(conn, LeaseRow, containing(query, contains, leases.c.identity, leases.c.address))


async def all_leases(conn: AsyncConnection) -> list[LeaseRow]:
    """All of them."""
    return await rows_of(conn, LeaseRow, select(leases))


async def of_device(conn: AsyncConnection, device: str) -> list[LeaseRow]:
    """The leases of one device."""
    return await rows_of(conn, LeaseRow, select(leases).where(leases.c.device == device))


async def at(conn: AsyncConnection, addresses: Sequence[str]) -> dict[str, LeaseRow]:
    """The leases on some addresses, by address."""
    rows = await rows_of(conn, LeaseRow, select(leases).where(leases.c.address.in_(list(addresses))))
    return {row.address: row for row in rows}


async def count(conn: AsyncConnection) -> int:
    """How many there are."""
    return await count_of(conn, leases)


async def put(
    change: Change, rows: Sequence[LeaseRow], actions: Sequence[str], *, instead_of: Mapping[str, LeaseRow]
) -> None:
    """Set leases; `instead_of` is what addresses have by now. `actions` (set, renewed) go into the history."""
    change.leased += [(instead_of.get(row.address), row) for row in rows]
    if instead_of:
        await change.connection.execute(delete(leases).where(leases.c.address.in_(list(instead_of))))
    await change.connection.execute(insert(leases), [values_of(row) for row in rows])
    await _note(change, zip(rows, actions, strict=True))


async def end(change: Change, rows: Sequence[LeaseRow], action: str) -> None:
    """Take leases away: `action` is ended or expired."""
    change.leased += [(row, None) for row in rows]
    for first in range(0, len(rows), _BATCH):
        some = rows[first : first + _BATCH]
        await change.connection.execute(delete(leases).where(leases.c.address.in_([row.address for row in some])))
        await _note(change, ((row, action) for row in some))


async def history(
    conn: AsyncConnection,
    *,
    limit: int,
    before_id: int | None = None,
    address: str | None = None,
    identity: str | None = None,
) -> list[LeaseEvent]:
    """Events of leases, newest first."""
    c = lease_history.c
    query = page_below(select(lease_history), c.id, before_id, limit)
    return await rows_of(conn, LeaseEvent, narrowed(query, (c.address, address), (c.identity, identity)))


async def into_groups(
    conn: AsyncConnection, names: Collection[str], start: datetime, end: datetime, *, most: int = MOST_EVENTS
) -> tuple[list[LeaseEvent], int]:
    """Events of the addresses that were leased into some groups within a window, and how many more there are.

    The oldest first; before them, of each address, what set its lease and what happened last before the window.
    """
    if not names:
        return [], 0
    c = lease_history.c
    addresses = select(c.address).where(c.group.in_(list(names)), c.at < end, c.ends_at > start)
    earlier = select(func.max(c.id)).where(c.address.in_(addresses), c.at < start).group_by(c.address)
    within = and_(c.at >= start, c.at < end, c.address.in_(addresses))
    wanted = or_(c.id.in_(earlier.where(c.action == "set")), c.id.in_(earlier), within)
    found = await rows_of(conn, LeaseEvent, select(lease_history).where(wanted).order_by(c.id).limit(most + 1))
    if len(found) <= most:
        return found, 0
    return found[:most], await count_of(conn, lease_history, wanted) - most


async def last_event(conn: AsyncConnection, address: str, at: datetime) -> LeaseEvent | None:
    """The last event of the lease on an address by a time, as far as the history reaches."""
    c = lease_history.c
    query = select(lease_history).where(c.address == bindable(address), c.at <= at).order_by(c.id.desc()).limit(1)
    return await row_of(conn, LeaseEvent, query)


async def forget_history(conn: AsyncConnection, before: datetime) -> None:
    """Remove what happened before a time."""
    await conn.execute(delete(lease_history).where(lease_history.c.at < before))


async def _note(change: Change, happened: Iterable[tuple[LeaseRow, str]]) -> None:
    now = datetime.now(UTC)
    values = [
        {
            "at": now,
            "action": action,
            "address": row.address,
            "identity": row.identity,
            "group": row.group,
            "ends_at": row.ends_at,
            "actor": change.actor,
            "request_id": change.request_id,
        }
        for row, action in happened
    ]
    if values:
        await change.connection.execute(insert(lease_history), values)
