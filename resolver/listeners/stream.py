"""DNS messages on a connection (RFC 7766; with TLS below, RFC 7858): many queries, answered as they finish."""

from __future__ import annotations

from collections import deque

from resolver.listeners.session import Link
from resolver.pipeline import Transport
from resolver.wire.framing import Deframer, frame


class DnsStream:
    """The session of DNS over TCP, or over TLS."""

    waiting_bytes = 0  # TCP's own flow control is all there is

    def __init__(self, link: Link, transport: Transport, most_in_flight: int) -> None:
        self._link = link
        self._transport = transport
        self._most_in_flight = most_in_flight
        self._deframer = Deframer()
        self._backlog: deque[bytes] = deque()  # queries read, but not begun
        self._is_paused = False  # reading is, until the backlog is worked off

    def received(self, data: bytes) -> None:
        """Answer each query that is complete."""
        queries = self._deframer.feed(data)
        if not self._deframer.pending_bytes:
            self._link.partial_since = None
        elif queries or self._link.partial_since is None:
            self._link.partial_since = self._link.now()
        self._backlog.extend(queries)
        self._work_off()
        if queries:
            self._close_if_done()

    def ended(self) -> None:
        """The client sends no more, but may still read (RFC 7766 section 6.2.4): answer what is in flight."""
        self._link.is_finishing = True
        self._link.partial_since = None
        self._close_if_done()

    def landed(self) -> None:
        """One answer is given: another query may be begun."""
        if self._is_paused:
            self._work_off()
        self._close_if_done()

    def finish(self) -> None:
        """DNS has no word for it: whoever asks next is still answered."""

    def overdue(self, now: float) -> None:
        """A query that does not come to its end."""
        self._link.drop("tcp_query_seconds")

    def _work_off(self) -> None:
        """Answer what was read, and read on only while few enough wait for an upstream: TCP slows the client down."""
        link = self._link
        while self._backlog and link.in_flight < self._most_in_flight and not link.is_closing:
            if not link.ask(self._backlog.popleft(), self._transport, self._reply):
                link.drop("not_a_client")  # a peer that sends responses or fragments of headers
                return
        if self._backlog and not self._is_paused:
            link.count("tcp_queries_per_connection")
            self._is_paused = True
            link.pause()
        elif not self._backlog and self._is_paused:
            self._is_paused = False
            link.resume()

    def _reply(self, answer: bytes) -> None:
        self._link.write(frame(answer))

    def _close_if_done(self) -> None:
        if self._link.is_finishing and not self._link.in_flight and not self._backlog:
            self._link.close()
