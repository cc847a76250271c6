"""HTTP/2 of a connection: many requests at once, each answered as it is ready, all that is ready in one write."""

from __future__ import annotations

import functools

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
        self._waiting = 0  # requests that are being answered
        self._let_through = 0  # by the server's count, when it was looked at last
        self._is_over = False
        self._flush()

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""
        return bool(self._waiting or self._http.sender.unsent)

    def received(self, data: bytes) -> None:
        """Take in what the client says."""
        if self._is_over:
            return
        try:
            requests = self._http.take(data)
        except Http2Violation as violation:
            self._end(violation)
            return
        if requests:
            self._connection.active()
            self._waiting += 1  # for those behind: none that is answered at once may be taken for the last
            try:
                for request in requests:
                    self._answer(request)
            finally:
                self._waiting -= 1
        if self._http.is_closing:
            self.is_finishing = True
        self._flush()
        self._close_if_done()

    def ended(self) -> None:
        """Answer what is in flight, and close."""
        self.drain()
        self._close_if_done()

    def drain(self) -> None:
        """Begin nothing new: we are about to close, with the next answer or the last of those that are awaited."""
        self.is_finishing = self._http.is_closing = True

    def lost(self) -> None:
        """There is nobody to answer any more."""
        self._is_over = True
        self._http.forget()

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
        self._http.goodbye(violation.code)
        self._flush()
        self._connection.close_later()

    def _close_if_done(self) -> None:
        if self.is_finishing and not self.is_busy and not self._is_over:
            self._is_over = True
            self._http.goodbye(NO_ERROR)
            self._flush()
            self._connection.close()
