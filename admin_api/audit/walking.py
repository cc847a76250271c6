"""Looks at every row of the audit trail, a few each second, again and again: whether each still has the content it had.

A head vouches for the rows before it only to who computes their macs. `moatdns audit verify` does that at once, when
somebody thinks of it; this does it always, at a rate that costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from admin_api.store import trail
from admin_api.store.store import Store
from resolver.telemetry.log import Log

ROWS_A_LOOK: Final = 200
"""Rows that are looked at in a second: some 6 ms of computing, 13 where each has texts beside it."""

PAUSE_SECONDS: Final = 60.0
"""Between the end of the trail and the next look from its beginning."""


class TrailWalker:
    """The one that looks. `trouble` says that a row was changed, None while none is known to be."""

    def __init__(self, log: Log, clock: Callable[[], float] = time.monotonic) -> None:
        self.trouble: str | None = None
        self._log = log
        self._clock = clock
        self._walk = trail.TrailWalk()
        self._not_before = 0.0

    async def look(self, store: Store) -> None:
        """Look at the next rows, if it is time. Raises StoreAway."""
        if self._clock() < self._not_before:
            return
        walk = self._walk
        async with store.read() as connection:
            is_over = await trail.walk_on(connection, store.audit_key, walk, ROWS_A_LOOK)
        if walk.findings or is_over:
            self._tell(walk.findings)
        if is_over:
            self._walk, self._not_before = trail.TrailWalk(), self._clock() + PAUSE_SECONDS

    def _tell(self, findings: list[str]) -> None:
        why = _told(findings) if findings else None
        if why is not None and why != self.trouble:
            self._log.error("the audit trail was changed", findings=findings)
        self.trouble = why


def _told(findings: list[str]) -> str:
    return f"the audit trail is not intact: {findings[0]}. See 'moatdns audit verify'"
