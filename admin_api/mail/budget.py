"""The number of mails in an hour: a bound, and a part of it that is kept for what is urgent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

HOUR_SECONDS: Final = 3600.0
_KEPT_SHARE: Final = 5  # a fifth of all


class HourlyBudget:
    """How many mails may still be sent: so many within an hour; of those, some only if they are urgent."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._most_others = most - max(1, most // _KEPT_SHARE)
        self._clock = clock
        self._sent: deque[tuple[float, bool]] = deque()  # when, and whether it was urgent

    @property
    def free(self) -> int:
        """Mails that may be sent now, if they are urgent."""
        return self.free_for(is_urgent=True)

    def free_for(self, *, is_urgent: bool) -> int:
        """Mails that may be sent now."""
        while self._sent and self._clock() - self._sent[0][0] >= HOUR_SECONDS:
            self._sent.popleft()
        left = self._most - len(self._sent)
        return left if is_urgent else min(left, self._most_others - len(self._others()))

    def take(self, *, is_urgent: bool) -> None:
        """Count one that is sent."""
        self._sent.append((self._clock(), is_urgent))

    def give_back(self, *, is_urgent: bool) -> None:
        """One that was counted was not sent."""
        for index in reversed(range(len(self._sent))):
            if self._sent[index][1] == is_urgent:
                del self._sent[index]
                return

    def seconds_until_free(self, *, is_urgent: bool) -> float:
        """For how long none may be sent."""
        if self.free_for(is_urgent=is_urgent) > 0:
            return 0.0
        waits = [] if self._most > len(self._sent) else [self._sent[0][0]]
        others = self._others()
        if not is_urgent and len(others) >= self._most_others:
            waits.append(others[0])
        return max(0.0, HOUR_SECONDS - (self._clock() - max(waits)))

    def _others(self) -> list[float]:
        return [at for at, is_urgent in self._sent if not is_urgent]
