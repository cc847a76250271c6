"""DNS over TCP (RFC 7766): many queries on one connection, answered as they finish; idle and greedy ones are ended."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter, deque
from typing import cast

from resolver.config.settings import Limits
from resolver.pipeline import Pending, Pipeline, Transport
from resolver.telemetry.counters import Counters
from resolver.wire.framing import Deframer, frame

GRACE_SECONDS = 0.5  # how long a worker that stops still waits for the first query of a connection


class Connections:
    """The open connections of a worker, over all its addresses, and how many each client has."""

    def __init__(self, limits: Limits, dropped: Counter[str]) -> None:
        self.open: set[_Connection] = set()
        self._by_client: Counter[str] = Counter()
        self._limits = limits
        self._dropped = dropped

    def admit(self, connection: _Connection, client: str) -> bool:
        """Take in a new connection, unless there are too many."""
        if len(self.open) >= self._limits.tcp_connections:
            self._dropped["tcp_connections"] += 1
            return False
        if self._by_client[client] >= self._limits.tcp_connections_per_client:
            self._dropped["tcp_connections_per_client"] += 1
            return False
        self.open.add(connection)
        self._by_client[client] += 1
        return True

    def release(self, connection: _Connection, client: str) -> None:
        """Forget a connection that has ended."""
        if connection in self.open:
            self.open.remove(connection)
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    def drain(self) -> None:
        """End each connection once its queries are answered, the one that may be on its way now included."""
        for connection in tuple(self.open):
            connection.drain()


class StreamListener:
    """Serves one listening TCP socket."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        one: socket.socket,
        pipeline: Pipeline,
        connections: Connections,
        limits: Limits,
        counters: Counters,
    ) -> None:
        self.loop = loop
        self.pipeline = pipeline
        self.connections = connections
        self.limits = limits
        self.counters = counters
        self._socket = one
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Accept connections."""
        # The supervisor keeps the socket; the loop closes what it is given, so it is given a duplicate.
        self._server = await self.loop.create_server(lambda: _Connection(self), sock=self._socket.dup())

    def stop(self) -> None:
        """Accept no more."""
        if self._server is not None:
            self._server.close()


class _Connection(asyncio.Protocol):
    def __init__(self, listener: StreamListener) -> None:
        self._listener = listener
        self._deframer = Deframer()
        self._transport: asyncio.Transport | None = None
        self._peer = ""
        self._in_flight = 0
        self._backlog: deque[bytes] = deque()  # queries read, but not begun
        self._is_paused = False  # reading is, until the backlog is worked off
        self._finishing = False
        self._idle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        listener = self._listener
        peer = transport.get_extra_info("peername")
        if peer is None or not listener.connections.admit(self, peer[0]):
            self._transport.abort()
            self._transport = None
            return
        self._peer = peer[0]
        self._transport.set_write_buffer_limits(high=listener.limits.tcp_write_buffer_bytes)
        self._rearm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._listener.connections.release(self, self._peer)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        queries = self._deframer.feed(data)
        self._backlog.extend(queries)
        self._work_off()
        if queries and self._transport is not None:
            self._rearm()  # by whole queries only: octets that drip in keep no connection open
            self._close_if_done()

    def _work_off(self) -> None:
        """Answer what was read, and read on only while few enough wait for an upstream: TCP slows the client down."""
        most = self._listener.limits.tcp_queries_per_connection
        while self._backlog and self._in_flight < most and self._transport is not None:
            self._answer(self._backlog.popleft())
        if self._transport is None or self._transport.is_closing():
            return
        if self._backlog and not self._is_paused:
            self._listener.counters.dropped["tcp_queries_per_connection"] += 1
            self._is_paused = True
            self._transport.pause_reading()
        elif not self._backlog and self._is_paused:
            self._is_paused = False
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        """The client sends no more, but may still read (RFC 7766 section 6.2.4): answer what is in flight."""
        self.finish()
        return True

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        self._listener.counters.dropped["tcp_write_buffer_bytes"] += 1
        if self._transport is not None:
            self._transport.abort()

    def finish(self) -> None:
        """Close once nothing is in flight."""
        self._finishing = True
        self._close_if_done()

    def drain(self) -> None:
        """Close after the next answer, or soon if no query comes: one that was sent before we stopped is not lost."""
        self._finishing = True
        if not self._in_flight:
            self._rearm(GRACE_SECONDS)

    def _answer(self, query: bytes) -> None:
        listener = self._listener
        if self._transport is None:
            return
        pipeline = listener.pipeline
        outcome = pipeline.answer_now(query, pipeline.client(self._peer), Transport.TCP)
        if isinstance(outcome, Pending):
            self._in_flight += 1
            pipeline.resolve(outcome, self._landed)
        elif outcome is not None:
            self._write(outcome)
        else:
            self._transport.abort()  # a peer that sends responses or fragments of headers is no client

    def _landed(self, answer: bytes) -> None:
        self._in_flight -= 1
        self._write(answer)
        if self._is_paused:
            self._work_off()
        self._close_if_done()

    def _write(self, answer: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(answer))

    def _close_if_done(self) -> None:
        if self._finishing and not self._in_flight and not self._backlog and self._transport is not None:
            self._transport.close()

    def _rearm(self, seconds: float | None = None) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._listener.loop.call_later(seconds or self._listener.limits.tcp_idle_seconds, self._expired)

    def _expired(self) -> None:
        if self._in_flight:
            self._rearm()
        elif self._transport is not None:
            self._transport.close()
