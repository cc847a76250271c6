"""The clocks that leases and exemptions end by, and whether the wall clock was set."""

from __future__ import annotations

import time
from pathlib import Path

from resolver.policy.moments import Moment

STEP_SECONDS = 0.1
"""A wall clock that runs so much apart from the steady one was set; both are slewed alike."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now() -> Moment:
    """The time on both clocks."""
    return Moment(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))


def boot_id() -> str:
    """Identity of this start of the machine; "" where nobody can tell."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


class ClockWatch:
    """Notices that the wall clock was set, or that the machine slept."""

    def __init__(self) -> None:
        self._apart = time.time() - time.monotonic()

    def look(self) -> float:
        """By how many seconds the clock was set since the last look; 0 if it was not."""
        apart = time.time() - time.monotonic()
        by = apart - self._apart
        if abs(by) < STEP_SECONDS:
            return 0.0
        self._apart = apart
        return by
