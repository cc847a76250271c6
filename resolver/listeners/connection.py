"""One connection, from its first octet to its last: the proxy's header, TLS, then whatever is spoken on it.

Owns the time limits and the bounds of all connections alike; what is spoken is an `Application`'s.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

from resolver.answering.client import Client
from resolver.answering.pipeline import Pipeline
from resolver.answering.proxies import BY_HEADER, BY_HEADER_WITHIN_TLS
from resolver.config.settings import Limits
from resolver.errors import FormatError
from resolver.listeners.connections import Connections, Handshakes
from resolver.listeners.tls import ServerContext, Tls
from resolver.listeners.turns import Turns
from resolver.telemetry.counters import Counters
from resolver.wire.proxy_header import VERSION_1, read_proxy_header, starts_like_proxy_header, starts_like_version_1

GRACE_SECONDS = 0.5  # how long a worker that stops still waits for the first query of a connection


class Application(Protocol):
    """Base of what is spoken on a connection: DNS, HTTP/1.1 or HTTP/2."""

    # By the loop's clock: when the client last let us go on sending what it asked for. None where nothing is kept here:
    # what it does not take is in the network's buffers then.
    stalled_since: float | None = None
    is_finishing: bool = False

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""

    def received(self, data: bytes) -> None:
        """The client says something."""

    def ended(self) -> None:
        """The client says no more, but may still listen."""

    def drain(self) -> None:
        """Begin nothing new: we are about to close, with the next answer or the last of those that are awaited."""
        self.is_finishing = True

    def lost(self) -> None:
        """The connection is gone."""


@dataclass(frozen=True, slots=True)
class ListenerContext:
    """Context of one listening socket, which all its connections share."""

    loop: asyncio.AbstractEventLoop
    pipeline: Pipeline
    connections: Connections
    turns: Turns
    limits: Limits
    counters: Counters
    speak: Callable[[ClientConnection], Application]  # once it is known what
    tls: ServerContext | None = None
    handshakes: Handshakes | None = None


class ClientConnection(asyncio.Protocol):
    """A client's connection. `client` is its address, the real one behind a proxy.

    `speaks_for_itself`: that is a trusted proxy, which has said that the connection is its own.
    """

    def __init__(self, listener: ListenerContext) -> None:
        self.listener = listener
        self.client = ""
        self.speaks_for_itself = False
        self.is_finishing = False
        self._transport: asyncio.Transport | None = None
        self._header: bytes | None = None  # of a proxy, as far as it has come; None: not waited for
        self._words = 0  # by which a proxy at the other end is believed
        self._tls: Tls | None = None
        self._application: Application | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began = self._active_at = listener.loop.time()
        self._sent = 0  # octets for the network
        self._mark = 0  # how many of them the client must have taken by `_mark_at` + tcp_write_seconds
        self._mark_at = self._began

    # What the network does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        listener = self.listener
        peer = transport.get_extra_info("peername")
        if peer is None:
            self.abort()
            return
        self.client = peer[0]
        self._words = listener.pipeline.clients.at(self.client).words
        if not listener.connections.admit(self, None if self._words else self.client):
            self.abort()
            return
        self._transport.set_write_buffer_limits(high=listener.limits.tcp_write_buffer_bytes)
        if self._words & BY_HEADER:
            self._header = b""
        else:
            self._begin()
            self._expect_header_within()
        self._look_after()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.listener.connections.release(self)
        self._end_handshake()
        if self._timer is not None:
            self._timer.cancel()
        if self._application is not None:
            self._application.lost()
        # What is spoken knows us, too: without this, both would wait for a look at all garbage, which is seldom.
        self._application = self._tls = self._timer = None

    def data_received(self, data: bytes) -> None:
        if self._header is not None and self._tls is None:
            data = self._behind_header(data)
        if data and self._tls is not None:
            data = self._opened(self._tls, data)
            if data and self._header is not None:
                data = self._behind_header(data)
        if data and self._application is not None and self._transport is not None:
            self._application.received(data)
        if self._tls is not None and self._tls.has_ended and self._application is not None:
            self._application.ended()

    def eof_received(self) -> bool:
        """The client sends no more, but may still read (RFC 7766 section 6.2.4): answer what is in flight."""
        if self._application is None:
            return False
        self._application.ended()
        return True

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        self.listener.counters.dropped["tcp_write_buffer_bytes"] += 1
        self.abort()

    # The layers below what is spoken

    def _behind_header(self, data: bytes) -> bytes:
        """The data behind a proxy's header, of those that are believed by it where it comes: before TLS, or within.

        A connection goes on without: what its requests say may count. One that says nothing is answered by nobody.
        """
        data = (self._header or b"") + data
        header = None
        if starts_like_version_1(data):
            self._header = data
            self.refuse_version_1(data)
            return b""
        if starts_like_proxy_header(data):
            try:
                header = read_proxy_header(data)
            except FormatError:
                self.listener.counters.dropped["proxy_header"] += 1
                self.abort()
                return b""
            if header is None:
                self._header = data
                return b""
            data = data[header.length :]
        self._header = None
        if header is not None:
            pipeline = self.listener.pipeline
            behind = pipeline.clients.behind(pipeline.clients.at(self.client), header)
            self.speaks_for_itself = behind.speaks_for_itself
        if header is not None and header.client is not None:
            self.client = header.client
            if not self.listener.connections.admit(self, self.client):
                self.abort()
                return b""
        if self._tls is not None:
            self._speak()
            return data
        self._begin()
        if header is None:
            self._expect_header_within()
        return data

    def _expect_header_within(self) -> None:
        """Wait for a proxy's header within TLS, where the TLS is the proxy's own.

        Who is believed by one before TLS alone may pass on TLS of its clients, who would write it themselves.
        """
        if self._tls is not None and self._words & BY_HEADER_WITHIN_TLS:
            self._header = b""

    def refuse_version_1(self, data: bytes) -> None:
        """End a connection that begins with a PROXY header of version 1, once it is clear that it is one."""
        if len(data) >= len(VERSION_1):
            self.listener.counters.dropped["proxy_header_v1"] += 1
            self.abort()

    def _begin(self) -> None:
        listener = self.listener
        if listener.tls is None or listener.handshakes is None:
            self._speak()
        elif listener.tls.context is None:
            listener.counters.dropped["no_certificate"] += 1
            self.abort()
        else:
            listener.handshakes.begin(self, listener.pipeline.clients.at(self.client).network)
            self._tls = Tls(listener.tls.context)

    def _speak(self) -> None:
        self._active_at = self.listener.loop.time()
        self._application = self.listener.speak(self)
        if self.is_finishing:
            self._application.drain()

    def _opened(self, tls: Tls, data: bytes) -> bytes:
        """The client's data, decrypted."""
        try:
            plain = tls.feed(data)
        except ssl.SSLError:
            self.listener.counters.dropped["tls_failed"] += 1
            self._put(tls.take())  # the alert
            self._close_transport()
            return b""
        self._put(tls.take())
        if tls.is_open and self._application is None and self._transport is not None:
            self._end_handshake()
            if self._header is None:
                self._speak()
        return plain

    def _end_handshake(self) -> None:
        if self.listener.handshakes is not None:
            self.listener.handshakes.end(self)

    # For what is spoken

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""
        return self._application is not None and self._application.is_busy

    def asker(self, name: str = "") -> Client:
        """The client whose queries come by it, as far as the connection says. `name` is the one it gives itself."""
        client = self.listener.pipeline.clients.at(self.client, name)
        return client.itself() if self.speaks_for_itself else client

    @property
    def is_open(self) -> bool:
        """Whether something can still be said."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def protocol(self) -> str | None:
        """The protocol that was agreed on by ALPN."""
        return self._tls.protocol if self._tls else None

    @property
    def server_name(self) -> str | None:
        """As whom the client addresses us (SNI)."""
        return self._tls.server_name if self._tls else None

    def send(self, data: bytes) -> None:
        """Say something to the client."""
        if self.is_open:
            self._put(self._tls.seal(data) if self._tls else data)

    def _put(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._sent += len(data)
            self._transport.write(data)

    def active(self) -> None:
        """The client has asked something whole, or got it: only that keeps a connection, not octets that drip in."""
        self.listener.connections.asked(self)
        self._active_at = self.listener.loop.time()

    def pause(self) -> None:
        """Read no more for now."""
        if self.is_open and self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self.is_open and self._transport is not None:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close when what was sent is on its way."""
        if self.is_open and self._tls is not None and self._tls.is_open:
            self._put(self._tls.close())
        self._close_transport()

    def close_later(self) -> None:
        """Close when the client had time to read what was sent, though it is sending still: a reset would undo it."""
        self.listener.loop.call_later(GRACE_SECONDS, self.close)

    def _close_transport(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()

    def drain(self) -> None:
        """Close after the next answer, or soon if no query comes: one that was sent before we stopped is not lost."""
        if self.is_finishing:
            return
        self.is_finishing = True
        if self._application is not None:
            self._application.drain()
        if not self.is_busy:
            self.listener.loop.call_later(GRACE_SECONDS, self._close_if_done)

    def _close_if_done(self) -> None:
        if not self.is_busy:
            self.close()

    # Time

    def _look_after(self) -> None:
        """End the connection if one of its times is over; else look again when the next may be."""
        if self._transport is None:
            return
        now, limits = self.listener.loop.time(), self.listener.limits
        is_beginning = self._application is None  # it is not known yet what is spoken
        ends_at = self._began + limits.tls_handshake_seconds if is_beginning else self._next_end(now, limits)
        if ends_at is None:
            return
        if ends_at <= now:
            self.listener.counters.dropped["tls_handshake_seconds"] += 1
            self.abort()
            return
        self._timer = self.listener.loop.call_later(ends_at - now, self._look_after)

    def _next_end(self, now: float, limits: Limits) -> float | None:
        """The time at which to look again; None where the connection has been ended."""
        application, transport = self._application, self._transport
        if application is None or transport is None:
            return None
        if self._reads_too_slowly(now, limits.tcp_write_seconds):
            self.listener.counters.dropped["tcp_write_seconds"] += 1
            self.abort()
            return None
        if application.is_busy:
            self._active_at = now
        elif now >= self._active_at + limits.tcp_idle_seconds:
            if self.is_open:
                self.listener.counters.dropped["tcp_idle_seconds"] += 1
                self.close()
            return now + limits.tcp_write_seconds  # for it to take what is on its way
        if now >= self._began + limits.tcp_lifetime_seconds and not self.is_finishing:
            self.listener.counters.dropped["tcp_lifetime_seconds"] += 1
            self.drain()
        ends_at = self._active_at + limits.tcp_idle_seconds
        if transport.get_write_buffer_size() or application.stalled_since is not None:
            ends_at = min(ends_at, now + limits.tcp_write_seconds)
        if not self.is_finishing:
            ends_at = min(ends_at, self._began + limits.tcp_lifetime_seconds)
        return max(ends_at, now + 0.01)

    def _reads_too_slowly(self, now: float, seconds: float) -> bool:
        """Whether something that was sent, or could not even be sent, is older than so many seconds."""
        application, transport = self._application, self._transport
        if application is None or transport is None:
            return False
        if application.stalled_since is not None and now >= application.stalled_since + seconds:
            return True
        taken = self._sent - transport.get_write_buffer_size()
        if taken >= self._mark:
            self._mark, self._mark_at = self._sent, now
            return False
        return now >= self._mark_at + seconds
