"""Clients that have asked for a listed name within seconds, as their own counters tell.

A blocked query costs nothing for it: its client's cells are bumped anyway, and looked at here once a second. Nothing
of it is stored or told but a yes or no beside a name; what was seen of a client is forgotten after a minute.
"""

from __future__ import annotations

from typing import Final

from resolver.telemetry.counters import Counters

NEAR_SECONDS: Final = 10.0
FORGOTTEN_SECONDS: Final = 60.0
_MOST_CLIENTS: Final = 2_000


class _Watched:
    """One client's hits when it was last looked at, when they last grew, and when it last missed."""

    __slots__ = ("grew_at", "hits", "missed_at")

    def __init__(self, hits: int, missed_at: float) -> None:
        self.hits = hits
        self.grew_at = -FORGOTTEN_SECONDS
        self.missed_at = missed_at


class NearListed:
    """The clients of one worker, by their cells; none where a cell is not one client's."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._cells: object = counters.cells
        self._watched: dict[int, _Watched] = {}

    def look(self, now: float) -> None:
        """See whose hits have grown since the last look; forget who has asked nothing new for a minute."""
        counters, watched = self._counters, self._watched
        if self._cells is not counters.cells:  # indices of other cells are worth nothing
            watched.clear()
            self._cells = counters.cells
        gone: list[int] = []
        for cell, one in watched.items():
            hits = self._hits(cell)
            if hits != one.hits:
                one.hits, one.grew_at = hits, now
            elif now - one.missed_at > FORGOTTEN_SECONDS:
                gone.append(cell)
        for cell in gone:
            del watched[cell]

    def is_near(self, cell: int, now: float) -> bool:
        """Whether the client of a cell, which has just missed, asked for a listed name within NEAR_SECONDS."""
        if not self._counters.is_of_one_client(cell):
            return False
        one = self._watched.get(cell)
        if one is None:
            if len(self._watched) >= _MOST_CLIENTS:
                self._counters.dropped["unlisted_clients"] += 1
            else:
                self._watched[cell] = _Watched(self._hits(cell), now)
            return False
        one.missed_at = now
        return now - one.grew_at <= NEAR_SECONDS

    def _hits(self, cell: int) -> int:
        cells = self._counters.cells
        return cells[cell] + cells[cell + 1] + cells[cell + 2]
