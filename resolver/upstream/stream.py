"""One server's TCP connection: many questions in flight on it, answers in any order (RFC 7766 sections 6.2.1 and 7).

For answers that do not fit into a datagram, and for servers that are to be asked over TCP only.
"""

from __future__ import annotations

import asyncio
from typing import cast

from resolver.errors import UpstreamBadAnswer, UpstreamError, UpstreamTimeout, UpstreamUnreachable
from resolver.upstream.asking import Asker, Channel, Place
from resolver.upstream.randomness import Randomness
from resolver.upstream.server import Server
from resolver.wire.codes import HEADER
from resolver.wire.framing import Deframer, frame
from resolver.wire.query import is_bare_error, question_matches

IDLE_SECONDS = 10.0
MAX_IN_FLIGHT = 4096  # questions on one connection, so that free IDs stay easy to find; then there is another one
_MAX_UNREAD_BYTES = 1 << 20
_SILENCES_UNTIL_STALE = 2


class _Exchange:
    """One question on a connection."""

    __slots__ = ("asker", "connection", "has_moved", "message_id")

    wrong_replies = 0  # a stream cannot be forged from afar

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.connection: _Connection | None = None
        self.message_id = b""
        self.has_moved = False  # from a connection that ended to a fresh one

    def forget(self, _message_id: bytes, _asker: Asker) -> None:
        """The asker does not care any more; the ID may have changed since it was told one."""
        if self.connection is not None:
            self.connection.forget(self)


