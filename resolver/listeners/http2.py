"""HTTP/2 of a connection: many requests at once, each answered as it is ready, all that is ready in one write."""

from __future__ import annotations

import functools
from collections import deque

from resolver.answering.pipeline import Pending
from resolver.listeners.connection import ClientConnection
from resolver.listeners.doh import HttpExchange, HttpResponse
from resolver.listeners.http2_frames import NO_ERROR, Http2Violation
from resolver.listeners.http2_server import Http2Server
from resolver.listeners.http2_streams import Http2Stream


class Http2:
    """HTTP/2 on a connection, where client and server agree on h2: an `Application`, which is no base if compiled."""

    def __init__(self, connection: ClientConnection, exchange: HttpExchange) -> None:
        # By the loop's clock: since when a client keeps us from sending answers, or when it last let one through.
        self.stalled_since: float | None = None
        self.is_finishing = False
        self._connection = connection
        self._exchange = exchange
        limits = connection.listener.limits
        self._http = Http2Server(streams=limits.http_streams_per_connection, resets=limits.http_resets_per_connection)
        self._backlog: deque[Http2Stream] = deque()  # requests that are not begun; at most all open streams
        self._has_turn_to_come = False
        self._waiting = 0  # requests that are being answered
        self._let_through = 0  # by the server's count, when it was looked at last
        self._is_over = False
        self._flush()

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""
        return bool(self._waiting or self._backlog or self._http.sender.unsent)

    def received(self, data: bytes) -> None:
        """Take in what the client says, and answer as much as our turn has room for."""
        if self._is_over:
            return
        try:
            requests = self._http.take(data)
        except Http2Violation as violation:
            self._end(violation)
            return
        if requests:
            self._connection.active()
            self._backlog.extend(requests)
        if self._http.is_closing:
            self.is_finishing = True
        if self._backlog and not self._has_turn_to_come:
            self._has_turn_to_come = self._connection.listener.turns.ask(self, self._connection.client)
        self._flush()
        self._close_if_done()

    def ended(self) -> None:
        """Answer what is in flight, and close."""
        self.is_finishing = self._http.is_closing = True
        self._close_if_done()

    def drain(self) -> None:
        """Tell the client to ask elsewhere; what it asks until it has heard is answered (RFC 9113 section 6.8)."""
        if not self.is_finishing and not self._is_over:
            self._http.sender.announce_end()
            self._flush()

    def finish(self) -> None:
        """Begin nothing new, tell the client which request was the last, and close once that is answered."""
        if not self._is_over:
            self.is_finishing = self._http.is_closing = True
            self._http.begin_nothing()
            self._flush()
            self._close_if_done()

    def lost(self) -> None:
        """There is nobody to answer any more."""
        self._is_over = True
        self._backlog.clear()
        self._http.forget()

    def abort(self) -> None:
        """End the connection at once."""
        self._connection.abort()

    def take_turn(self, most: int) -> bool:
        """Answer up to `most` of the requests that were read. True: there are more that can be answered."""
        backlog, turns = self._backlog, self._connection.listener.turns
        while most > 0 and backlog and not self._is_over:
            request = backlog.popleft()
            if not request.is_over:  # else its client took it back meanwhile
                most -= 1
                turns.took()
                self._answer(request)
        self._flush()
        self._close_if_done()
        self._has_turn_to_come = bool(backlog) and not self._is_over and self._connection.is_open
        return self._has_turn_to_come

    def _answer(self, request: Http2Stream) -> None:
        answer = self._exchange.answer(request.head.head, request.path, request.body())
        if isinstance(answer, HttpResponse):
            self._http.respond(request, answer)
            return
        self._ask(request, answer)

    def _ask(self, request: Http2Stream, pending: Pending) -> None:
        self._waiting += 1
        self._exchange.resolve(pending, functools.partial(self._landed, request))

    def _landed(self, request: Http2Stream, response: HttpResponse) -> None:
        self._waiting -= 1
        if self._is_over or not self._connection.is_open:
            return
        self._http.respond(request, response)
        self._flush()
        self._close_if_done()

    def _flush(self) -> None:
        """Send what there is to say, and note whether the client keeps us from saying all of it.

        In one write, but each response in a TLS record of its own: dnsperf loses all but one of a record, and curl
        takes none that is reset in the same.
        """
        if not self._connection.is_open:
            return
        sender = self._http.sender
        pieces = sender.to_send()
        if pieces:
            self._connection.send(*pieces)
        if sender.unsent_octets > self._connection.listener.limits.tcp_write_buffer_bytes:
            self._connection.pause_writing()
            return
        if not sender.unsent:
            self.stalled_since = None
        elif self.stalled_since is None or sender.let_through != self._let_through:
            self.stalled_since = self._connection.listener.loop.time()
        self._let_through = sender.let_through

    def _end(self, violation: Http2Violation) -> None:
        """Say goodbye to a client that does not keep to the rules."""
        self._connection.listener.counters.dropped[violation.bound] += 1
        self._is_over = True
        self._http.sender.goodbye(violation.code)
        self._flush()
        self._connection.close_later()

    def _close_if_done(self) -> None:
        if self.is_finishing and not self.is_busy and not self._is_over:
            self._is_over = True
            self._http.sender.goodbye(NO_ERROR)
            self._flush()
            self._connection.close()
