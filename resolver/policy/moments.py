"""Times on two clocks, the wall clock and the one that counts from the machine's start, and ends by both."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moment:
    """A time on both clocks, in seconds: since 1970, and since the machine started (its sleep counts)."""

    wall: float
    boot: float


@dataclass(frozen=True, slots=True)
class End:
    """An end on both clocks; `reckoned` is when (since the machine's start) the second was worked out."""

    wall: float
    boot: float
    reckoned: float

    @classmethod
    def at(cls, wall: float, now: Moment) -> End:
        """The end at a wall time, as seen now."""
        return cls(wall, now.boot + (wall - now.wall), now.boot)

    def seconds_left(self, now: Moment) -> float:
        """Seconds until then; 0 or less when it is over."""
        return min(self.wall - now.wall, self.boot - now.boot)

    @property
    def plain(self) -> list[float]:
        """As a record has it."""
        return [self.wall, self.boot, self.reckoned]
