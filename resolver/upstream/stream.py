"""Link to one server over connections: TCP, TLS, HTTPS. Opened when needed, closed when idle.

For answers that do not fit into a datagram, and for servers that are to be asked by connections only.

A connection on which nothing comes any more may be broken, while its server is healthy: a firewall has forgotten it,
what was behind it has gone. So what is in flight on it is asked once more on a fresh connection, and the first answer
counts. Until the fresh one has had its time, the silence is not held against the server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from resolver.errors import UpstreamBusy, UpstreamError
from resolver.upstream.asking import Asker, Carrier, Place
from resolver.upstream.connecting import Dialling
from resolver.upstream.connection import Connection, ConnectionOwner, Exchange
from resolver.upstream.marks import Marks
from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server

if TYPE_CHECKING:
    from resolver.upstream.client_context import ClientContext

MAX_CONNECTIONS = 8  # to one server at once; there is a second one only when the first is full or falls silent
_FAILURES_UNTIL_BACK_OFF = 2
_SHORTEST_BACK_OFF_SECONDS = 0.05
_LONGEST_BACK_OFF_SECONDS = 0.5  # well within a second: the probe of a server that is back must get through
# How long nothing comes before a connection counts as silent: twice the server's latency, within these bounds, which
# are shares of the time for one try where that is short. The least lets most names be looked up that nobody has cached;
# the most leaves time for a handshake and an answer.
_SILENCE_LATENCIES = 2
_LEAST_SILENCE_SECONDS, _LEAST_SILENCE_SHARE = 0.3, 0.15
_MOST_SILENCE_SECONDS, _MOST_SILENCE_SHARE = 0.8, 0.4


class StreamLink(ConnectionOwner):
    """A link to one server over connections."""

    def __init__(
        self,
        server: Server,
        dialling: Dialling,
        kind: Callable[[ConnectionOwner], Connection],
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
        self._fresh: Connection | None = None  # the one that will tell whether the server is silent, too
        self._is_server_silent = False  # so it was; nothing is asked twice until the server says something

    def send(self, asker: Asker, besides: Carrier | None = None) -> Place:
        """Ask, connecting first if need be. Raises UpstreamError while connecting is of no use; else fails later."""
        exchange = Exchange(asker)
        self._put(exchange)
        return exchange, b""

    def _put(self, exchange: Exchange, heard_since: float = 0.0) -> None:
        """Ask over a connection that is not open yet, or where the server has spoken since."""
        for connection in self._connections:
            if connection.is_usable and (connection.transport is None or connection.heard_at >= heard_since):
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

    def patience(self, *, is_open: bool) -> float:
        try_seconds = self.dialling.connect_seconds
        most = min(_MOST_SILENCE_SECONDS, try_seconds * _MOST_SILENCE_SHARE)
        if not is_open:
            return most
        least = min(_LEAST_SILENCE_SECONDS, try_seconds * _LEAST_SILENCE_SHARE)
        return min(max(self.server.latency * _SILENCE_LATENCIES, least), most)

    def fell_silent(self, connection: Connection) -> None:
        if connection is self._fresh:
            self._trial_is_over()
        if self._fresh is not None or self._is_server_silent:
            return
        connection.is_silent = True
        self.server.silent_connections += 1
        heard_since = self.dialling.loop.time() - self.patience(is_open=True)
        for exchange in list(connection.in_flight.values()):
            if exchange.twin is None:
                twin = Exchange(exchange.asker)
                try:
                    self._put(twin, heard_since)
                except UpstreamError:
                    return
                twin.twin, exchange.twin = exchange, twin
                self._fresh = self._fresh or twin.connection
                self.is_on_trial = True

    def is_alive(self) -> None:
        if self.is_on_trial or self._is_server_silent:
            self._fresh, self.is_on_trial, self._is_server_silent = None, False, False

    def _trial_is_over(self) -> None:
        self._fresh, self.is_on_trial, self._is_server_silent = None, False, True

    def spoke(self, connection: Connection) -> None:
        self._failures = 0
        self.remember(connection)

    def remember(self, connection: Connection) -> None:
        """Keep the TLS session of a connection for the next one."""
        channel = connection.channel
        if self.context is not None and channel is not None:
            self.context().remember(self.server.settings.certificate_name, channel)

    def ended(self, connection: Connection, exchanges: list[Exchange], error: UpstreamError, may_move: bool) -> None:
        self._connections.remove(connection)
        if connection is self._fresh:
            self._trial_is_over()
        if exchanges and not connection.has_spoken:
            self._failures += 1
            self._last_error = error
            if self._failures >= _FAILURES_UNTIL_BACK_OFF:
                seconds = _SHORTEST_BACK_OFF_SECONDS * 2 ** min(self._failures - _FAILURES_UNTIL_BACK_OFF, 10)
                self._back_off_until = self.dialling.loop.time() + min(seconds, _LONGEST_BACK_OFF_SECONDS)
        for exchange in exchanges:
            # The server may close at any time, even while a query is on its way (RFC 7766 section 6.2.4).
            if exchange.twin is not None and exchange.twin.is_in_flight:
                continue
            if may_move and not exchange.has_moved:
                self.move(exchange)
            else:
                exchange.lost(self, error)

    def move(self, exchange: Exchange) -> None:
        exchange.has_moved = True
        try:
            self._put(exchange)
        except UpstreamError as error:
            exchange.lost(self, error)

    def close(self) -> None:
        """End all connections; nobody who still waits is told."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._fresh = None