class StreamLink:
    """A link to one server over TCP: one connection, opened when needed, closed when idle."""

    is_stream = True

    def __init__(
        self,
        server: Server,
        *,
        loop: asyncio.AbstractEventLoop,
        randomness: Randomness,
        connect_seconds: float,
    ) -> None:
        self.server = server
        self.loop = loop
        self.randomness = randomness
        self.connect_seconds = connect_seconds
        self._connection: _Connection | None = None
        self._connections: set[_Connection] = set()  # the current one, and those that only finish what is in flight

    @property
    def open_connections(self) -> int:
        """One or none, and those that end."""
        return len(self._connections)

    def send(self, asker: Asker, besides: Channel | None = None) -> Place:
        """Ask, connecting first if need be. What fails, fails later."""
        exchange = _Exchange(asker)
        self._put(exchange)
        return exchange, b""

    def _put(self, exchange: _Exchange) -> None:
        connection = self._connection
        if connection is None or not connection.is_usable:
            connection = self._connection = _Connection(self)
            self._connections.add(connection)
        connection.put(exchange)

    def is_current(self, connection: _Connection) -> bool:
        """Whether the next question will go over it."""
        return connection is self._connection and connection.is_usable

    def ended(self, connection: _Connection, exchanges: list[_Exchange], error: UpstreamError, may_move: bool) -> None:
        """A connection is gone; what was in flight on it is asked once more on a fresh one, if that may help."""
        self._connections.discard(connection)
        if self._connection is connection:
            self._connection = None
        for exchange in exchanges:
            # The server may close at any time, even while a query is on its way (RFC 7766 section 6.2.4).
            if may_move and not exchange.has_moved:
                exchange.has_moved = True
                self._put(exchange)
            else:
                exchange.asker.lost(self, error)

    def close(self) -> None:
        """End all connections; nobody who still waits is told."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._connection = None


class _Connection(asyncio.Protocol):
    """A connection and the questions in flight on it, from the moment it is wanted."""

    def __init__(self, link: StreamLink) -> None:
        self._link = link
        self._in_flight: dict[bytes, _Exchange] = {}
        self._deframer = Deframer()
        self._transport: asyncio.Transport | None = None  # None until it is open
        self._has_ended = False
        self._is_clogged = False  # the server does not read what we write
        self._silences = 0  # questions given up since the server last sent anything
        self._idle_timer: asyncio.TimerHandle | None = None
        self._opening = link.loop.create_task(self._open(), name=f"connect to {link.server.name}")

    @property
    def is_usable(self) -> bool:
        """Whether another question may go over it. One that fell silent (a NAT forgot it) is not waited for."""
        return not (
            self._has_ended
            or self._is_clogged
            or self._silences >= _SILENCES_UNTIL_STALE
            or len(self._in_flight) >= MAX_IN_FLIGHT
        )

    def put(self, exchange: _Exchange) -> None:
        """Ask now, or as soon as the connection is open."""
        message_id = self._link.randomness.message_id()
        while message_id in self._in_flight:
            message_id = self._link.randomness.message_id()
        exchange.connection = self
        exchange.message_id = message_id
        self._in_flight[message_id] = exchange
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._transport is not None:
            self._transport.write(frame(message_id + exchange.asker.tail))

    def forget(self, exchange: _Exchange) -> None:
        """Its asker does not care any more."""
        if self._in_flight.get(exchange.message_id) is exchange:
            del self._in_flight[exchange.message_id]
            self._silences += 1
            self._rest()

    async def _open(self) -> None:
        link = self._link
        try:
            host, port = link.server.address[:2]
            async with asyncio.timeout(link.connect_seconds):
                await link.loop.create_connection(lambda: self, host, port)
        except TimeoutError:
            why = f"{link.server.name}: no TCP connection within {link.connect_seconds:g} s"
            self._end(UpstreamTimeout(why), may_move=False)
        except OSError as error:
            why = f"{link.server.name}: TCP: {error.strerror or error}"
            self._end(UpstreamUnreachable(why), may_move=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open: send what has waited for it."""
        opened = cast(asyncio.Transport, transport)  # uvloop's is one in all but its ancestry
        if self._has_ended:
            opened.abort()
            return
        self._transport = transport = opened
        transport.set_write_buffer_limits(high=_MAX_UNREAD_BYTES)
        transport.write(b"".join(frame(i + exchange.asker.tail) for i, exchange in self._in_flight.items()))
        self._rest()

    def data_received(self, data: bytes) -> None:
        """Hand each answer to its asker, in whatever order they come."""
        self._silences = 0
        for message in self._deframer.feed(data):
            if len(message) < HEADER:
                why = f"{self._link.server.name}: what it sent over TCP is not DNS"
                self._end(UpstreamBadAnswer(why), may_move=False)
                return
            exchange = self._in_flight.get(message[:2])
            if exchange is not None and (question_matches(exchange.asker.question, message) or is_bare_error(message)):
                del self._in_flight[message[:2]]
                self._rest()
                exchange.asker.heard(self._link, message)
            else:
                self._link.server.wrong_replies += 1  # the late answer to a question given up, most likely

    def pause_writing(self) -> None:
        """What we wrote is not taken: further questions go over another connection."""
        self._is_clogged = True

    def resume_writing(self) -> None:
        """The server reads again."""
        self._is_clogged = False

    def connection_lost(self, exc: Exception | None) -> None:
        """The server closed, or the network did."""
        why = f"{self._link.server.name}: the TCP connection ended: {exc or 'closed by the server'}"
        self._end(UpstreamUnreachable(why), may_move=True)

    def _rest(self) -> None:
        """With nothing in flight, close: soon if it may serve again, else now (RFC 7766 section 6.2.3)."""
        if self._in_flight or self._has_ended:
            return
        if not self._link.is_current(self):
            self._end(UpstreamUnreachable(""), may_move=False)  # nobody is in flight to read why
        elif self._idle_timer is None and self._transport is not None:
            self._idle_timer = self._link.loop.call_later(IDLE_SECONDS, self._rest_is_over)

    def _rest_is_over(self) -> None:
        self._end(UpstreamUnreachable(""), may_move=False)

    def _end(self, why: UpstreamError, *, may_move: bool) -> None:
        if self._has_ended:
            return
        exchanges = list(self._in_flight.values())
        self.close()
        self._link.ended(self, exchanges, why, may_move)

    def close(self) -> None:
        """End it; nobody who still waits is told."""
        self._has_ended = True
        self._in_flight.clear()
        self._opening.cancel()  # without effect if it is done, or if it is the one that calls
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        if self._transport is not None:
            self._transport.abort()
