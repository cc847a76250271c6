"""DoH over HTTP/2 (RFC 9113): a request a stream, answered as they finish; what a client may cost is bounded."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from hyperframe.frame import GoAwayFrame

from resolver.config.settings import Limits
from resolver.listeners.doh import Asked, Response, answer, not_a_query, read_head, too_large
from resolver.listeners.http2_frames import FrameGuard, TooMuch
from resolver.listeners.session import Link
from resolver.pipeline import Transport
from resolver.wire.codes import MAX_MESSAGE

_CONFIG = h2.config.H2Configuration(client_side=False, header_encoding=False)
_MOST_DISCARDED_BYTES = 1 << 20
_Codes = h2.settings.SettingCodes


class _Connection(h2.connection.H2Connection):
    MAX_CLOSED_STREAMS = 1_000  # that are remembered; the library's 65,536 would be megabytes a client


@dataclass(slots=True)
class _Stream:
    """A request. `began` is when its head came, in monotonic seconds."""

    asked: Asked | Response | None  # what its head asks for, or is answered; None once it is complete
    began: float
    body: bytes = b""


class Http2:
    """The session of HTTP/2."""

    def __init__(self, link: Link, limits: Limits) -> None:
        self._link = link
        self._limits = limits
        self._guard = FrameGuard(
            resets=limits.http2_resets,
            control_frames=limits.http2_control_frames,
            header_bytes=limits.http_header_bytes,
        )
        self._streams: dict[int, _Stream] = {}  # those that are not answered yet, the oldest first
        self._unsent: dict[int, bytes] = {}  # bodies for which the client has opened no window
        self._discarded = 0  # octets of bodies that came after their requests were answered
        self._within_since = 0.0  # when the frame that is coming in began to
        self._last_stream: int | None = None  # the last that is taken up, once we have said so
        self._http = _Connection(_CONFIG)
        self._http.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                _Codes.MAX_CONCURRENT_STREAMS: limits.http2_streams,
                _Codes.MAX_HEADER_LIST_SIZE: limits.http_header_bytes,
            },
        )
        self._http.decoder.max_header_list_size = limits.http_header_bytes
        self._http.initiate_connection()
        self._send()

    @property
    def waiting_bytes(self) -> int:
        """Octets of answers that the client has opened no window for."""
        return sum(map(len, self._unsent.values()))

    def received(self, data: bytes) -> None:
        """Take octets; answer what is complete."""
        try:
            if self._guard.take(data) or not self._within_since:
                self._within_since = self._link.now()
            events = self._http.receive_data(data)
        except TooMuch as error:
            self._calm(error.bound)
            return
        except h2.exceptions.DenialOfServiceError:
            self._link.count("http_header_bytes")
            self._end()
            return
        except h2.exceptions.ProtocolError:
            self._link.count("http_malformed")
            self._end()
            return
        # What a client has taken back by now, h2 takes for closed already: there is nothing to be answered.
        reset = {event.stream_id for event in events if isinstance(event, h2.events.StreamReset)}
        for stream_id in reset:
            self._streams.pop(stream_id, None)
            self._unsent.pop(stream_id, None)
        if any(isinstance(event, h2.events.ConnectionTerminated) for event in events):
            self._end()
            return
        for event in events:
            if getattr(event, "stream_id", None) not in reset:
                self._take(event)
            if self._link.is_closing:
                return
        self._send()
        self._note_partial()
        self._close_if_done()

    def ended(self) -> None:
        """The client sends no more: what it has asked is still answered."""
        self.finish()
        for stream_id in [one for one, stream in self._streams.items() if stream.asked is not None]:
            del self._streams[stream_id]
        self._close_if_done()

    def landed(self) -> None:
        """An answer has been given."""
        self._close_if_done()

    def finish(self) -> None:
        """Tell which stream is the last that we take up: a client asks all others again elsewhere (section 6.8)."""
        self._link.is_finishing = True
        if self._last_stream is None:
            self._last_stream = self._http.highest_inbound_stream_id
            # By hand: h2 would take the connection for closed, and send no more answers.
            self._link.write(GoAwayFrame(0, last_stream_id=self._last_stream).serialize())
        self._close_if_done()

    def overdue(self, now: float) -> None:
        """Give up requests that do not come to their ends."""
        self._link.count("tcp_query_seconds")
        if self._guard.is_within_frame and now - self._within_since >= self._limits.tcp_query_seconds:
            self._end()
            return
        for stream_id, stream in tuple(self._streams.items()):
            if stream.asked is not None and now - stream.began >= self._limits.tcp_query_seconds:
                self._reset(stream_id, h2.errors.ErrorCodes.CANCEL)
        self._send()
        self._note_partial()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._take_head(event)
        elif isinstance(event, h2.events.DataReceived):
            self._take_body(event)
        elif isinstance(event, h2.events.StreamEnded):
            self._take_end(event.stream_id)
        elif isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            for stream_id in tuple(self._unsent):
                self._send_body(stream_id)

    def _take_head(self, event: h2.events.RequestReceived) -> None:
        stream_id = event.stream_id
        if self._last_stream is not None and stream_id > self._last_stream:
            self._reset(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        if self._link.in_flight >= self._limits.tcp_queries_per_connection:  # those that were taken back count, too
            self._link.count("tcp_queries_per_connection")
            self._reset(stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        headers = [(bytes(name), bytes(value)) for name, value in event.headers]
        pseudo = dict(headers[:5])
        asked = read_head(pseudo.get(b":method", b""), pseudo.get(b":path", b""), headers)
        self._streams[stream_id] = _Stream(asked, self._link.now())
        if isinstance(asked, Response) and asked.status == 413:
            self._respond(stream_id, asked)

    def _take_body(self, event: h2.events.DataReceived) -> None:
        self._http.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        stream = self._streams.get(event.stream_id)
        if stream is None or stream.asked is None:
            self._discarded += event.flow_controlled_length or 0
            if self._discarded > _MOST_DISCARDED_BYTES:
                self._calm("http_body")
            return
        stream.body += bytes(event.data or b"")
        if len(stream.body) > MAX_MESSAGE:
            self._respond(event.stream_id, too_large())  # the rest is taken and thrown away: not all bear a reset

    def _take_end(self, stream_id: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is None or stream.asked is None:
            return
        asked, stream.asked = stream.asked, None
        if isinstance(asked, Response):
            self._respond(stream_id, asked)
            return
        query = stream.body if asked.query is None else asked.query
        stream.body = b""
        reply = functools.partial(self._reply, stream_id)
        if not self._link.ask(query, Transport.HTTPS, reply, asked.name, asked.forwarded_for):
            self._respond(stream_id, not_a_query())

    def _reply(self, stream_id: int, message: bytes) -> None:
        if stream_id in self._streams:  # else the client has taken it back
            self._respond(stream_id, answer(message))
            self._send()

    def _respond(self, stream_id: int, response: Response) -> None:
        headers = [(b":status", b"%d" % response.status), *response.headers]
        self._http.send_headers(stream_id, headers)
        self._unsent[stream_id] = response.body
        self._send_body(stream_id)
        if self.waiting_bytes > self._limits.tcp_write_buffer_bytes:
            self._link.drop("tcp_write_buffer_bytes")

    def _send_body(self, stream_id: int) -> None:
        """Send as much of an answer as the client has room for."""
        body = self._unsent[stream_id]
        while True:
            room = min(self._http.local_flow_control_window(stream_id), self._http.max_outbound_frame_size)
            piece, rest = (body, b"") if len(body) <= room else (body[: max(room, 0)], body[max(room, 0) :])
            if rest and not piece:
                self._unsent[stream_id] = body
                return
            self._http.send_data(stream_id, piece, end_stream=not rest)
            body = rest
            if not rest:
                break
        del self._unsent[stream_id]
        self._streams.pop(stream_id, None)
        self._guard.answered()

    def _reset(self, stream_id: int, why: h2.errors.ErrorCodes) -> None:
        self._streams.pop(stream_id, None)
        self._unsent.pop(stream_id, None)
        self._http.reset_stream(stream_id, why)

    def _note_partial(self) -> None:
        began = next((stream.began for stream in self._streams.values() if stream.asked is not None), None)
        if self._guard.is_within_frame:
            began = self._within_since if began is None else min(began, self._within_since)
        self._link.partial_since = began

    def _calm(self, bound: str) -> None:
        """End the connection of a client that asks for nothing, at our cost."""
        self._link.count(bound)
        self._http.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
        self._end()

    def _end(self) -> None:
        self._send()
        self._link.close()

    def _send(self) -> None:
        data = self._http.data_to_send()
        if data:
            self._link.write(data)

    def _close_if_done(self) -> None:
        if self._link.is_finishing and not (self._streams or self._unsent or self._link.is_closing):
            self._link.close()
