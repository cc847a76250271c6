"""Pauses: a group, or every group, is only watched for a while."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.columns import bindable
from admin_api.store.errors import TooMany, found
from admin_api.store.queries import count_of, row_of, rows_of, values_of
from admin_api.store.tables import pauses

MOST_PAUSES: Final = 1000


@dataclass(frozen=True, slots=True)
class PauseRow:
    """One pause; `group` None is every group."""

    id: str
    group: str | None
    reason: str
    set_by: str
    created_at: datetime
    expires_at: datetime

    def plain(self) -> dict[str, object]:
        """As the audit trail keeps it."""
        return {
            "id": self.id,
            "group": self.group,
            "reason": self.reason,
            "expires_at": self.expires_at.isoformat(),
        }


async def get(conn: AsyncConnection, number: str) -> PauseRow:
    """The pause of that id. Raises NotFound."""
    query = select(pauses).where(pauses.c.id == bindable(number))
    return found(await row_of(conn, PauseRow, query), f"pause {number!r}")


async def all_pauses(conn: AsyncConnection) -> list[PauseRow]:
    """All of them, the newest first."""
    return await rows_of(conn, PauseRow, select(pauses).order_by(pauses.c.created_at.desc()))


async def create(change: Change, *, group: str | None, reason: str, expires_at: datetime) -> PauseRow:
    """Make one. Raises TooMany."""
    if await count_of(change.connection, pauses) >= MOST_PAUSES:
        raise TooMany(f"there are {MOST_PAUSES} pauses, the maximum: end some, or pause every group")
    row = PauseRow(f"pa-{secrets.token_hex(5)}", group, reason, change.actor, datetime.now(UTC), expires_at)
    await change.connection.execute(insert(pauses).values(values_of(row)))
    change.record("pause", f"pauses/{row.id}", None, row.plain())
    return row


async def end(change: Change, row: PauseRow, action: str) -> None:
    """Take one away: `action` is end or expire."""
    await change.connection.execute(delete(pauses).where(pauses.c.id == row.id))
    change.record(action, f"pauses/{row.id}", row.plain(), None)
