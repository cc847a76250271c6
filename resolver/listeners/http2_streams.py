"""Streams of a connection over HTTP/2 (RFC 9113 section 5.1): those that are open, and how others came to their end."""

from __future__ import annotations

from collections import deque
from typing import Final

from resolver.listeners.http2_fields import Http2Head
from resolver.listeners.http2_frames import PROTOCOL_ERROR, STREAM_CLOSED, Http2Violation

_MOST_ENDED_BY_US: Final = 100  # that are remembered: what was on its way to them is no error
_MOST_GAPS: Final = 16  # likewise; no client leaves any


class Http2Stream:
    """A request, as far as it has come, and its response, as far as it is on its way."""

    def __init__(self, stream_id: int, head: Http2Head, path: str, window: int) -> None:
        self.stream_id = stream_id
        self.head = head
        self.path = path
        self.pieces: list[bytes] = []  # of the body
        self.body_octets = 0
        self.octets = 0  # of the connection's window that it holds
        self.is_whole = False
        self.is_over = False  # answered to its end, or taken back
        self.window = window  # octets that the client still takes
        self.unsent = b""  # of the response: what the client's windows do not let through yet

    def body(self) -> bytes:
        """The body of a whole request."""
        pieces = self.pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Http2Streams:
    """All streams of a connection. Only clients open any: they have odd numbers, each greater than those before."""

    def __init__(self) -> None:
        self.open: dict[int, Http2Stream] = {}
        self.last = 0  # the greatest number so far
        self._ended_by_us: dict[int, None] = {}  # while the client may not know
        self._gaps: deque[tuple[int, int]] = deque(maxlen=_MOST_GAPS)  # first and last number that was left out

    def begin(self, stream_id: int) -> None:
        """See that a stream may begin. Raises Http2Violation (section 5.1.1)."""
        if not stream_id & 1:
            raise Http2Violation(PROTOCOL_ERROR)
        if stream_id <= self.last:
            was_left_out = any(first <= stream_id <= last for first, last in self._gaps)
            raise Http2Violation(PROTOCOL_ERROR if was_left_out else STREAM_CLOSED)
        if stream_id > self.last + 2:
            self._gaps.append((self.last + 1, stream_id - 1))
        self.last = stream_id

    def check_begun(self, stream_id: int) -> None:
        """Raise Http2Violation for a stream that is idle."""
        if stream_id > self.last or not stream_id & 1:
            raise Http2Violation(PROTOCOL_ERROR)

    def end_by_us(self, stream_id: int) -> None:
        """Remember that the client may still send on it."""
        if len(self._ended_by_us) >= _MOST_ENDED_BY_US:
            del self._ended_by_us[next(iter(self._ended_by_us))]
        self._ended_by_us[stream_id] = None

    def may_still_send(self, stream_id: int, *, is_last: bool) -> bool:
        """Whether the client did not know of the end when it sent this, perhaps the last of it."""
        if stream_id not in self._ended_by_us:
            return False
        if is_last:
            del self._ended_by_us[stream_id]
        return True
