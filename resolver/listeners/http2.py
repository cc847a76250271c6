"""HTTP/2 of a connection, by h2: many requests at once, within bounds that stop floods of frames.

What a client may have open is bounded by settings that h2 enforces; what of a body is on its way, by the connection's
window, which is opened again only when a request is whole.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any, Final

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings

from resolver.listeners.application import Application
from resolver.listeners.connection import ClientConnection
from resolver.listeners.doh import (
    MOST_HEADER_BYTES,
    MOST_TARGET,
    HttpExchange,
    HttpResponse,
    Refused,
    Request,
    gathered,
)
from resolver.listeners.http2_frames import FrameGuard, TooMuch
from resolver.wire.codes import MAX_MESSAGE

_CONFIG = h2.config.H2Configuration(client_side=False, header_encoding="latin-1")
_MOST_HEAD_BYTES = 96 << 10  # of a request that is read at all, so that a GET of any query is told that it is too long
_CALM = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM


class _Stream:
    """One request, as far as it has come."""

    __slots__ = ("body", "headers", "octets")

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers
        self.body = bytearray()
        self.octets = 0  # of the connection's window that it holds


class Http2(Application):
    """HTTP/2 on a connection, where client and server agree on h2."""

    def __init__(self, connection: ClientConnection, exchange: HttpExchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._http = _new(connection.listener.limits.http_streams_per_connection)
        resets = connection.listener.limits.http_resets_per_connection
        self._guard = FrameGuard(resets=resets, header_bytes=_MOST_HEAD_BYTES)
        self._streams: dict[int, _Stream] = {}
        self._unsent: dict[int, bytes] = {}  # of answers, by stream: what the client's windows do not let through yet
        self._waiting = 0  # requests that are being answered
        self._is_over = False
        self._http.initiate_connection()
        # Beside the 65,535 octets that each connection begins with.
        self._http.increment_flow_control_window(MAX_MESSAGE)
        self._flush()

    @property
    def is_busy(self) -> bool:
        """Whether the client waits for an answer."""
        return bool(self._waiting or self._unsent)

    def received(self, data: bytes) -> None:
        """Take in what the client says."""
        if self._is_over:
            return
        try:
            self._guard.take(data)
            events = self._http.receive_data(data)
            # What the client has taken back by now is not begun.
            taken_back = {event.stream_id for event in events if isinstance(event, h2.events.StreamReset)}
            for event in events:
                if isinstance(event, _BEGINNINGS) and event.stream_id in taken_back:
                    continue
                handler = _HANDLERS.get(type(event))
                if handler is not None:
                    handler(self, event)
        except TooMuch as error:
            self._end(error.bound, _CALM)
            return
        except h2.exceptions.DenialOfServiceError:
            self._end("http_flood")
            return
        except h2.exceptions.TooManyStreamsError:
            self._end("http_streams_per_connection")
            return
        except h2.exceptions.ProtocolError:
            self._end("http_malformed")  # h2 has written the GOAWAY that says so
            return
        self._flush()
        self._close_if_done()

    def ended(self) -> None:
        """Answer what is in flight, and close."""
        self.is_finishing = True
        self._close_if_done()

    def lost(self) -> None:
        """There is nobody to answer any more."""
        self._is_over = True
        self._streams.clear()
        self._unsent.clear()
        self._http.let_go()

    # What the client says

    def _on_request(self, event: h2.events.RequestReceived) -> None:
        if self.is_finishing and self.is_busy:
            self._reset(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)  # it may ask elsewhere
            return
        headers = gathered((str(name), str(value)) for name, value in event.headers)
        self._streams[event.stream_id] = _Stream(headers)

    def _on_data(self, event: h2.events.DataReceived) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:  # refused, or answered already
            self._http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            return
        stream.octets += event.flow_controlled_length
        stream.body += event.data
        if len(stream.body) > MAX_MESSAGE:
            self._let_go(event.stream_id)
            self._waiting += 1
            refused = Refused(413, f"a query has at most {MAX_MESSAGE} octets")
            self._replied(event.stream_id, refused.response)
            self._reset(event.stream_id, h2.errors.ErrorCodes.NO_ERROR)  # no need to send the rest

    def _on_end(self, event: h2.events.StreamEnded) -> None:
        stream = self._streams.get(event.stream_id)
        if stream is None:
            return
        self._let_go(event.stream_id)
        headers = stream.headers
        request = Request(headers.get(":method", ""), headers.get(":path", ""), headers, bytes(stream.body))
        self._waiting += 1
        is_head = request.method == "HEAD"
        self._exchange.answer(request, functools.partial(self._replied, event.stream_id, is_head=is_head))

    def _on_reset(self, event: h2.events.StreamReset) -> None:
        self._let_go(event.stream_id)
        self._forget(event.stream_id)

    def _on_window(self, event: h2.events.WindowUpdated) -> None:
        for stream_id in [event.stream_id] if event.stream_id else list(self._unsent):
            if stream_id in self._unsent:
                self._send_body(stream_id)

    def _on_settings(self, _: h2.events.RemoteSettingsChanged) -> None:
        for stream_id in list(self._unsent):  # a larger window may be among them
            self._send_body(stream_id)

    def _on_end_of_connection(self, _: h2.events.ConnectionTerminated) -> None:
        self.is_finishing = True

    def _let_go(self, stream_id: int) -> None:
        """Forget a request, and open the connection's window for what it held of it."""
        stream = self._streams.pop(stream_id, None)
        if stream is not None and stream.octets:
            self._http.acknowledge_received_data(stream.octets, stream_id)

    # What we say

    def _replied(self, stream_id: int, response: HttpResponse, *, is_head: bool = False) -> None:
        self._waiting -= 1
        if self._is_over or not self._connection.is_open:
            return
        try:
            headers = [
                (":status", str(response.status)),
                *response.headers,
                ("content-length", str(len(response.body))),
            ]
            body = b"" if is_head else response.body
            self._http.send_headers(stream_id, headers, end_stream=not body)
        except h2.exceptions.ProtocolError:
            pass  # the client took the request back meanwhile
        else:
            self._guard.answered()
            if body:
                self._unsent[stream_id] = body
                self._send_body(stream_id)
        self._flush()
        self._close_if_done()

    def _send_body(self, stream_id: int) -> None:
        """Send of an answer what the client's windows let through."""
        http, body = self._http, self._unsent[stream_id]
        try:
            while (room := min(http.local_flow_control_window(stream_id), http.max_outbound_frame_size)) > 0:
                chunk, body = body[:room], body[room:]
                http.send_data(stream_id, chunk, end_stream=not body)
                if not body:
                    self._forget(stream_id)
                    return
        except h2.exceptions.ProtocolError:  # the client took the request back; its frames are read before events come
            self._forget(stream_id)
            return
        self._unsent[stream_id] = body
        if self.stalled_since is None:
            self.stalled_since = self._connection.listener.loop.time()

    def _forget(self, stream_id: int) -> None:
        """Send no more of an answer: it is out, or nobody wants it."""
        if self._unsent.pop(stream_id, None) is not None:
            self.stalled_since = self._connection.listener.loop.time() if self._unsent else None

    def _reset(self, stream_id: int, error: h2.errors.ErrorCodes) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):  # the client has done so already
            self._http.reset_stream(stream_id, error)

    def _flush(self) -> None:
        data = self._http.data_to_send()
        if data:
            self._connection.send(data)

    def _end(self, why: str, error: h2.errors.ErrorCodes | None = None) -> None:
        """Say goodbye to a client that does not keep to the rules."""
        self._connection.listener.counters.dropped[why] += 1
        self._is_over = True
        if error is not None:
            self._http.close_connection(error)
        self._flush()
        self._connection.close_later()

    def _close_if_done(self) -> None:
        if self.is_finishing and not self.is_busy and not self._is_over:
            self._is_over = True
            with contextlib.suppress(h2.exceptions.ProtocolError):  # the client has said goodbye before
                self._http.close_connection()
            self._flush()
            self._connection.close()


