"""Watching a restored store: what it suspended is told until an admin has confirmed or revoked all of it.

The command line confirms in the store itself; a running server sees that here, and puts exemptions in force.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from admin_api.store import restored
from admin_api.store.access import StoreAccess
from admin_api.store.errors import StoreAway
from admin_api.store.restored import SuspendedThings
from resolver.telemetry.log import Log

_LOOK_SECONDS = 1.0
_NONE = {"tokens": 0, "exemptions": 0}
_TOLD = "the store was restored, and waits for an admin"


class RestoredWatch:
    """The one that looks, as long as something is suspended."""

    def __init__(self, access: StoreAccess, reload: Callable[[], None], log: Log) -> None:
        """`reload` has leases and exemptions looked at anew."""
        self.waiting: SuspendedThings | None = None
        self._access = access
        self._reload = reload
        self._log = log

    @property
    def trouble(self) -> str | None:
        """Why the node is degraded; None when nothing is suspended."""
        return self.waiting.told if self.waiting is not None else None

    def gauges(self) -> Mapping[str, Mapping[tuple[str, ...], float]]:
        """For Prometheus."""
        waiting = self.waiting
        counts = {"tokens": len(waiting.tokens), "exemptions": len(waiting.exemptions)} if waiting else _NONE
        return {"moatdns_restored_suspended": {(what,): count for what, count in counts.items()}}

    async def run(self) -> None:
        """Look each second, until nothing is suspended: a restore begins with another process."""
        is_first = True
        while True:
            with contextlib.suppress(StoreAway):
                await self.look()
                if is_first and self.trouble is not None:
                    self._log.warning(_TOLD, why=self.trouble)
                is_first = False
                if self.waiting is None:
                    return
            await asyncio.sleep(_LOOK_SECONDS)

    async def look(self) -> None:
        """See what is suspended by now. Raises StoreAway."""
        before = self.waiting
        async with self._access.store.read() as connection:
            self.waiting = await restored.suspended(connection)
        if before is not None and before.exemptions != (self.waiting.exemptions if self.waiting else ()):
            self._reload()
        if before is not None and self.waiting is None:
            self._log.info("nothing of the restored store is suspended any more")
