"""The way to one server by connections: TCP, TLS, HTTPS. Opened when needed, closed when idle.

For answers that do not fit into a datagram, and for servers that are to be asked by connections only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from resolver.errors import UpstreamBusy, UpstreamError
from resolver.upstream.asking import Asker, Channel, Link, Place
from resolver.upstream.connecting import Dialling
from resolver.upstream.connection import Connection, Exchange
from resolver.upstream.marks import Marks
from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server

if TYPE_CHECKING:
    from resolver.upstream.encrypted import ClientContext

MAX_CONNECTIONS = 8  # to one server at once; there is a second one only when the first is full or falls silent
_FAILURES_UNTIL_BACK_OFF = 2
_SHORTEST_BACK_OFF_SECONDS = 0.05
_LONGEST_BACK_OFF_SECONDS = 0.5  # well within a second: the probe of a server that is back must get through


class StreamLink(Link):
    """A link to one server over connections."""

    is_stream = True

    def __init__(
        self,
        server: Server,
        dialling: Dialling,
        kind: Callable[[StreamLink], Connection],
        randomness: Randomness,
        marks: Marks | None = None,
        context: Callable[[], ClientContext] | None = None,
    ) -> None:
        """`marks`: of a server that is asked over UDP first; `context`: with TLS."""
        self.server = server
        self.dialling = dialling
        self.randomness = randomness
        self.marks = marks
        self.context = context
        self._kind = kind
        self._connections: list[Connection] = []  # the oldest first; some only finish what is in flight
        self._failures = 0  # connections in a row that ended before the server said anything
        self._back_off_until = 0.0
        self._last_error: UpstreamError | None = None

    def send(self, asker: Asker, besides: Channel | None = None) -> Place:
        """Ask, connecting first if need be. Raises UpstreamError while connecting is of no use; else fails later."""
        exchange = Exchange(asker)
        self._put(exchange)
        return exchange, b""

    def _put(self, exchange: Exchange) -> None:
        for connection in self._connections:
            if connection.is_usable:
                connection.put(exchange)
                return
        last_error = self._last_error
        if last_error is not None and self.dialling.loop.time() < self._back_off_until:
            raise type(last_error)(str(last_error))  # one raised again keeps the frames of each time
        if len(self._connections) >= MAX_CONNECTIONS:
            raise UpstreamBusy(f"{self.server.name}: {MAX_CONNECTIONS} connections to it are full")
        connection = self._kind(self)
        self._connections.append(connection)
        connection.put(exchange)

    def spoke(self, connection: Connection) -> None:
        """The server has said its first word over a connection."""
        self._failures = 0
        self.remember(connection)

    def remember(self, connection: Connection) -> None:
        """Keep the TLS session of a connection for the next one."""
        channel = connection.channel
        if self.context is not None and channel is not None:
            self.context().remember(self.server.settings.certificate_name, channel)

    def ended(self, connection: Connection, exchanges: list[Exchange], error: UpstreamError, may_move: bool) -> None:
        """A connection is gone; what was in flight on it is asked once more on a fresh one, if that may help."""
        self._connections.remove(connection)
        if exchanges and not connection.has_spoken:
            self._failures += 1
            self._last_error = error
            if self._failures >= _FAILURES_UNTIL_BACK_OFF:
                seconds = _SHORTEST_BACK_OFF_SECONDS * 2 ** min(self._failures - _FAILURES_UNTIL_BACK_OFF, 10)
                self._back_off_until = self.dialling.loop.time() + min(seconds, _LONGEST_BACK_OFF_SECONDS)
        for exchange in exchanges:
            # The server may close at any time, even while a query is on its way (RFC 7766 section 6.2.4).
            if may_move and not exchange.has_moved:
                self.move(exchange)
            else:
                exchange.asker.lost(self, error)

    def move(self, exchange: Exchange) -> None:
        """Ask once more, over another connection."""
        exchange.has_moved = True
        try:
            self._put(exchange)
        except UpstreamError as error:
            exchange.asker.lost(self, error)

    def close(self) -> None:
        """End all connections; nobody who still waits is told."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
