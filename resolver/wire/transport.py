"""Transports that a query comes by: an answer's form depends on them, and they are counted."""

from __future__ import annotations

from enum import IntEnum


class Transport(IntEnum):
    """The transports that clients ask over. Statistics call them udp, tcp, dot and doh."""

    UDP = 0  # cut to what the client takes
    TCP = 1
    TLS = 2
    HTTPS = 3

    @property
    def is_encrypted(self) -> bool:
        """Whether an answer's size is hidden by padding (RFC 8467)."""
        return self >= Transport.TLS

    @property
    def has_connections(self) -> bool:
        """Whether a client may keep a connection of ours open (RFC 7828). HTTP keeps its own."""
        return self in (Transport.TCP, Transport.TLS)
