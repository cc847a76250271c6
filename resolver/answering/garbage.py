"""Garbage collection of a worker: only when hardly anybody asks, or when much has been made since the last time.

No query is answered meanwhile, for a tenth of a second when caches are full. The query path makes no cycles: reference
counts free what it makes. Others, such as a traceback that is kept, wait until then. So no flood is held up to look
through what waits for an upstream, some twenty objects a query: looks at the young generation took 3 to 13 ms each.
"""

from __future__ import annotations

import gc
from typing import Final

_QUIET_SHARE: Final = 0.05  # of a core, since the last call
_EVERY_SECONDS: Final = 300.0
_AT_LATEST_SECONDS: Final = 3600.0  # where it is never quiet
_MOST_NEW: Final = 400_000  # objects more than at the last look, some 50 MB: more than full caches have


class Garbage:
    """The looks of one worker. Times are seconds: `now` is monotonic, `spent` the process's own on a core."""

    def __init__(self, now: float, spent: float) -> None:
        """Freeze all objects that are here by now: no collection need ever go through them again."""
        gc.collect()
        gc.freeze()
        self._looked = self._asked = now
        self._spent = spent

    def look(self, now: float, spent: float) -> bool:
        """Look through everything, if it is time and the worker had next to nothing to do since the last call.

        Or if so much is new that it could be garbage. Gives whether it did.
        """
        is_quiet = spent - self._spent <= (now - self._asked) * _QUIET_SHARE
        self._asked, self._spent = now, spent
        is_time = now - self._looked >= (_EVERY_SECONDS if is_quiet else _AT_LATEST_SECONDS)
        if not is_time and gc.get_count()[0] < _MOST_NEW:
            return False
        gc.collect()
        self._looked = now
        return True


def look_by_hand() -> None:
    """Look for garbage only when `Garbage` says so. First of all that a worker does."""
    gc.disable()
