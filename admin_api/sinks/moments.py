"""Moments of rows as text: RFC 3339 in UTC, with milliseconds."""

from __future__ import annotations

import time


class Stamps:
    """Texts of Unix milliseconds; rows of one second share all but the end."""

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def of(self, milliseconds: int) -> str:
        """The text of a moment."""
        second, rest = divmod(milliseconds, 1000)
        if second != self._second:
            self._text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = second
        return f"{self._text}.{rest:03d}Z"
