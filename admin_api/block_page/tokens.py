"""Tokens of forms: an HMAC over client, name and time shows that a form came from our own page. No cookie needed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

_LIFE_SECONDS = 3600
_MOST_DIGITS = 12  # of a time


class FormTokens:
    """Made and checked with a key of this process: after its end a form has to be sent once more."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives Unix time."""
        self._key = secrets.token_bytes(32)
        self._clock = clock

    def make(self, client: str, name: str) -> str:
        """For a form that this client may send for this name within an hour."""
        return self._signed(str(int(self._clock())), client, name)

    def is_good(self, token: str, client: str, name: str) -> bool:
        """Whether it was made for them, not too long ago."""
        made = token.partition(".")[0]
        if not (made.isascii() and made.isdecimal() and len(made) <= _MOST_DIGITS):
            return False
        is_ours = hmac.compare_digest(self._signed(made, client, name).encode(), token.encode("utf-8", "replace"))
        return is_ours and 0 <= self._clock() - int(made) <= _LIFE_SECONDS

    def _signed(self, made: str, client: str, name: str) -> str:
        # Neither an address nor a name in its normal form holds a space, so no two triples read alike.
        signature = hmac.new(self._key, f"{made} {client} {name}".encode(), hashlib.sha256).hexdigest()
        return f"{made}.{signature}"
