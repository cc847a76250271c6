"""One coarse timer for all that waits.

A loop timer a query would cost as much as the rest of its book-keeping, and nearly every one would be cancelled. Here
a deadline is a place in a set, and one timer sweeps the sets that are due. It runs only while something waits.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

TICK_SECONDS: Final = 0.02  # how late `due` may come
_TICKS_PER_SECOND: Final = round(1 / TICK_SECONDS)


class Waiting(ABC):
    """Base of all that wait until a deadline."""

    tick = 0  # belongs to Deadlines

    @abstractmethod
    def due(self) -> None:
        """The time has come."""

    @abstractmethod
    def close(self) -> None:
        """There will be no time."""


class Deadlines:
    """Deadlines of all that wait; each has at most one at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop = loop
        self._clock = clock
        self._slots: dict[int, set[Waiting]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, waiting: Waiting, when: float) -> None:
        """Call `waiting.due()` within a tick after the clock shows `when`, instead of what was agreed before."""
        if waiting.tick:
            self.discard(waiting)
        tick = waiting.tick = int(when * _TICKS_PER_SECOND) + 1
        slot = self._slots.get(tick)
        if slot is not None:
            slot.add(waiting)
            return
        self._slots[tick] = {waiting}
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_SECONDS, self._sweep)

    def discard(self, waiting: Waiting) -> None:
        """Forget it; no harm if it is not there."""
        slot = self._slots.get(waiting.tick)
        if slot is not None:
            slot.discard(waiting)

    def take_all(self) -> list[Waiting]:
        """Everything that waits, which waits no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting: list[Waiting] = []
        for slot in self._slots.values():
            waiting += slot
            slot.clear()  # a sweep may be going through it
        self._slots.clear()
        return waiting

    def __len__(self) -> int:
        return sum(map(len, self._slots.values()))

    def _sweep(self) -> None:
        # The timer is set first and a slot goes only when it is empty: should a `due` raise, the others come next tick.
        self._timer = self._loop.call_later(TICK_SECONDS, self._sweep)
        now = int(self._clock() * _TICKS_PER_SECOND)
        for tick in [tick for tick in self._slots if tick <= now]:
            while slot := self._slots.get(tick):
                slot.pop().due()
            self._slots.pop(tick, None)
        if not self._slots and self._timer is not None:
            self._timer.cancel()
            self._timer = None
