"""The policy's revisions: what each changed of what the API owns, and enough to take it back (`undo`)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store.change import Change
from admin_api.store.errors import NotFound, found
from admin_api.store.queries import columns_of, page_below, rows_of
from admin_api.store.rules import of_revision
from admin_api.store.tables import policy_revisions
from admin_api.store.undo import Line
from admin_api.store.undo import lines_of as unpacked

MOST_REVISIONS: Final = 10_000
"""Revisions that are kept; then the oldest go."""

_OWNED = ("lists/", "groups/", "local/")
_NOT_OURS = "provision"  # the action of what the config file brings
_MOST_CHANGES = 50  # that a revision's summary tells


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision; `changes` are in short, as in ``"update groups/staff"``."""

    revision: int
    at: datetime
    actor: str
    request_id: str | None
    changes: tuple[str, ...]


async def note(change: Change) -> None:
    """Keep what a change does to the policy, at its end."""
    conn = change.connection
    told: list[str] = []
    for entry in change.entries:
        told.append(f"{entry.action} {entry.object}")
        if entry.object.startswith(_OWNED) and entry.action != _NOT_OURS:
            before, after = (json.loads(text) if text else None for text in (entry.before, entry.after))
            if any(isinstance(state, dict) and "name" in state for state in (before, after)):  # else it is of its rules
                change.undo.put(["object", entry.object, before, after])
    async for sign, piece in of_revision(conn, change.revision):
        of_list: dict[str, list[tuple[str, str]]] = {}
        for name, action, rule in piece:
            of_list.setdefault(name, []).append((action, rule))
        for name, pairs in of_list.items():
            change.undo.rules(sign, name, pairs)
    more = [f"and {len(told) - _MOST_CHANGES} more"] if len(told) > _MOST_CHANGES else []
    await conn.execute(
        insert(policy_revisions).values(
            revision=change.revision,
            at=datetime.now(UTC),
            actor=change.actor,
            request_id=change.request_id,
            changes=[*told[:_MOST_CHANGES], *more],
            undo=change.undo.packed(),
        )
    )
    oldest = change.revision - MOST_REVISIONS
    await conn.execute(delete(policy_revisions).where(policy_revisions.c.revision <= oldest))


async def lines_of(conn: AsyncConnection, revision: int) -> list[Line]:
    """Lines of what one revision did. Raises NotFound when it is not kept."""
    packed: bytes | None = await conn.scalar(
        select(policy_revisions.c.undo).where(policy_revisions.c.revision == revision)
    )
    return list(unpacked(found(packed, f"policy revision {revision}: it is not kept any more")))


async def packed_octets(conn: AsyncConnection, revision: int) -> int:
    """How much is kept of the revisions after one, compressed."""
    c = policy_revisions.c
    return int(await conn.scalar(select(func.sum(func.length(c.undo))).where(c.revision > revision)) or 0)


async def page(conn: AsyncConnection, *, limit: int, below: int | None = None) -> list[RevisionRow]:
    """Revisions, the newest first."""
    query = select(*columns_of(policy_revisions, RevisionRow))
    return await rows_of(conn, RevisionRow, page_below(query, policy_revisions.c.revision, below, limit))


async def since(conn: AsyncConnection, revision: int, now: int) -> AsyncIterator[Sequence[Line]]:
    """The lines of each revision after one, from the newest (`now`) back. Raises NotFound when one is not kept."""
    c = policy_revisions.c
    expected = now
    query = select(c.revision, c.undo).where(c.revision > revision).order_by(c.revision.desc())
    result = await conn.stream(query.execution_options(yield_per=10))
    async for row in result:
        if row.revision != expected:
            break
        expected -= 1
        yield list(unpacked(row.undo))
    await result.close()
    if expected != revision:
        raise NotFound(f"way back to revision {revision}: revision {expected} is not kept (any more)")
