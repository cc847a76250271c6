"""DNS over HTTPS to an upstream (RFC 8484): POST, many at once on one HTTP/2 connection. h2 does the protocol."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from resolver.errors import UpstreamBadAnswer, UpstreamError, UpstreamInsecure, UpstreamUnreachable
from resolver.upstream.connection import Connection, ConnectionOwner, Exchange
from resolver.wire.codes import HEADER, MAX_MESSAGE
from resolver.wire.query import aged, is_bare_error, padding_for, question_matches, without_edns

_MOST_STREAMS = 100  # at once, before the server says how many; and never more
_GIVEN_UP_SHARE = 4  # one in so many streams may still be answered when nobody waits for it any more
_LONGEST_QUERY = 1024  # octets, padding included: a name of 255 and little else
_LAST_STREAM_ID = 1 << 30
_TYPE = b"application/dns-message"
_MOST_UNREAD_BYTES = 1 << 16  # that have come and make no frame: a frame is of 16 KiB at most
_ID = b"\x00\x00"  # RFC 8484 section 4.1
_HTTPS_PORT = 443


class _Reply:
    """Parts of one answer that have come so far."""

    __slots__ = ("age", "body", "content_type", "status")

    def __init__(self) -> None:
        self.status = b""
        self.content_type = b""
        self.age = 0  # seconds that it has been in a cache
        self.body = bytearray()


class HttpsConnection(Connection):
    """An HTTP/2 connection; a question is a stream on it."""

    most_in_flight = _MOST_STREAMS

    def __init__(self, link: ConnectionOwner) -> None:
        super().__init__(link)
        self._http = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._http.local_settings = Settings(client=True, initial_values={SettingCodes.ENABLE_PUSH: 0})
        self._http.initiate_connection()
        self._unread_bytes = 0
        self._replies: dict[bytes, _Reply] = {}
        self._given_up: dict[bytes, None] = {}  # streams that are open and nobody waits for, the oldest first
        self._is_leaving = False  # the server takes no more
        settings = link.server.settings
        host = f"[{settings.certificate_name}]" if ":" in settings.certificate_name else settings.certificate_name
        self._head = (
            (b":method", b"POST"),
            (b":scheme", b"https"),
            (b":authority", (host if settings.port == _HTTPS_PORT else f"{host}:{settings.port}").encode()),
            (b":path", settings.path.encode()),
            (b"accept", _TYPE),
            (b"content-type", _TYPE),
        )

    @property
    def is_usable(self) -> bool:
        """Whether another question may go over it."""
        http = self._http
        return (
            not self._is_leaving
            and super().is_usable
            and min(http.outbound_flow_control_window, http.remote_settings.initial_window_size) >= _LONGEST_QUERY
            and (http.highest_outbound_stream_id or 0) < _LAST_STREAM_ID
            and http.open_outbound_streams < http.remote_settings.max_concurrent_streams
        )

    def launch(self, exchange: Exchange) -> bytes:
        """Write the question as a request on a stream of its own."""
        tail = exchange.asker.tail
        message = _ID + (tail + padding_for(tail) if exchange.asker.has_edns else without_edns(tail))
        try:
            stream_id = self._http.get_next_available_stream_id()
            self._http.send_headers(stream_id, [*self._head, (b"content-length", b"%d" % len(message))])
            self._http.send_data(stream_id, message, end_stream=True)
        except ProtocolError as error:
            self._is_leaving = True
            self.rest()
            raise UpstreamUnreachable(f"{self.link.server.name}: it accepts no query (HTTP/2: {error})") from error
        key = stream_id.to_bytes(4, "big")
        self._replies[key] = _Reply()
        self._flush()
        return key

    def take(self, key: bytes) -> Exchange | None:
        """The exchange, which is in flight no more."""
        self._replies.pop(key, None)
        return super().take(key)

    def forget(self, exchange: Exchange, *, is_answered: bool = False) -> None:
        """Its asker does not care any more; the server is told when there are many such.

        A stream is open until it is answered or cancelled, and a server takes only so many. But not every one is
        cancelled: who often cancels looks like an attacker (CVE-2023-44487), and most answers are on their way.
        """
        if self.in_flight.get(exchange.key) is exchange:
            self._given_up[exchange.key] = None
            streams = min(self._http.remote_settings.max_concurrent_streams, _MOST_STREAMS)
            while len(self._given_up) > streams // _GIVEN_UP_SHARE:
                self._cancel(next(iter(self._given_up)))
            self._flush()
        super().forget(exchange, is_answered=is_answered)

    def _cancel(self, key: bytes) -> None:
        self._given_up.pop(key, None)
        with suppress(ProtocolError):  # it has ended by now, and the event that says so is in the piece being read
            self._http.reset_stream(int.from_bytes(key, "big"), ErrorCodes.CANCEL)

    def opened(self, transport: asyncio.Transport) -> None:
        """Write what was kept. Raises UpstreamInsecure where the server speaks no HTTP/2."""
        channel = self.channel
        if channel is None or channel.selected_alpn_protocol() != "h2":
            raise UpstreamInsecure(f"{self.link.server.name}: the server does not support HTTP/2 (ALPN h2)")
        self._flush()

    def close(self) -> None:
        """Close it; nobody who still waits is told."""
        super().close()
        # Its methods are in it: a cycle, which would wait for the collector.
        self._http._frame_dispatch_table.clear()

    def _flush(self) -> None:
        if self.transport is not None:
            data = self._http.data_to_send()
            if data:
                self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Take in frames, and hand each whole answer to its asker."""
        try:
            events = self._http.receive_data(data)
            if events and isinstance(events[-1], ConnectionTerminated):
                self._is_leaving = True  # whoever is answered before it may ask again at once
            for event in events:
                self._take_in(event)
                if self.has_ended:
                    return
        except ProtocolError as error:
            self._end_nonsense(str(error) or type(error).__name__)
            return
        self._unread_bytes = 0 if events else self._unread_bytes + len(data)
        if self._unread_bytes > _MOST_UNREAD_BYTES:
            self._end_nonsense("a frame that is too long")
            return
        self._flush()
        self.rest()

    def _end_nonsense(self, what: str) -> None:
        why = f"{self.link.server.name}: its data is not HTTP/2: {what}"
        self.end(UpstreamBadAnswer(why), may_move=True)  # answers may have been in the same piece

    def _take_in(self, event: Event) -> None:
        if isinstance(event, ConnectionTerminated):
            # What it might still answer is asked elsewhere, too: h2 reads nothing behind a GOAWAY.
            why = f"{self.link.server.name}: it closed the connection (HTTP/2 {event.error_code!r})"
            self.end(UpstreamUnreachable(why), may_move=True)
            return
        if not isinstance(event, ResponseReceived | DataReceived | StreamEnded | StreamReset):
            return
        key = (event.stream_id or 0).to_bytes(4, "big")
        if isinstance(event, DataReceived) and event.flow_controlled_length:
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id or 0)
        reply = self._replies.get(key)
        if reply is None:  # nobody waits for it any more
            if isinstance(event, StreamEnded | StreamReset):
                self._given_up.pop(key, None)
            return
        if isinstance(event, ResponseReceived):
            for name, value in event.headers or ():
                if name == b":status":
                    reply.status = value
                elif name == b"content-type":
                    reply.content_type = value.partition(b";")[0].strip().lower()
                elif name == b"age" and value.isdigit():
                    reply.age = int(value[:9])
        elif isinstance(event, DataReceived):
            reply.body += event.data or b""
            if len(reply.body) > MAX_MESSAGE:
                self._cancel(key)
                self._fail(key, UpstreamBadAnswer(f"{self.link.server.name}: a response that is not a DNS message"))
        elif isinstance(event, StreamEnded):
            self._finish(key, reply)
        else:
            self._reset(key, event.error_code)

    def _finish(self, key: bytes, reply: _Reply) -> None:
        self.note_life()
        name = self.link.server.name
        if reply.status != b"200":
            status = reply.status.decode("ascii", "replace")
            self._fail(key, UpstreamBadAnswer(f"{name}: HTTP status {status}"))
            return
        message = bytes(reply.body)
        exchange = self.in_flight[key]
        if (
            reply.content_type != _TYPE
            or len(message) < HEADER
            or message[:2] != _ID
            or not (question_matches(exchange.asker.question, message) or is_bare_error(message))
        ):
            self.link.server.wrong_replies += 1
            self._fail(key, UpstreamBadAnswer(f"{name}: an answer to another question"))
            return
        self.take(key)
        # What was in a cache on the way has less time left than its TTLs say (RFC 8484 section 5.1).
        exchange.heard(self.link, aged(message, reply.age) if reply.age else message)

    def _reset(self, key: bytes, code: ErrorCodes | int | None) -> None:
        exchange = self.in_flight.get(key)
        if exchange is not None and code == ErrorCodes.REFUSED_STREAM and not exchange.has_moved:
            self._is_leaving = True  # it takes no more than it has
            self.take(key)
            self.link.move(exchange)
        else:
            self._fail(key, UpstreamUnreachable(f"{self.link.server.name}: it reset the request (HTTP/2 {code!r})"))

    def _fail(self, key: bytes, error: UpstreamError) -> None:
        exchange = self.take(key)
        if exchange is not None:
            exchange.lost(self.link, error)
