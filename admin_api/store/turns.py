"""Whose turn it is to write, and how long anybody waits for it.

While changes are made, those behind them wait, for a few seconds at most. Once one had to give up, since another
program has the store locked, or the disk is full, those behind it give up after a moment, too: callers hear of it
within seconds, and no queue grows.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

from admin_api.store.engine import StoreLimits
from admin_api.store.errors import StoreAway

_LOOK_SECONDS = 0.2


class WriteTurns:
    """The writers of one store. `trouble` says why the last of them had to give up; None once one came through."""

    def __init__(self, limits: StoreLimits, place: str) -> None:
        self.trouble: str | None = None
        self._limits = limits
        self._place = place

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        """Note in `trouble` whether what is written within succeeds."""
        try:
            yield
        except StoreAway as error:
            self.trouble = str(error)
            raise
        self.trouble = None

    async def acquire(self, lock: asyncio.Lock, since: float) -> None:
        """Take a lock that writers share, waited for `since` then (monotonic). Raises StoreAway when that is long."""
        acquiring = asyncio.ensure_future(lock.acquire())
        try:
            while not (await asyncio.wait((acquiring,), timeout=_LOOK_SECONDS))[0]:
                self._check_patience(time.monotonic() - since)
        except BaseException:
            if not acquiring.cancel():
                lock.release()
            raise

    def _check_patience(self, waited: float) -> None:
        if waited >= self._limits.patience_seconds:
            raise StoreAway(f"the store, {self._place}, is busy with other changes")
        if waited >= self._limits.lock_seconds and self.trouble is not None:
            raise StoreAway(self.trouble)
