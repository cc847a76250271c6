"""Bounds for what HTTP/2 lets a client send that asks for nothing (CVE-2023-44487, CVE-2024-27316 and their kin).

The frames are counted as they come, by their heads alone (RFC 9113 section 4.1), before anybody works on them.
"""

from __future__ import annotations

from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_HEAD = 9  # octets: length, type, flags, stream
_DATA, _HEADERS, _RST_STREAM, _CONTINUATION = 0x0, 0x1, 0x3, 0x9
_END_STREAM, _END_HEADERS = 0x1, 0x4
_MOST_PIECES = 32  # of a header block; one of the most octets comes in six, of the size that all may send
_CONTROL_FRAMES = 500  # before a client is taken for a flooder
_CONTROL_FRAMES_A_REQUEST = 20  # that an answer gives back of them


class TooMuch(Exception):
    """A client goes beyond a bound; `bound` is what that is counted as."""

    def __init__(self, bound: str) -> None:
        super().__init__(bound)
        self.bound = bound


class FrameGuard:
    """The frames of one client."""

    def __init__(self, *, resets: int, header_bytes: int, control_frames: int = _CONTROL_FRAMES) -> None:
        self._most_resets, self._resets = resets, resets
        self._most_control, self._control = control_frames, control_frames
        self._most_header_bytes = header_bytes
        self._header_bytes = 0  # of a header block that is not complete
        self._pieces = 0  # that it has come in
        self._head = b""  # of a frame, as far as it has come
        self._skip = len(PREFACE)  # octets until the next head

    def answered(self) -> None:
        """A request was answered to its end: its client may take one more back, and needs some frames for it."""
        self._resets = min(self._resets + 1, self._most_resets)
        self._control = min(self._control + _CONTROL_FRAMES_A_REQUEST, self._most_control)

    def take(self, data: bytes) -> None:
        """Count what has come. Raises TooMuch."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            wanted = _HEAD - len(self._head)
            self._head += data[at : at + wanted]
            at += wanted
            if len(self._head) == _HEAD:
                head, self._head = self._head, b""
                self._skip = int.from_bytes(head[:3], "big")
                self._count(head[3], head[4], self._skip)

    def _count(self, kind: int, flags: int, length: int) -> None:
        if kind in (_HEADERS, _CONTINUATION):
            # An empty piece counts, too: it is work.
            self._header_bytes += max(length, 1)
            self._pieces += 1
            if self._header_bytes > self._most_header_bytes or self._pieces > _MOST_PIECES:
                raise TooMuch("http_flood")
            if flags & _END_HEADERS:
                self._header_bytes = self._pieces = 0
        elif kind == _RST_STREAM:
            self._resets -= 1
            if self._resets < 0:
                raise TooMuch("http_resets_per_connection")
        elif kind != _DATA or (not length and not flags & _END_STREAM):
            self._control -= 1
            if self._control < 0:
                raise TooMuch("http_flood")
