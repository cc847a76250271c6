"""Rows on their way to a sink, and what may go wrong there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from resolver.errors import MoatdnsError

QUERY: Final = "query"
AUDIT: Final = "audit"


class SinkRow(NamedTuple):
    """Row of the query log or of the audit trail, as a sink gets it. `stamp` is its time in RFC 3339."""

    source: str  # QUERY or AUDIT
    stamp: str
    verdict: str  # of a query; "" else
    text: str  # JSON on one line, ASCII


class SinkAway(MoatdnsError):
    """A sink that took nothing. The text says why; `said` is what the sink has to add, other words each time perhaps.

    `wait_seconds` is what it asked for itself, None where nothing.
    """

    def __init__(self, why: str, wait_seconds: float | None = None, *, said: str = "", is_late: bool = False) -> None:
        super().__init__(why)
        self.said = said
        self.wait_seconds = wait_seconds
        self.is_late = is_late  # whether fewer rows at once might be in time


class RowsRefused(MoatdnsError):
    """A sink that answers, and will not have these rows. The text says why; `said` is what the sink has to add."""

    def __init__(self, why: str, said: str = "") -> None:
        super().__init__(why)
        self.said = said


class Outlet(Protocol):
    """The way to a sink: one connection at a time."""

    async def send(self, rows: Sequence[SinkRow]) -> int:
        """Send rows, or the first of them; gives how many. Raises SinkAway, RowsRefused."""

    async def close(self) -> None:
        """Close the connection."""
