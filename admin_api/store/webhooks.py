"""The outbox in the store: messages that are still to be delivered, to webhooks and by mail."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import case, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.columns import canonical, iso_text
from admin_api.store.queries import rows_of
from admin_api.store.tables import webhook_messages

MOST_WAITING: Final = 1000
"""Messages that wait for one receiver; then the oldest go."""


class WaitingMessages(NamedTuple):
    """How many messages wait for a receiver, and how many of them could not be delivered when they were tried."""

    messages: int
    tried: int


NONE_WAITING: Final = WaitingMessages(0, 0)


@dataclass(frozen=True, slots=True)
class MessageRow:
    """One message for one receiver (`hook`). `body` is JSON: its event as webhooks sign and send it."""

    id: int
    hook: str
    message_id: str
    body: str
    tries: int
    next_at: datetime


def message_of(what: str, data: Mapping[str, object], at: datetime) -> tuple[str, str]:
    """The id and the body of a message about an event."""
    return f"msg_{secrets.token_hex(12)}", canonical({"type": what, "timestamp": iso_text(at), "data": data})


async def put(conn: AsyncConnection, hooks: Sequence[str], what: str, data: Mapping[str, object]) -> int:
    """Have receivers told of an event; gives how many older messages gave way."""
    gone = 0
    now = datetime.now(UTC)
    message_id, body = message_of(what, data, now)
    c = webhook_messages.c
    for hook in hooks:
        await conn.execute(
            insert(webhook_messages).values(hook=hook, message_id=message_id, body=body, tries=0, next_at=now)
        )
        newest = select(c.id).where(c.hook == hook).order_by(c.id.desc()).limit(1).offset(MOST_WAITING - 1)
        oldest_kept = await conn.scalar(newest)
        if oldest_kept is not None:
            deleted = await conn.execute(delete(webhook_messages).where(c.hook == hook, c.id < oldest_kept))
            gone += deleted.rowcount
    return gone


async def forget_all(conn: AsyncConnection) -> int:
    """Remove every message that waits; gives how many."""
    return (await conn.execute(delete(webhook_messages))).rowcount


async def due(conn: AsyncConnection, hook: str, now: datetime, limit: int) -> list[MessageRow]:
    """Messages due to a hook, the oldest first."""
    c = webhook_messages.c
    query = select(webhook_messages).where(c.hook == hook, c.next_at <= now).order_by(c.id).limit(limit)
    return await rows_of(conn, MessageRow, query)


async def waiting(conn: AsyncConnection) -> dict[str, WaitingMessages]:
    """How many messages wait, by hook."""
    c = webhook_messages.c
    tried = func.sum(case((c.tries > 0, 1), else_=0))
    rows = await conn.execute(select(c.hook, func.count().label("n"), tried.label("tried")).group_by(c.hook))
    return {row.hook: WaitingMessages(int(row.n), int(row.tried)) for row in rows}


async def done(conn: AsyncConnection, row: MessageRow) -> None:
    """Forget a message: it was delivered, or given up."""
    await conn.execute(delete(webhook_messages).where(webhook_messages.c.id == row.id))


async def later(conn: AsyncConnection, row: MessageRow, at: datetime) -> None:
    """Try it again at a time."""
    statement = update(webhook_messages).where(webhook_messages.c.id == row.id)
    await conn.execute(statement.values(tries=row.tries + 1, next_at=at))
