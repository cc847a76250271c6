"""Removes rows of the audit trail whose time is over (`retention.audit_days`), each time up to a signed checkpoint.

Only rows that are whole go, and none that somebody still needs: of persons whom a legal hold is on, of change requests
that wait, of losses that a later head would show again, and those that a log sink has not got yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.persons import normal_form
from admin_api.signed.signer import Signer
from admin_api.store import checkpoints, trail
from admin_api.store.access import StoreAccess
from admin_api.store.audit_texts import first_row_naming
from admin_api.store.checkpoints import CHECKPOINT, FORMAT, LastRemoved
from admin_api.store.errors import StoreAway
from admin_api.store.naming import Naming
from admin_api.store.store import Store
from admin_api.store.tables import audit, change_requests
from resolver.errors import MoatdnsError
from resolver.telemetry.log import Log

ROWS_A_CHECKPOINT: Final = 5000
"""Rows that one change removes, so that others have their turn."""

_ACTOR: Final = "moatdns"
_LOOK_SECONDS = 3600.0
_PAUSE_SECONDS = 1.0  # between checkpoints of rows that have waited for long
_BETWEEN: Final = timedelta(hours=20)  # checkpoints: each is a row, too
_ROWS_AT_ONCE = 200  # that are verified without giving way

Sent = Callable[[AsyncConnection], Awaitable[int | None]]
"""The last row that every log sink has; None where no sink gets the trail."""


class AuditRetention:
    """The one that removes them. `removed_to` is the last row that is gone, 0 while none is known to be."""

    def __init__(
        self,
        access: StoreAccess,
        signing: Signer,
        log: Log,
        *,
        days: int | None,
        trouble: Callable[[], str | None],
        sent: Sent,
        held: Sequence[str] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`days` None: rows are kept for ever. `trouble` says why the trail is not whole: then nothing is removed.

        `held` are identities of persons of whom nothing may be removed.
        """
        self.removed_to = 0
        self._access = access
        self._signing = signing
        self._log = log
        self._days = days
        self._trouble = trouble
        self._sent = sent
        self._held = [Naming(name) for name in held if normal_form(name)]
        self._clock = clock

    async def run(self) -> None:
        """Look each hour, for ever."""
        while True:
            with contextlib.suppress(StoreAway):
                await self.look()
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> int:
        """Remove what is to be removed; gives how many rows. Raises StoreAway."""
        store = self._access.store
        async with store.read() as connection:
            newest = await checkpoints.newest(connection)
        self.removed_to = 0 if newest is None else newest.last.row
        if self._days is None or (newest is not None and self._clock() - newest.written < _BETWEEN):
            return 0
        removed = 0
        while last := await self._removable(store, self._clock() - timedelta(days=self._days)):
            why = await self._fault(store, last)
            gone = await self._remove(store, last) if why is None else self._refuse(why)
            removed += gone
            if gone < ROWS_A_CHECKPOINT:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
        return removed

    async def _removable(self, store: Store, before: datetime) -> LastRemoved | None:
        async with store.read() as connection:
            sent = await self._sent(connection)
            return await removable(connection, before, most=ROWS_A_CHECKPOINT, sent=sent, held=self._held)

    async def _fault(self, store: Store, last: LastRemoved) -> str | None:
        """Why the trail is not whole up to a row; None where it is."""
        if trouble := self._trouble():
            return trouble
        walk = trail.TrailWalk()
        while walk.last is None or walk.last < last.row:
            async with store.read() as connection:
                is_over = await trail.walk_on(connection, store.audit_key, walk, _ROWS_AT_ONCE)
            if walk.findings:
                return walk.findings[0]
            if is_over:
                break
        return None

    async def _remove(self, store: Store, last: LastRemoved) -> int:
        try:
            signed = await self._signing.sign(FORMAT, last.content(store.id))
        except MoatdnsError as error:
            return self._refuse(f"the checkpoint is not signed: {error}")
        async with store.change(_ACTOR) as change:
            connection = change.connection
            if await connection.scalar(select(audit.c.mac).where(audit.c.id == last.row)) != last.mac:
                return self._refuse(f"row {last.row} was changed meanwhile")
            gone = await checkpoints.remove_to(connection, last)
            checkpoints.remember(change, last, signed)
        self.removed_to = last.row
        text = json.dumps(signed, separators=(",", ":"))
        self._log.info("rows of the audit trail were removed", rows=gone, to=last.row, signed=text)
        return gone

    def _refuse(self, why: str) -> int:
        self._log.error("rows of the audit trail stay, though their time is over", why=why)
        return 0


async def removable(
    conn: AsyncConnection, before: datetime, *, most: int, sent: int | None, held: Sequence[Naming] = ()
) -> LastRemoved | None:
    """The last of the oldest rows, at most so many, that are from before a time and that nobody needs.

    `sent`: the last row that all have who are to get each; `held`: persons of whom nothing may be removed. None where
    there is nothing to remove.
    """
    c = audit.c
    first, head = (await conn.execute(select(func.min(c.id), func.max(c.id)))).one()
    if first is None:
        return None
    to = min(first + most - 1, head - 1, head if sent is None else sent)  # never the head: the next row stands on it
    younger = await conn.scalar(select(func.min(c.id)).where(c.id <= to, c.at >= before))
    if younger is not None:
        to = younger - 1
    waiting = (await conn.scalars(select(change_requests.c.id).where(change_requests.c.status == "pending"))).all()
    asked = select(func.min(c.id)).where(c.object.in_([f"change-requests/{number}" for number in waiting]))
    for needed in (await conn.scalar(asked), await first_row_naming(conn, to, held)):
        if needed is not None:
            to = min(to, needed - 1)
    to = await trail.before_losses(conn, to)
    other = select(c.id).where(c.id.between(first, to), c.action != CHECKPOINT[0]).limit(1)
    if to < first or await conn.scalar(other) is None:  # a checkpoint for checkpoints alone would never end
        return None
    row = (await conn.execute(select(c.id, c.mac, c.at).where(c.id == to))).one()
    return LastRemoved(row.id, row.mac, row.at)
