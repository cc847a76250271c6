"""The open connections of a worker: who is let in, who makes room, and whose time is over.

A client that is slow, or silent, takes up a place, and no more: where places are short, the connection that has been
silent for longest makes room (RFC 7766 section 6.2.3), so that those who ask get in however many only hold on.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from resolver.config.settings import Limits

if TYPE_CHECKING:
    from resolver.listeners.connection import Connection

SWEEP_SECONDS = 0.1  # how often deadlines are looked at: one timer for all, since a thousand would cost every query


class Connections:
    """The connections of a worker, over all its addresses, and how many each client has."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limits: Limits, dropped: Counter[str]) -> None:
        self.open: dict[Connection, None] = {}  # the one that has asked nothing for longest comes first
        self._handshaking: dict[Connection, None] = {}  # the oldest first
        self._by_client: Counter[str] = Counter()
        self._loop = loop
        self._limits = limits
        self._dropped = dropped
        self._is_sweeping = False

    def admit(self, connection: Connection) -> bool:
        """Take in a new connection, if there is room or some can be made."""
        if len(self.open) >= self._limits.tcp_connections:
            self._dropped["tcp_connections"] += 1
            silent = next((one for one in self.open if one.is_idle), None)
            if silent is None:
                return False
            silent.abort()
            self.release(silent)
        self.open[connection] = None
        if not self._is_sweeping:
            self._is_sweeping = True
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
        return True

    def admit_client(self, client: str) -> bool:
        """Count a connection for its client, unless that has too many. What was admitted is given back later."""
        if self._by_client[client] >= self._limits.tcp_connections_per_client:
            self._dropped["tcp_connections_per_client"] += 1
            return False
        self._by_client[client] += 1
        return True

    def release_client(self, client: str) -> None:
        """A connection that counted for this client has ended."""
        self._by_client[client] -= 1
        if not self._by_client[client]:
            del self._by_client[client]

    def release(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self.open.pop(connection, None)
        self._handshaking.pop(connection, None)

    def asked(self, connection: Connection) -> None:
        """A connection has brought a whole query, and is the last to make room."""
        if self.open.pop(connection, True) is None:
            self.open[connection] = None

    def begin_handshake(self, connection: Connection) -> None:
        """A handshake begins. Where there are too many, the oldest is given up: a good one is over in milliseconds."""
        if len(self._handshaking) >= self._limits.tls_handshakes:
            self._dropped["tls_handshakes"] += 1
            oldest = next(iter(self._handshaking))
            oldest.abort()
            self.release(oldest)
        self._handshaking[connection] = None

    def end_handshake(self, connection: Connection) -> None:
        """A handshake is over."""
        self._handshaking.pop(connection, None)

    def drain(self) -> None:
        """End each connection once its queries are answered, the one that may be on its way now included."""
        for connection in tuple(self.open):
            connection.drain()

    def _sweep(self) -> None:
        now = self._loop.time()
        for connection in tuple(self.open):
            connection.look_at(now)
        self._is_sweeping = bool(self.open)
        if self.open:
            self._loop.call_later(SWEEP_SECONDS, self._sweep)
