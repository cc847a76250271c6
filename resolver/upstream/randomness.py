"""Message IDs, ports and choices that nobody can guess (RFC 5452 section 9.2), at a fraction of a system call each."""

from __future__ import annotations

import os
import struct
from typing import Final

_IDS_AT_ONCE: Final = 1024
_UNPACK_IDS: Final = struct.Struct("2s" * _IDS_AT_ONCE).unpack
_LOWEST_PORT: Final = 1024


class Randomness:
    """The kernel's CSPRNG, read in bulk.

    What was read is state: make one after a fork, never before, or two processes draw the same IDs.
    """

    def __init__(self) -> None:
        self._ids: list[bytes] = []
        self._octets: list[int] = []

    def message_id(self) -> bytes:
        """Two octets, each value equally likely."""
        if not self._ids:
            self._ids += _UNPACK_IDS(os.urandom(2 * _IDS_AT_ONCE))
        return self._ids.pop()

    def octet(self) -> int:
        """0 to 255, each equally likely."""
        if not self._octets:
            self._octets += os.urandom(_IDS_AT_ONCE)
        return self._octets.pop()

    def port(self) -> int:
        """1024 to 65535, each equally likely."""
        while (port := int.from_bytes(self.message_id(), "big")) < _LOWEST_PORT:
            pass  # drawing again keeps the others equally likely; a modulus would not
        return port
