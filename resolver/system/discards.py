"""Tables that are given up, and emptied bit by bit: to free all of a full one stops a worker for 50 ms or more.

Meanwhile 1,000 or 2,000 queries come to a busy worker. Of what is given up, memory is taken for some seconds longer.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

_WORTH_IT: Final = 1_000  # entries: fewer are freed at once
_MOST: Final = 400_000  # entries that wait; a table beyond is freed at once
_AT_ONCE: Final = 1_000  # entries, in some 0.4 ms

_Table = dict[Any, Any]


class Discards:
    """The tables that one process has given up."""

    def __init__(self) -> None:
        self._tables: deque[_Table] = deque()
        self._waiting = 0  # entries of these

    def __len__(self) -> int:
        return self._waiting

    def give_up(self, table: _Table) -> None:
        """Take a table that its owner has let go of: nobody may look at it any more."""
        if _WORTH_IT <= len(table) <= _MOST - self._waiting:
            self._tables.append(table)
            self._waiting += len(table)

    def empty(self, table: _Table) -> None:
        """Empty a table that goes on. Its entries are copied, in a fiftieth of the time that freeing them takes."""
        if _WORTH_IT <= len(table) <= _MOST - self._waiting:
            self.give_up(table.copy())
        table.clear()

    def work(self, most: int = _AT_ONCE) -> bool:
        """Free so many entries; True if there are more."""
        while self._tables and most:
            table = self._tables[0]
            for _ in range(count := min(most, len(table))):
                table.popitem()
            most -= count
            self._waiting -= count
            if not table:
                self._tables.popleft()
        return bool(self._tables)


DISCARDS: Final = Discards()
"""Those of this process; a worker's upkeep works them off."""
