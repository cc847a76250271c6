"""The open connections of a worker: how many there may be, of whom, and who makes room for new ones."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from resolver.config.settings import Limits


class Held(Protocol):
    """What is needed of a connection."""

    @property
    def is_busy(self) -> bool:
        """Whether its client waits for an answer."""

    def abort(self) -> None:
        """End it at once."""

    def drain(self) -> None:
        """End it when its queries are answered."""


class Connections:
    """The open connections of a worker, over all its addresses, and how many each client has.

    When there are as many as there may be, the one that has asked nothing for longest makes room, unless its client
    waits for an answer: clients that do nothing cannot keep others out.
    """

    def __init__(self, limits: Limits, dropped: Counter[str]) -> None:
        self.open: dict[Held, str | None] = {}  # who asked last is last; None: a proxy, for many clients
        self._by_client: Counter[str] = Counter()
        self._limits = limits
        self._dropped = dropped

    def admit(self, connection: Held, client: str | None) -> bool:
        """Take in a new connection, or one of a proxy that turns out to be a client's; False when there are too many.

        `client` is None for a proxy, which may have as many as there may be in all.
        """
        if client is not None and self._by_client[client] >= self._limits.tcp_connections_per_client:
            self._dropped["tcp_connections_per_client"] += 1
            return False
        if connection not in self.open and len(self.open) >= self._limits.tcp_connections:
            self._dropped["tcp_connections"] += 1
            silent = next((one for one in self.open if not one.is_busy), None)
            if silent is None:
                return False
            self.release(silent)
            silent.abort()
        self.open[connection] = client
        if client is not None:
            self._by_client[client] += 1
        return True

    def asked(self, connection: Held) -> None:
        """Its client has asked something."""
        if connection in self.open:
            self.open[connection] = self.open.pop(connection)

    def release(self, connection: Held) -> None:
        """Forget a connection that has ended."""
        client = self.open.pop(connection, None)
        if client is not None:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    def drain(self) -> None:
        """End each connection once its queries are answered, the one that may be on its way now included."""
        for connection in tuple(self.open):
            connection.drain()


class Handshakes:
    """The connections of a worker that are in the middle of a TLS handshake.

    When there are too many, the one that has taken longest makes room: an honest client needs milliseconds.
    """

    def __init__(self, most: int, dropped: Counter[str]) -> None:
        self.open: dict[Held, None] = {}  # in the order of their beginning
        self._most = most
        self._dropped = dropped

    def begin(self, connection: Held) -> None:
        """One more."""
        if len(self.open) >= self._most:
            self._dropped["tls_handshakes"] += 1
            slowest = next(iter(self.open))
            self.end(slowest)
            slowest.abort()
        self.open[connection] = None

    def end(self, connection: Held) -> None:
        """It has succeeded or not, or was none."""
        self.open.pop(connection, None)
