"""The state of a sink: what it has taken, what it will not get, and why it takes nothing now."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

_DROP_TOLD_SECONDS: Final = 300.0  # for which a drop is a reason for /ready


@dataclass(slots=True)
class SinkState:
    """How a sink is. `oldest` is the Unix millisecond of the first row that waits, by source.

    `trouble` says in words of ours why it takes nothing; `last_error` has the sink's own words behind them, which may
    be others each time.
    """

    last_success_at: datetime | None = None
    trouble: str | None = None
    last_error: str | None = None
    sent: int = 0
    dropped: Counter[str] = field(default_factory=Counter)  # by reason
    oldest: dict[str, int] = field(default_factory=dict)
    dropped_at: float | None = None  # monotonic

    @property
    def behind_seconds(self) -> float:
        """Age of the oldest row that waits; 0 where none does."""
        return max(0.0, time.time() - min(self.oldest.values()) / 1000) if self.oldest else 0.0

    def note(self, why: str | None, said: str = "") -> None:
        """Note why it takes nothing, and what it said itself; None: it takes rows."""
        self.trouble = why
        self.last_error = None if why is None else f"{why}{said}"

    def drop(self, rows: int, reason: str) -> None:
        """Count rows that it will not get."""
        self.dropped[reason] += rows
        self.dropped_at = time.monotonic()

    @property
    def troubles(self) -> list[str]:
        """Reasons why the node is not healthy. Each stays the same as long as it holds: records have it once."""
        found = [] if self.trouble is None else [self.trouble]
        if self.dropped_at is not None and time.monotonic() - self.dropped_at < _DROP_TOLD_SECONDS:
            found.append("rows were dropped within the last five minutes")
        return found
