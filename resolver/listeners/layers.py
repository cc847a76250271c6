"""Layers of a connection (resolver.listeners.connection), from the first octets up to what is spoken."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Layer(Enum):
    """Layer that a connection has come to. Only those below it here may follow."""

    NEW = 0
    HEADER = 1  # a proxy's header may come, in clear
    HANDSHAKE = 2  # of TLS
    HEADER_WITHIN = 3  # a proxy's header may come, within TLS
    SPEAKING = 4  # what comes is the application's
    GONE = 5


# Fetched once: an enumeration's member costs as much to fetch as all the rest of a test.
NEW: Final = Layer.NEW
HEADER: Final = Layer.HEADER
HANDSHAKE: Final = Layer.HANDSHAKE
HEADER_WITHIN: Final = Layer.HEADER_WITHIN
SPEAKING: Final = Layer.SPEAKING
GONE: Final = Layer.GONE
