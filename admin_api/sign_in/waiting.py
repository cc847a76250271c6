"""The bound of those who wait for the provider: strangers may, too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from admin_api.sign_in.refusal import ProviderAway

MOST_WAITING: Final = 20
"""At once. The API works on ten times as many calls, so that a slow provider holds up none of the others."""


class WaitingRoom:
    """Counts who waits."""

    def __init__(self) -> None:
        self._taken = 0
        self.refused = 0  # calls that found no place

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Have one. Raises ProviderAway where there is none."""
        if self._taken >= MOST_WAITING:
            self.refused += 1
            raise ProviderAway("too many sign-ins wait for the OpenID provider: try again in a moment")
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1
