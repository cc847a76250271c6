"""One TCP connection, whatever is spoken on it: PROXY header, TLS, then a session; and its deadlines.

The layers are ours, not asyncio's: so a proxy's header can come before TLS, a handshake has a bound of its own, and
one place knows what a client has left unread.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from resolver.errors import FormatError
from resolver.listeners.session import Session
from resolver.listeners.tls import TlsLayer
from resolver.listeners.who import forwarded_address
from resolver.pipeline import Pending, Transport
from resolver.wire.proxy_header import read_proxy_header, starts_like_proxy_header

if TYPE_CHECKING:
    from resolver.listeners.listener import StreamListener

GRACE_SECONDS = 0.5  # how long a worker that stops still waits for the first query of a connection
LAST_SECONDS = 5.0  # for all that is in flight; a client gives up by then
LINGER_SECONDS = 1.0  # for the client to see that we close; to go at once could take the last answer from it


class Connection(asyncio.Protocol):
    """A client's connection. `address` is the client's, which a trusted proxy may have told."""

    def __init__(self, listener: StreamListener) -> None:
        self.in_flight = 0
        self.partial_since: float | None = None
        self.is_finishing = False
        self.is_closing = False
        self.address = ""
        self.name = ""  # what the client calls itself, by the server name that it asks TLS for
        self._listener = listener
        self._limits = listener.limits
        self._transport: asyncio.Transport | None = None
        self._tls: TlsLayer | None = None
        self._session: Session | None = None
        self._take: Callable[[bytes], None] = self._take_proxy_header
        self._head = b""  # of a PROXY header that is not complete
        self._counted_as: str | None = None
        self._out: list[bytes] = []
        self._is_corked = False
        self._began = self._asked_at = listener.loop.time()
        self._unread_since: float | None = None
        self._closing_at: float | None = None  # when it is over in any case

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        listener = self._listener
        peer = transport.get_extra_info("peername")
        if peer is None or not listener.is_open or not listener.connections.admit(self):
            self.abort()
            return
        self.address = peer[0]
        self._transport.set_write_buffer_limits(high=self._limits.tcp_write_buffer_bytes)
        if not listener.pipeline.client(self.address).is_proxy:
            self._admitted()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = self._session = self._tls = None
        self.is_closing = True
        self._take = _nothing
        self._listener.connections.release(self)
        if self._counted_as is not None:
            self._listener.connections.release_client(self._counted_as)
            self._counted_as = None

    def data_received(self, data: bytes) -> None:
        self._corked(functools.partial(self._take, data))

    def eof_received(self) -> bool:
        if self._session is None or self.is_closing:
            return False  # half a handshake, or the client has seen that we close: over
        self._session.ended()
        return True

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        self.drop("tcp_write_buffer_bytes")

    # Layers

    def _take_proxy_header(self, data: bytes) -> None:
        """What a trusted proxy says first; it may leave it out (then it asks for itself)."""
        self._head += data
        if not starts_like_proxy_header(self._head):
            self._go_on()
            return
        try:
            header = read_proxy_header(self._head)
        except FormatError:
            self.drop("proxy_header")
            return
        if header is None:
            return
        self._head = self._head[header.length :]
        if header.client is None:
            self._go_on()
            return
        self.address = header.client
        if self._admitted():
            self._go_on()

    def _admitted(self) -> bool:
        """Whether the client, known by now, may have one more connection; then it goes on to the next layer."""
        if not self._listener.connections.admit_client(self.address):
            self.abort()
            return False
        self._counted_as = self.address
        self._begin()
        return True

    def _go_on(self) -> None:
        """Hand on what came behind the PROXY header, or in its place."""
        if self._take == self._take_proxy_header:
            self._begin()
        head, self._head = self._head, b""
        if head:
            self._take(head)

    def _begin(self) -> None:
        context = self._listener.tls
        if context is None:
            self._start_session(None)
            return
        self._tls = TlsLayer(context)
        self._take = self._take_tls
        self._listener.connections.begin_handshake(self)

    def _take_tls(self, data: bytes) -> None:
        tls = self._tls
        if tls is None:
            return
        try:
            plain = tls.take(data)
        except ssl.SSLError:
            self._send(tls.outgoing())  # the alert
            self.drop("tls_failed")
            return
        self._send(tls.outgoing())
        if tls.is_open and self._session is None:
            self._listener.connections.end_handshake(self)
            self.name = self._listener.name_of(tls.server_name)
            self._asked_at = self.now()
            self._start_session(tls.protocol)
            self._take = self._take_tls
        if plain and self._session is not None:
            self._session.received(plain)
        if tls.is_ended and self._session is not None:
            self._session.ended()

    def _start_session(self, protocol: str | None) -> None:
        self._session = self._listener.session(self, protocol)
        self._take = self._session.received

    # What sessions use

    def now(self) -> float:
        return self._listener.loop.time()

    def ask(
        self,
        query: bytes,
        transport: Transport,
        reply: Callable[[bytes], None],
        name: str = "",
        forwarded_for: tuple[bytes, ...] = (),
    ) -> bool:
        self._asked_at = self.now()
        self._listener.connections.asked(self)
        pipeline = self._listener.pipeline
        address = self._forwarded_by(forwarded_for) if forwarded_for else self.address
        client = self._listener.client(address, name or self.name)
        outcome = pipeline.answer_now(query, client, transport)
        if isinstance(outcome, Pending):
            self.in_flight += 1

            def landed(answer: bytes) -> None:
                self.in_flight -= 1
                if not self.is_closing:
                    self._is_corked, was_corked = True, self._is_corked
                    reply(answer)
                    if self._session is not None:
                        self._session.landed()
                    self._is_corked = was_corked
                    self._flush()

            pipeline.resolve(outcome, landed)
        elif outcome is not None:
            reply(outcome)
        return outcome is not None

    def _forwarded_by(self, values: tuple[bytes, ...]) -> str:
        """Whose query it is that a trusted proxy hands on; from all others, that header is worth nothing."""
        pipeline = self._listener.pipeline
        if not pipeline.client(self.address).is_proxy:
            return self.address
        try:
            return forwarded_address(values, lambda one: pipeline.client(one).is_proxy) or self.address
        except ValueError:
            self.count("x_forwarded_for")
            return self.address

    def later(self, work: Callable[[], None]) -> None:
        self._listener.loop.call_soon(self._corked, work)

    def _corked(self, work: Callable[[], None]) -> None:
        if not self.is_closing:
            self._is_corked = True
            work()
            self._is_corked = False
            self._flush()

    def write(self, data: bytes) -> None:
        if self.is_closing:
            return
        self._out.append(data)
        if not self._is_corked:
            self._flush()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        if self.is_closing or self._transport is None:
            return
        self._is_corked = False
        self._flush()
        if self._tls is not None:
            self._tls.close()
            self._send(self._tls.outgoing())
        self.is_closing = True
        self._listener.connections.end_handshake(self)
        if self._transport is None or self._transport.is_closing():
            return
        self.resume()  # to see that the client closes, too
        self._transport.write_eof()
        self._closing_at = self.now() + LINGER_SECONDS

    def drop(self, why: str) -> None:
        if not self.is_closing:
            self.count(why)
            self.abort()

    def count(self, why: str) -> None:
        self._listener.counters.dropped[why] += 1

    # What its owner uses

    @property
    def is_idle(self) -> bool:
        """Whether nobody loses anything if it ends: no query is being answered."""
        return not self.in_flight

    def abort(self) -> None:
        """End it now; what the kernel has taken is still sent."""
        self.is_closing = True
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()

    def drain(self) -> None:
        """Close after the next answer, or soon if no query comes: one that was sent before we stopped is not lost."""
        if self._session is None:
            self.abort()
            return
        self.is_finishing = True
        self._closing_at = self.now() + (LAST_SECONDS if self.in_flight else GRACE_SECONDS)
        self._session.finish()

    def look_at(self, now: float) -> None:
        """Act on what is overdue at this monotonic second."""
        limits = self._limits
        if self.is_closing:
            if self._closing_at is not None and now >= self._closing_at and not self._is_read(now):
                self.abort()
            return
        if self._session is None:
            if now - self._began >= limits.tls_handshake_seconds:
                self.drop("tls_handshake_seconds")
        elif not self._is_read(now):
            self.drop("tcp_write_seconds")
        elif self.partial_since is not None and now - self.partial_since >= limits.tcp_query_seconds:
            self._session.overdue(now)
        elif self.is_finishing:
            is_over = self._closing_at is not None and now >= self._closing_at
            if is_over or not (self.in_flight or self._closing_at):
                self.close()
        elif now - self._began >= limits.tcp_lifetime_seconds:
            self.count("tcp_lifetime_seconds")
            self.drain()
        elif not self.in_flight and now - self._asked_at >= limits.tcp_idle_seconds:
            self.close()

    def _is_read(self, now: float) -> bool:
        """Whether the client takes its answers: what was written has gone at least once in the time that it has."""
        waiting = self._session.waiting_bytes if self._session is not None else 0
        if self._transport is not None:
            waiting += self._transport.get_write_buffer_size()
        if not waiting:
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        return self._unread_since is None or now - self._unread_since < self._limits.tcp_write_seconds

    def _flush(self) -> None:
        if not self._out:
            return
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        if self._tls is not None:
            self._tls.put(data)
            data = self._tls.outgoing()
        self._send(data)

    def _send(self, data: bytes) -> None:
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)


def _nothing(data: bytes) -> None:
    """What a connection that is over makes of octets."""
