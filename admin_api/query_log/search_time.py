"""Time of a search: until when it may look, and whether it was told to stop before."""

from __future__ import annotations

import math
import time


class SearchTime:
    """Time of one search; any thread may set `is_stopped`. `deadline` is in monotonic seconds."""

    def __init__(self) -> None:
        self.deadline = math.inf
        self.is_stopped = False

    @property
    def left_seconds(self) -> float:
        """How long it may go on."""
        return self.deadline - time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether it is to end as soon as it has come on at all."""
        return self.is_stopped or self.left_seconds <= 0
