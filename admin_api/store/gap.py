"""Gaps of the audit trail: changes that were refused because nothing could be written.

They changed nothing, and left no row. So that nobody takes the silence for peace, the next row that can be written says
from when to when nothing could be, why, and who had tried.
"""

from __future__ import annotations

from datetime import UTC, datetime

from admin_api.store.change import AuditEntry
from admin_api.store.columns import canonical

ACTION, OBJECT, ACTOR = "gap", "audit", "moatdns"
_MOST_ACTORS = 20


class Gap:
    """Changes refused since something could last be written."""

    def __init__(self) -> None:
        self.refused = 0
        self._first = self._last = datetime.now(UTC)
        self._why = ""
        self._actors: list[str] = []

    def __bool__(self) -> bool:
        return self.refused > 0

    def note(self, actor: str, why: str) -> None:
        """One more change was refused."""
        self._last = datetime.now(UTC)
        if not self.refused:
            self._first = self._last
        self.refused += 1
        self._why = why
        if actor not in self._actors and len(self._actors) < _MOST_ACTORS:
            self._actors.append(actor)

    def entry(self) -> AuditEntry:
        """The row that tells the times of the first and the last refused change, how many, by whom, and why."""
        after = {
            "first": self._first.isoformat(),
            "last": self._last.isoformat(),
            "refused": self.refused,
            "actors": sorted(self._actors),
            "why": self._why,
        }
        return AuditEntry(datetime.now(UTC), ACTOR, ACTION, OBJECT, None, canonical(after), None)
