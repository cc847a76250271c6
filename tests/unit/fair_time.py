"""Time as it would have passed had the machine had nothing else to do: what an upper bound is for."""

from __future__ import annotations

import asyncio
import time

_EVERY_SECONDS = 0.01
_USUAL_SECONDS = 0.002  # by which a timer is late where nothing else is done


class FairTime:
    """How long a block took by the clock, but for what the loop's timers were late meanwhile, in seconds."""

    def __init__(self) -> None:
        self.late_seconds = 0.0
        self.seconds = 0.0

    async def __aenter__(self) -> FairTime:
        self._began = self._due = time.monotonic()
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.seconds = self.so_far()
        self._task.cancel()

    def so_far(self) -> float:
        """How long it took up to now, in seconds."""
        now = time.monotonic()
        return now - self._began - self.late_seconds - max(0.0, now - self._due - _USUAL_SECONDS)

    async def _watch(self) -> None:
        while True:
            self._due = time.monotonic() + _EVERY_SECONDS
            await asyncio.sleep(_EVERY_SECONDS)
            self.late_seconds += max(0.0, time.monotonic() - self._due - _USUAL_SECONDS)
