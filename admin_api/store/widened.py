"""Tokens that an upgrade made investigators, since they saw persons before: told once, in the audit trail."""

from __future__ import annotations

from sqlalchemy import select, update

from admin_api.store.roles import INVESTIGATOR
from admin_api.store.store import Store
from admin_api.store.tables import meta

WIDEN = ("widen", "tokens")  # action and object


async def note_widened(store: Store) -> tuple[str, ...]:
    """Write the row of the audit trail, if it is still to be written; gives the tokens' names. Raises StoreAway."""
    wanted = select(meta.c.tokens_widened)
    async with store.read() as connection:
        if await connection.scalar(wanted) is None:
            return ()
    async with store.change("moatdns") as change:
        names: tuple[str, ...] | None = await change.connection.scalar(wanted)
        if names is None:
            return ()
        await change.connection.execute(update(meta).values(tokens_widened=None))
        why = "they saw persons until this version, in which a role of its own permits that"
        change.record(*WIDEN, None, {"tokens": [*names], "role": INVESTIGATOR, "why": why})
        return names