class _H2Connection(h2.connection.H2Connection):
    MAX_CLOSED_STREAMS = 1_000  # that are remembered; the library's 65,536 are seven MiB a client

    def let_go(self) -> None:
        """Take in no more frames: the table of what takes them makes a cycle, which reference counts do not free."""
        self._frame_dispatch_table.clear()


def _new(streams: int) -> _H2Connection:
    http = _H2Connection(_CONFIG)
    codes = h2.settings.SettingCodes
    bounds = {
        codes.MAX_CONCURRENT_STREAMS: streams,
        codes.MAX_HEADER_LIST_SIZE: MOST_TARGET + MOST_HEADER_BYTES,
        codes.INITIAL_WINDOW_SIZE: MAX_MESSAGE + 1,  # so that one octet too many can be seen
    }
    http.local_settings = h2.settings.Settings(client=False, initial_values=bounds)
    http.decoder.max_header_list_size = _MOST_HEAD_BYTES
    return http


_BEGINNINGS = (h2.events.RequestReceived, h2.events.StreamEnded)
_HANDLERS: Final[dict[type[Any], Callable[[Http2, Any], None]]] = {
    h2.events.RequestReceived: Http2._on_request,
    h2.events.DataReceived: Http2._on_data,
    h2.events.StreamEnded: Http2._on_end,
    h2.events.StreamReset: Http2._on_reset,
    h2.events.WindowUpdated: Http2._on_window,
    h2.events.RemoteSettingsChanged: Http2._on_settings,
    h2.events.ConnectionTerminated: Http2._on_end_of_connection,
}
"""Handlers of h2's events; all others are frames that no request needs."""
