"""Counts of the query log for forecasts, kept for a while: a page that is looked at again costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from admin_api.forecast.counting import CountedLog

MOST_KEPT: Final = 8
"""Counts that are kept; beyond, the oldest is made again."""
KEPT_SECONDS: Final = 60.0
"""Then the log is counted again: it goes on."""


@dataclass(frozen=True, slots=True)
class AskedCount:
    """A count that a forecast asks for, under the policy of a revision; None where the caller left it out.

    `erasures` is how far erasures from the log have come: a client who is erased is in no count from before.
    """

    revision: int
    erasures: int
    group: str | None
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class TimedCount:
    """A count, and the time that it is of."""

    start: datetime
    end: datetime
    counted: CountedLog


class KeptCounts:
    """The last counts, by what was asked for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[AskedCount, tuple[float, TimedCount]] = {}

    def find(self, asked: AskedCount) -> TimedCount | None:
        """The count, if it is not too old."""
        made_at, made = self._kept.get(asked, (0.0, None))
        return made if self._clock() - made_at < KEPT_SECONDS else None

    def keep(self, asked: AskedCount, made: TimedCount) -> None:
        """Keep a count; those from before an erasure are over."""
        self._kept = {one: kept for one, kept in self._kept.items() if one.erasures >= asked.erasures}
        self._kept.pop(asked, None)
        while len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[asked] = (self._clock(), made)
