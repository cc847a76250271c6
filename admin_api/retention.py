"""Retention of what has come to its end: ended exemptions and decided change requests are removed when they are old,
looks that others agreed to within the hour.

Kinds of data that have a keeper of their own (query log, statistics, lease history, evidence) are removed by that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from admin_api.store import change_requests, exemptions, looks
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from resolver.config.settings import Retention
from resolver.telemetry.log import Log

LOOK_SECONDS: Final = 3600.0
"""Between two looks for what is too old."""
AT_ONCE: Final = 500
"""Rows that are removed in one transaction, so that no other writer waits for long."""

Forget = Callable[[AsyncConnection, datetime, int], Awaitable[int]]


class RetentionKeeper:
    """The one that removes them, an hour after they are too old at the latest."""

    def __init__(self, access: StoreAccess, kept: Retention, log: Log) -> None:
        self._access = access
        self._log = log
        self._kinds: tuple[tuple[str, int | None, Forget], ...] = (
            ("exemptions", kept.exemptions_days, exemptions.forget_ended),
            ("change requests", kept.change_requests_days, change_requests.forget_decided),
            ("looks that were agreed to", 0, looks.forget_ended),
        )

    async def run(self) -> None:
        """Look for them, for ever."""
        while True:
            for what, days, forget in self._kinds:
                if days is not None:
                    await self._forget(what, datetime.now(UTC) - timedelta(days=days), forget)
            await asyncio.sleep(LOOK_SECONDS)

    async def _forget(self, what: str, before: datetime, forget: Forget) -> None:
        removed = 0
        try:
            while True:
                async with self._access.store.count() as connection:
                    some = await forget(connection, before, AT_ONCE)
                removed += some
                if some < AT_ONCE:
                    break
        except StoreAway as error:
            self._log.warning("what is too old is removed later: the store is away", what=what, why=str(error))
        if removed:
            self._log.info("removed what is too old", what=what, before=before.isoformat(), removed=removed)
