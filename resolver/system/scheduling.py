"""Shares of what serves: a callback's of a worker's loop, and that of work beside it of the processor."""

from __future__ import annotations

import os
from typing import Final

CALLBACK_SECONDS: Final = 0.0005
"""How long a callback may go on with what waits for it, before it leaves the rest for the loop's next round.

Wall time, which is read at a fiftieth of the cost of CPU time. Where other processes take the core meanwhile a callback
so ends early: each does some of its work before it looks at the clock.
"""

_NICE: Final = 10


def give_way() -> None:
    """Have this process take what serving leaves of the processor."""
    os.nice(_NICE)
