"""Garbage collection of a worker: only when hardly anybody asks, or when much has been made since the last time.

No query is answered meanwhile, for a third of a second when caches are full. The query path makes no cycles: reference
counts free what it makes. Others, such as a traceback that is kept, wait until then. So no flood is held up to look
through what waits for an upstream, some twenty objects a query: looks at the young generation took 3 to 13 ms each.
"""

from __future__ import annotations

import gc
from typing import Final

_QUIET_SHARE: Final = 0.05  # of a core, since the last call
_EVERY_SECONDS: Final = 300.0
_AT_LATEST_SECONDS: Final = 3600.0  # where it is never quiet
# Objects that may be new since the last look, in all and for what full caches have: about twice as many as they had in
# a soak, where 573,000 were the most. A look stops a busy worker for a third of a second, and finds nothing.
_NEW_AT_LEAST: Final = 200_000
_NEW_AN_ANSWER: Final = 4
_CACHED_OCTETS_A_NEW: Final = 128


def most_new(answer_table_entries: int, cache_octets: int) -> int:
    """How many objects may be new before a busy worker looks for garbage, by the bounds of its caches."""
    return _NEW_AT_LEAST + _NEW_AN_ANSWER * answer_table_entries + cache_octets // _CACHED_OCTETS_A_NEW


class Garbage:
    """The looks of one worker. Times are seconds: `now` is monotonic, `spent` the process's own on a core."""

    def __init__(self, now: float, spent: float, most_new: int) -> None:
        """Freeze all objects that are here by now: no collection need ever go through them again."""
        gc.collect()
        gc.freeze()
        self._looked = self._asked = now
        self._spent = spent
        self._most_new = most_new

    def look(self, now: float, spent: float) -> bool:
        """Look through everything, if it is time and the worker had next to nothing to do since the last call.

        Or if so much is new that it could be garbage. Gives whether it did.
        """
        is_quiet = spent - self._spent <= (now - self._asked) * _QUIET_SHARE
        self._asked, self._spent = now, spent
        is_time = now - self._looked >= (_EVERY_SECONDS if is_quiet else _AT_LATEST_SECONDS)
        if not is_time and gc.get_count()[0] < self._most_new:
            return False
        gc.collect()
        self._looked = now
        return True


def look_by_hand() -> None:
    """Look for garbage only when `Garbage` says so. First of all that a worker does."""
    gc.disable()
