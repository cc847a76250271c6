"""Blocks of the query log that cannot be read: each is told in the log and counted once, whoever met it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from resolver.telemetry.log import Log
from resolver.telemetry.query_blocks import MOST_ROWS

MOST_UNREADABLE: Final = 1_000
"""Blocks that are told apart."""

BlockPlace = tuple[str, int]
"""The day of a block, and its id there."""

_MOST_DAYS: Final = 10  # that a sentence names


class UnreadableBlocks:
    """Blocks that were passed over because they were damaged, or of a later version. From any thread."""

    def __init__(self, log: Log | None = None) -> None:
        self._log = log
        self._known: set[BlockPlace] = set()

    @property
    def count(self) -> int:
        """How many there are, as far as they were met; MOST_UNREADABLE at most."""
        return len(self._known)

    def note(self, day: str, number: int) -> None:
        """Remember one."""
        if (day, number) in self._known or len(self._known) >= MOST_UNREADABLE:
            return
        is_first = all(known != day for known, _ in self._known.copy())
        self._known.add((day, number))
        if is_first and self._log is not None:
            self._log.warning(
                "a block of the query log cannot be read", day=day, block=number, so="its queries are passed over"
            )

    def note_all(self, places: Iterable[BlockPlace]) -> None:
        """Remember those that a process of its own has met."""
        for day, number in places:
            self.note(day, number)

    def lacks(self, first_day: str = "", last_day: str = "9") -> Iterator[str]:
        """The sentence that tells what is missing for them of these days."""
        met = self._known.copy()
        yield from lacks_of([place for place in met if first_day <= place[0] <= last_day])


def lacks_of(places: Iterable[BlockPlace]) -> Iterator[str]:
    """The sentence that tells what is missing for these blocks."""
    by_day = Counter(day for day, _ in places)
    if by_day:
        days = sorted(by_day)
        left = f" and {len(days) - _MOST_DAYS} days more" if len(days) > _MOST_DAYS else ""
        yield (
            f"blocks of the log that cannot be read and are not counted: {by_day.total()}, each of up to {MOST_ROWS} "
            f"queries, of {', '.join(days[:_MOST_DAYS])}{left}"
        )
