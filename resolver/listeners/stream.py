"""DNS over TCP (RFC 7766) and over TLS (RFC 7858): many queries on one connection, answered as they finish."""

from __future__ import annotations

import asyncio
import socket
from collections import deque

from resolver.answering.pipeline import Pending, Transport
from resolver.listeners.connection import Application, ClientConnection, ListenerContext
from resolver.listeners.turns import IN_A_ROW
from resolver.wire.framing import Deframer, frame
from resolver.wire.proxy_header import SIGNATURE, starts_like_version_1


def speak_tcp(connection: ClientConnection) -> DnsStream:
    """DNS on a connection over TCP alone."""
    return DnsStream(connection, Transport.TCP)


class StreamListener:
    """Serves one listening TCP socket."""

    def __init__(self, one: socket.socket, context: ListenerContext) -> None:
        self._context = context
        self._socket = one
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accept connections."""
        # The supervisor keeps the socket; the loop closes what it is given, so it is given a duplicate.
        self._server = await self._context.loop.create_server(
            lambda: ClientConnection(self._context), sock=self._socket.dup()
        )

    def stop(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.close()


class DnsStream(Application):
    """Queries and answers in frames (RFC 1035 section 4.2.2)."""

    def __init__(self, connection: ClientConnection, transport: Transport, name: str = "") -> None:
        """`name` is what the client calls itself."""
        self._connection = connection
        self._transport = transport
        self._name = name
        self._deframer = Deframer()
        self._first = b""  # what came first, while it may be a proxy's header of version 1
        self._has_begun = False
        self._in_flight = 0
        self._backlog: deque[bytes] = deque()  # queries read, but not begun
        self._is_paused = False  # reading is, until the backlog is worked off
        self._waits = False  # for its turn
        self._is_working = False  # the backlog off, and an answer may come while it asks

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""
        return bool(self._in_flight or self._backlog)

    def received(self, data: bytes) -> None:
        """Answer the queries that `data` completes."""
        # As a query it would be waited for, all its 3,338 octets.
        if not self._has_begun and data.startswith(SIGNATURE):
            self._connection.listener.counters.dropped["proxy_not_trusted"] += 1
            self._connection.abort()
            return
        queries = self._deframer.feed(data)
        if not queries and not self._has_begun and self._begins_like_version_1(data):
            return
        self._has_begun = True
        self._backlog.extend(queries)
        self._go_on()
        if queries:
            self._connection.active()
            self._close_if_done()

    def _begins_like_version_1(self, data: bytes) -> bool:
        """Whether a proxy that is not trusted speaks first, in the text that DNS takes for a message without end."""
        self._first += data
        if not starts_like_version_1(self._first):
            self._first = b""
            return False
        self._connection.refuse_version_1(self._first)
        return True

    def ended(self) -> None:
        """Answer what is in flight, and close."""
        self.is_finishing = True
        self._close_if_done()

    def lost(self) -> None:
        """There is nobody to answer any more."""
        self._backlog.clear()

    def abort(self) -> None:
        """End the connection at once."""
        self._connection.abort()

    def take_turn(self, most: int) -> bool:
        """Answer up to `most` of the queries that were read. True: there are more that can be answered."""
        turns = self._connection.listener.turns
        self._is_working = True
        try:
            while most > 0 and self._can_answer:
                most -= 1
                turns.took()
                self._answer(self._backlog.popleft())
        finally:
            self._is_working = False
            self._waits = self._can_answer
        self._read_or_not()
        self._close_if_done()
        return self._waits

    @property
    def _can_answer(self) -> bool:
        """Whether there is a query, and few enough wait for an upstream that it may be asked."""
        return bool(self._backlog) and not self._is_full and self._connection.is_open

    @property
    def _is_full(self) -> bool:
        return self._in_flight >= self._connection.listener.limits.tcp_queries_per_connection

    def _go_on(self) -> None:
        """Answer what was read, now or when it is our turn."""
        if not self._waits and self._can_answer:
            self._waits = self._connection.listener.turns.ask(self, self._connection.client)
        self._read_or_not()

    def _read_or_not(self) -> None:
        """Read on only where what was read can be answered soon: TCP slows the client down."""
        if not self._backlog:
            if self._is_paused:
                self._is_paused = False
                self._connection.resume()
        elif not self._is_paused and (self._is_full or len(self._backlog) > IN_A_ROW) and self._connection.is_open:
            if self._is_full:
                self._connection.listener.counters.dropped["tcp_queries_per_connection"] += 1
            self._is_paused = True
            self._connection.pause()

    def _answer(self, query: bytes) -> None:
        connection = self._connection
        pipeline = connection.listener.pipeline
        outcome = pipeline.answer_now(query, connection.asker(self._name), self._transport)
        if isinstance(outcome, Pending):
            self._in_flight += 1
            pipeline.resolve(outcome, self._landed)
        elif outcome is not None:
            connection.send(frame(outcome))
        else:
            connection.abort()  # a peer that sends responses or fragments of headers is no client

    def _landed(self, answer: bytes) -> None:
        self._in_flight -= 1
        self._connection.active()
        self._connection.send(frame(answer))
        if self._is_working:
            return
        self._go_on()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.is_finishing and not self.is_busy:
            self._connection.close()
