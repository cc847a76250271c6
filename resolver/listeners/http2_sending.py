"""Octets for a client of HTTP/2: responses as its windows let them through (RFC 9113 section 5.2). No I/O."""

from __future__ import annotations

from typing import Final

from resolver.listeners import http2_frames as frames
from resolver.listeners.doh import HttpResponse
from resolver.listeners.http2_frames import Http2Violation
from resolver.listeners.http2_hpack import NO_TABLE, block_of
from resolver.listeners.http2_streams import Http2Stream, Http2Streams

_HEAD: Final = "HEAD"


class Http2Sender:
    """Frames for one client.

    `unsent`: responses of which something is left, `unsent_octets` in all; `let_through`: of which nothing is now.
    """

    def __init__(self, streams: Http2Streams) -> None:
        self.unsent = 0
        self.unsent_octets = 0
        self.let_through = 0
        self.stream_window = frames.FIRST_WINDOW  # of each new stream
        self._streams = streams
        self._window = frames.FIRST_WINDOW  # the client's, of the connection
        self._most_payload = frames.MOST_PAYLOAD
        self._has_answered = False
        self.has_said_goodbye = False  # what the client begins now is not answered
        self._last_told = frames.MOST_WINDOW  # by our last GOAWAY: the last stream that may be answered
        self._out: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Say something."""
        self._out.append(data)

    def to_send(self) -> list[bytes]:
        """All that was said since the last call, in pieces: each response is one."""
        out = self._out
        if out:
            self._out = []
        return out

    def announce_end(self) -> None:
        """Write the first GOAWAY (section 6.8): what the client asks until it knows is answered all the same."""
        self.write(frames.goaway_frame(frames.MOST_WINDOW, frames.NO_ERROR))

    def goodbye(self, code: int) -> None:
        """Write GOAWAY with the last stream that counts; one without an error, once."""
        if self.has_said_goodbye and code == frames.NO_ERROR:
            return
        self.has_said_goodbye = True
        self._last_told = min(self._last_told, self._streams.last)  # it never grows
        self.write(frames.goaway_frame(self._last_told, code))

    def respond(self, stream: Http2Stream, response: HttpResponse) -> None:
        """Answer a request, as far as the client's windows let it through."""
        block = block_of(response)
        if not self._has_answered:
            self._has_answered = True
            block = NO_TABLE + block
        body = response.body
        octets = len(body)
        if not octets or stream.head.head.method == _HEAD:
            self._out.append(frames.response_frames(stream.stream_id, block, b"", with_body=False))
            self.end(stream)
        elif octets <= min(self._window, stream.window, self._most_payload):
            self._window -= octets
            self._out.append(frames.response_frames(stream.stream_id, block, body, with_body=True))
            self.end(stream)
        else:
            self._out.append(frames.frame_of(frames.HEADERS, frames.END_HEADERS, stream.stream_id, block))
            stream.unsent = body
            self.unsent += 1
            self.unsent_octets += octets
            self._send_on(stream)

    def end(self, stream: Http2Stream) -> None:
        """Forget a stream: nothing more is sent on it."""
        stream.is_over = True
        self._streams.open.pop(stream.stream_id, None)
        if stream.unsent:
            self.unsent_octets -= len(stream.unsent)
            stream.unsent = b""
            self.unsent -= 1
            self.let_through += 1

    def end_all(self) -> None:
        """Forget all streams."""
        for stream in list(self._streams.open.values()):
            self.end(stream)
        self._out.clear()

    def on_window(self, stream_id: int, payload: bytes) -> Http2Stream | None:
        """WINDOW_UPDATE (section 6.9); gives the stream whose window would be too large. Raises Http2Violation."""
        if len(payload) != 4:
            raise Http2Violation(frames.FRAME_SIZE_ERROR)
        increment = int.from_bytes(payload, "big") & frames.MOST_WINDOW
        if not increment:
            raise Http2Violation(frames.PROTOCOL_ERROR)
        if not stream_id:
            self._window = _opened(self._window, increment)
            self._send_all()
            return None
        self._streams.check_begun(stream_id)
        stream = self._streams.open.get(stream_id)
        if stream is None:
            return None
        if stream.window + increment > frames.MOST_WINDOW:
            return stream
        stream.window += increment
        if stream.unsent:
            self._send_on(stream)
        return None

    def on_settings(self, payload: bytes) -> None:
        """SETTINGS (section 6.5). Raises Http2Violation."""
        settings = frames.read_settings(payload)
        self._most_payload = settings.get(frames.MAX_FRAME_SIZE, self._most_payload)
        window = settings.get(frames.INITIAL_WINDOW_SIZE, self.stream_window)
        change = window - self.stream_window
        self.stream_window = window
        for stream in self._streams.open.values():
            stream.window = _opened(stream.window, change)
        self._out.append(frames.frame_of(frames.SETTINGS, frames.ACK, 0, b""))
        self._send_all()

    def _send_all(self) -> None:
        if self.unsent:
            for stream in list(self._streams.open.values()):
                if stream.unsent:
                    self._send_on(stream)

    def _send_on(self, stream: Http2Stream) -> None:
        body = stream.unsent
        at, size = 0, len(body)
        while at < size:
            room = min(self._window, stream.window, self._most_payload, size - at)
            if room <= 0:
                stream.unsent = body[at:]
                self.unsent_octets -= at
                return
            end = at + room
            flags = frames.END_STREAM if end == size else 0
            self._out.append(frames.frame_of(frames.DATA, flags, stream.stream_id, body[at:end]))
            self._window -= room
            stream.window -= room
            at = end
        self.end(stream)


def _opened(window: int, by: int) -> int:
    """A window that is larger, or by settings smaller. Raises Http2Violation where it is too large (section 6.9.1)."""
    if window + by > frames.MOST_WINDOW:
        raise Http2Violation(frames.FLOW_CONTROL_ERROR)
    return window + by
