"""A callback's share of a worker's loop."""

from __future__ import annotations

from typing import Final

CALLBACK_SECONDS: Final = 0.0005
"""How long a callback may go on with what waits for it, before it leaves the rest for the loop's next round.

Wall time, which is read at a fiftieth of the cost of CPU time. Where other processes take the core meanwhile a callback
so ends early: each does some of its work before it looks at the clock.
"""
