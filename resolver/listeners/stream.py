"""DNS over TCP (RFC 7766) and over TLS (RFC 7858): many queries on one connection, answered as they finish."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Final

from resolver.answering.client import Client
from resolver.answering.pipeline import Pending, Transport
from resolver.listeners.connection import ClientConnection, ListenerContext
from resolver.listeners.turns import IN_A_ROW
from resolver.wire.framing import Deframer, frame
from resolver.wire.proxy_header import SIGNATURE, starts_like_version_1

_MOST_TOGETHER: Final = 65_536  # octets of answers that are written at once


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


class DnsStream:
    """Queries and answers in frames (RFC 1035 section 4.2.2): an Application. Answers of one turn are one write."""

    # Nothing is kept here that the client does not take.
    stalled_since: float | None = None

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
        self.is_finishing = False
        self._is_working = False  # the backlog off, and an answer may come while it asks
        self._answers: list[bytes] = []  # of this turn, in frames
        self._octets = 0  # of those

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

    def drain(self) -> None:
        """Begin nothing new: we are about to close."""
        self.is_finishing = True

    def finish(self) -> None:
        """Close as soon as nothing is awaited."""
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
        connection, backlog = self._connection, self._backlog
        listener = connection.listener
        turns, most_in_flight = listener.turns, listener.limits.tcp_queries_per_connection
        self._is_working = True
        try:
            if connection.is_open:
                client = connection.asker(self._name)
                while most > 0 and backlog and self._in_flight < most_in_flight:
                    most -= 1
                    turns.took()
                    self._answer(backlog.popleft(), client)
        finally:
            self._is_working = False
            self._write()
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

    def _answer(self, query: bytes, client: Client) -> None:
        pipeline = self._connection.listener.pipeline
        outcome = pipeline.answer_now(query, client, self._transport)
        if isinstance(outcome, Pending):
            self._in_flight += 1
            pipeline.resolve(outcome, self._landed)
        elif outcome is not None:
            self._put(outcome)
        else:  # a peer that sends responses or fragments of headers is no client
            self._write()
            self._backlog.clear()
            self._connection.abort()

    def _put(self, answer: bytes) -> None:
        """Keep an answer until the turn ends, or what is kept is much."""
        framed = frame(answer)
        self._answers.append(framed)
        self._octets += len(framed)
        if self._octets >= _MOST_TOGETHER:
            self._write()

    def _write(self) -> None:
        answers = self._answers
        if answers:
            self._connection.send(answers[0] if len(answers) == 1 else b"".join(answers))
            answers.clear()
            self._octets = 0

    def _landed(self, answer: bytes) -> None:
        self._in_flight -= 1
        self._connection.active()
        if self._is_working:
            self._put(answer)
            return
        self._connection.send(frame(answer))
        self._go_on()
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.is_finishing and not self.is_busy:
            self._connection.close()
