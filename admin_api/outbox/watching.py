"""Watcher of what nobody does and others are told of: exemptions that end soon, failing lists, a degraded node."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from admin_api.outbox.receivers import DEGRADED, RECOVERED, Outbox
from admin_api.store import documents, exemptions, lists
from admin_api.store.access import StoreAccess
from admin_api.store.exemptions import ExemptionRow
from resolver.errors import MoatdnsError

ENDING, LIST_REFUSED = "exemption.ending", "list.refused"
SOON = timedelta(days=1)
"""An exemption ends soon when this is left, or a tenth of all its time, whichever is less."""

_LOOK_SECONDS = 5.0
_STEADY_SECONDS = 10.0  # for which a node is unwell before it is told
_TOLD = "webhooks_told"  # the document that remembers what was told of lists
_ACTOR = "moatdns"


class Watcher:
    """The one that looks."""

    def __init__(self, access: StoreAccess, outbox: Outbox, troubles: Callable[[], Sequence[str]]) -> None:
        """`troubles` says why the node is degraded, in finished phrases; none when it is."""
        self._access = access
        self._outbox = outbox
        self._troubles = troubles
        self._unwell_since: float | None = None
        self._told_unwell = False

    async def run(self) -> None:
        """Look, for ever."""
        if not self._outbox.receivers:
            return
        while True:
            try:
                await self._look_at_node()
                await self._look_at_lists()
                await self._look_at_exemptions()
            except MoatdnsError:
                pass  # the store is away: that is told when it is back
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look_at_node(self) -> None:
        why = list(self._troubles())
        if why:
            self._unwell_since = self._unwell_since or time.monotonic()
            if not self._told_unwell and time.monotonic() - self._unwell_since >= _STEADY_SECONDS:
                await self._outbox.tell(self._access, DEGRADED, {"why": why})
                self._told_unwell = True
            return
        if self._told_unwell:
            await self._outbox.tell(self._access, RECOVERED, {})
        self._unwell_since, self._told_unwell = None, False

    async def _look_at_lists(self) -> None:
        async with self._access.store.read() as connection:
            rows = await lists.all_lists(connection)
            told = (await documents.get(connection, _TOLD) or {}).get("lists", {})
        shown = {row.name: lists.error_shown(row, is_admin=False) for row in rows}
        failing = {row.name: row.last_error for row in rows if row.last_error is not None}  # each reason is told once
        if failing == told:
            return
        async with self._access.store.change(_ACTOR) as change:
            for name, why in failing.items():
                if told.get(name) != why:
                    await self._outbox.put(change.connection, LIST_REFUSED, {"list": name, "why": shown[name]})
            await documents.put(change.connection, _TOLD, {"lists": failing})

    async def _look_at_exemptions(self) -> None:
        now = datetime.now(UTC)
        async with self._access.store.read() as connection:
            rows = [row for row in await exemptions.opened(connection) if row.status == "active"]
        soon = [row for row in rows if not row.told_ending and ends_soon(row, now)]
        if not soon:
            return
        async with self._access.store.change(_ACTOR) as change:
            for row in soon:
                await self._outbox.put(change.connection, ENDING, row.told())
            await exemptions.told_ending(change, [row.id for row in soon])


def ends_soon(row: ExemptionRow, now: datetime) -> bool:
    """Whether it is time to say so."""
    return row.expires_at - now <= min(SOON, (row.expires_at - row.starts_at) / 10)
