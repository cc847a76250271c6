"""One connection, from its first octet to its last: the proxy's header, TLS, then whatever is spoken on it.

Owns the time limits and the bounds of all connections alike; what is spoken is an `Application`'s.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from resolver.answering.client import Client
from resolver.answering.pipeline import Pipeline
from resolver.answering.proxies import BY_HEADER, BY_HEADER_WITHIN_TLS
from resolver.config.settings import Limits
from resolver.errors import FormatError
from resolver.listeners.application import Application
from resolver.listeners.connections import Admission, Connections, Handshakes
from resolver.listeners.header import HeaderReader
from resolver.listeners.layers import GONE, HANDSHAKE, HEADER, HEADER_WITHIN, NEW, SPEAKING
from resolver.listeners.times import IDLE, LIFETIME, ConnectionTimes
from resolver.listeners.tls import ServerContext, Tls, failure_of
from resolver.listeners.turns import Turns
from resolver.telemetry.counters import Counters
from resolver.wire.proxy_header import VERSION_1

GRACE_SECONDS = 0.5  # how long a worker that stops still waits for the first query of a connection


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
    admission: Admission | None = None  # None: clients are asked for no certificate


class ClientConnection(asyncio.Protocol):
    """A client's connection. `client` is its address, the real one behind a proxy.

    `speaks_for_itself`: that is a trusted proxy, which has said that the connection is its own.
    """

    def __init__(self, listener: ListenerContext) -> None:
        self.listener = listener
        self.client = ""
        self.speaks_for_itself = False
        self._proved = ""  # the client name that its certificate gives
        self._may_claim = True  # as it may not who has shown one, whatever is in it
        self.is_finishing = False
        self._layer = NEW
        self._transport: asyncio.Transport | None = None
        self._header = HeaderReader()
        self._may_have_header_within = False
        self._is_clients_tls = False  # and not that of a proxy between
        self._words = 0  # by which a proxy at the other end is believed
        self._tls: Tls | None = None
        self._application: Application | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._times = ConnectionTimes(listener.limits, listener.loop.time())

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
            self._layer = HEADER
        else:
            self._begin(has_header=False)
        self._look_after()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._layer = GONE
        self.listener.connections.release(self)
        self._end_handshake()
        if self.listener.admission is not None:
            self.listener.admission.release(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._application is not None:
            self._application.lost()
        # What is spoken knows us, too: without this, both would wait for a look at all garbage, which is seldom.
        self._application = self._tls = self._timer = None

    def data_received(self, data: bytes) -> None:
        if self._layer is HEADER:
            data = self._behind_header(data)
        tls = self._tls
        if data and tls is not None:
            data = self._opened(tls, data)
            if data and self._layer is HEADER_WITHIN:
                data = self._behind_header(data)
        application = self._application
        if application is not None:
            if data and self._layer is SPEAKING:
                application.received(data)
            if tls is not None and tls.has_ended and self._layer is SPEAKING:
                application.ended()

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
        try:
            has_come = self._header.feed(data)
        except FormatError:
            self.listener.counters.dropped["proxy_header"] += 1
            self.abort()
            return b""
        if not has_come:
            self.refuse_version_1(self._header.rest)
            return b""
        header, data = self._header.header, self._header.rest
        self._header = HeaderReader()
        if header is not None:
            pipeline = self.listener.pipeline
            behind = pipeline.clients.behind(pipeline.clients.at(self.client), header)
            self.speaks_for_itself = behind.speaks_for_itself
            if header.client is not None:
                self.client = header.client
                if not self.listener.connections.admit(self, self.client):
                    self.abort()
                    return b""
        if self._layer is HEADER_WITHIN:
            self._speak()
        else:
            self._begin(has_header=header is not None)
        return data

    def refuse_version_1(self, data: bytes) -> None:
        """End a connection that begins with a PROXY header of version 1, once it is clear that it is one."""
        if data.startswith(VERSION_1):
            self.listener.counters.dropped["proxy_header_v1"] += 1
            self.abort()

    def _begin(self, *, has_header: bool) -> None:
        """Begin what is spoken, or the handshake before it. `has_header`: the proxy has sent its own in clear.

        Else it may come within TLS, where the TLS is the proxy's own: who is believed by one before TLS alone may pass
        on TLS of its clients, who would write it themselves.
        """
        listener = self.listener
        if listener.tls is None or listener.handshakes is None:
            self._speak()
        elif listener.tls.context is None:
            listener.counters.dropped["no_certificate"] += 1
            self.abort()
        else:
            listener.handshakes.begin(self, listener.pipeline.clients.at(self.client).network)
            self._tls = Tls(listener.tls.context)
            self._layer = HANDSHAKE
            self._may_have_header_within = not has_header and self._words & BY_HEADER_WITHIN_TLS != 0
            self._is_clients_tls = has_header or not self._words

    def _speak(self) -> None:
        self._times.active_at = self.listener.loop.time()
        self._layer = SPEAKING
        self._application = self.listener.speak(self)
        if self.is_finishing:
            self._application.drain()

    def _opened(self, tls: Tls, data: bytes) -> bytes:
        """The client's data, decrypted."""
        try:
            plain = tls.feed(data)
        except ssl.SSLError as error:
            self.listener.counters.dropped[failure_of(error)] += 1
            self._put(tls.take())  # the alert
            self._close_transport()
            return b""
        self._put(tls.take())
        if tls.is_open and self._layer is HANDSHAKE:
            self._end_handshake()
            if not self._is_admitted(tls):
                self.close()
                return b""
            if self._may_have_header_within:
                self._layer = HEADER_WITHIN
            else:
                self._speak()
        return plain

    def _is_admitted(self, tls: Tls) -> bool:
        """Whether the client's certificate, or that it has none, is good enough. What it proves is kept."""
        if self.listener.admission is None:
            return True
        admitted = self.listener.admission.admit(self, tls.client_certificate)
        if admitted is None:
            return False
        if self._is_clients_tls:  # a proxy's says nothing of those that it asks for
            self._proved, self._may_claim = admitted.name, admitted.may_claim
        return True

    def _end_handshake(self) -> None:
        if self.listener.handshakes is not None:
            self.listener.handshakes.end(self)

    # For what is spoken

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""
        return self._application is not None and self._application.is_busy

    def asker(self, name: str = "") -> Client:
        """The client whose queries come by it, as far as the connection says.

        `name` is the one it gives itself, which counts where it has shown no certificate.
        """
        name = name if self._may_claim else self._proved
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

    def send(self, *pieces: bytes) -> None:
        """Say something to the client, in one write; over TLS each piece has a record of its own."""
        if self.is_open:
            self._put(self._tls.seal(*pieces) if self._tls else b"".join(pieces))

    def _put(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._times.sent += len(data)
            self._transport.write(data)

    def active(self) -> None:
        """The client has asked something whole, or got it: only that keeps a connection, not octets that drip in."""
        self.listener.connections.asked(self)
        self._times.active_at = self.listener.loop.time()

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
        """Close after the next answer, or soon if no query comes: one that was sent before we stopped is not lost.

        Over HTTP/2 that is once the client has been told, and all that it asked until then is answered.
        """
        if self.is_finishing:
            return
        self.is_finishing = True
        if self._application is not None:
            self._application.drain()
        self.listener.loop.call_later(GRACE_SECONDS, self._finish)

    def make_room(self) -> None:
        """End a connection that nobody waits on, within GRACE_SECONDS, whether its client takes the goodbye or not."""
        if self._application is None or self._transport is None or self._transport.get_write_buffer_size():
            self.abort()
            return
        self._finish()
        self.listener.loop.call_later(GRACE_SECONDS, self.abort)

    def _finish(self) -> None:
        """Close as soon as nothing is awaited; the client is told, where its protocol has a word for that."""
        if self._application is None:
            self.close()
        else:
            self._application.finish()

    def _look_after(self) -> None:
        """End the connection if one of its times is over; else look again when the next may be."""
        transport, application = self._transport, self._application
        if transport is None:
            return
        now = self.listener.loop.time()
        if application is None:  # it is not known yet what is spoken
            over, look_at = self._times.look_at_beginning(now)
        else:
            unsent, since, is_busy = transport.get_write_buffer_size(), application.stalled_since, application.is_busy
            over, look_at = self._times.look(now, unsent, since, is_busy=is_busy, is_finishing=self.is_finishing)
        if over == IDLE and not self.is_open:
            over = ""  # it is closing, and takes what is on its way
        if over:
            self.listener.counters.dropped[over] += 1
            if over == IDLE:
                self._finish()
            elif over == LIFETIME:
                self.drain()
            else:
                self.abort()
                return
        self._timer = self.listener.loop.call_later(look_at - now, self._look_after)
