"""A worker's counters: plain integers, bumped on the query path, read by whoever reports them."""

from __future__ import annotations

from collections import Counter
from enum import IntEnum


class Outcome(IntEnum):
    """How a query ended. Each query has exactly one; monitored and exempted are parts of cached and forwarded."""

    BLOCKED = 0
    CACHED = 1
    CACHED_MONITORED = 2
    CACHED_EXEMPTED = 3
    FORWARDED = 4
    FORWARDED_MONITORED = 5
    FORWARDED_EXEMPTED = 6
    FAILED = 7  # SERVFAIL, and queries that were not well-formed
    REFUSED = 8  # by clients.allow, or not ours to answer


class Counters:
    """`outcomes[Outcome]` counts queries; `dropped` counts, by what was full or wrong, what was let fall."""

    def __init__(self) -> None:
        self.outcomes = [0] * len(Outcome)
        self.dropped: Counter[str] = Counter()

    def to_plain(self) -> dict[str, dict[str, int]]:
        """As it is reported, without zeros."""
        outcomes = {outcome.name.lower(): self.outcomes[outcome] for outcome in Outcome if self.outcomes[outcome]}
        return {"outcomes": outcomes, "dropped": dict(self.dropped)}
