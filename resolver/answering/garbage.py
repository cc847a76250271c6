"""Garbage collection of a worker: of the young generation often, of everything only when hardly anybody asks.

No query is answered meanwhile: for a quarter of a millisecond with the young generation, thousands of objects at a
time, and for a tenth of a second with everything, when caches are full. For each query that waits for an upstream some
twenty objects are there, and go with it: looked at by hundreds, they would be looked at all the time. The query path
makes no cycles; others, such as a traceback that is kept, wait until then.
"""

from __future__ import annotations

import gc
from typing import Final

_YOUNG: Final = 5_000  # objects more than at the last look
_MIDDLE: Final = 1  # looks at the young, then those that outlived one are looked at, too: seldom would take longer
_NEVER: Final = 1 << 30
_QUIET_SHARE: Final = 0.05  # of a core, since the last call
_EVERY_SECONDS: Final = 300.0
_AT_LATEST_SECONDS: Final = 3600.0  # where it is never quiet


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

        Gives whether it did.
        """
        is_quiet = spent - self._spent <= (now - self._asked) * _QUIET_SHARE
        self._asked, self._spent = now, spent
        if now - self._looked < (_EVERY_SECONDS if is_quiet else _AT_LATEST_SECONDS):
            return False
        gc.collect()
        self._looked = now
        return True


def look_seldom() -> None:
    """Look at the young alone, until `Garbage` says otherwise. First of all that a worker does."""
    gc.set_threshold(_YOUNG, _MIDDLE, _NEVER)
