"""Rounds: turns of the loop in which many answers come about, one after the other, and leave together at the end.

An answer that is sent at once costs a system call of its own and mostly wakes up a process, or a network card. What
waits for the end of its round waits for a fraction of a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final


class Rounds:
    """The rounds of one process, whose loop has one turn at a time. Whoever holds back answers in one says so here."""

    def __init__(self) -> None:
        self.is_open = False
        self._ending: list[Callable[[], None]] = []

    def begin(self) -> None:
        """From now on answers may be held back; `end` must follow, whatever happens."""
        self.is_open = True

    def at_end(self, send: Callable[[], None]) -> None:
        """Have what is held back sent when the round ends. `send` never raises."""
        self._ending.append(send)

    def end(self) -> None:
        """Send what was held back."""
        self.is_open = False
        if self._ending:
            ending, self._ending = self._ending, []
            for send in ending:
                send()


ROUNDS: Final = Rounds()
"""Those of this process."""
