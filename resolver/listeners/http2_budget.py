"""Bounds for what HTTP/2 lets a client send that asks for nothing (CVE-2023-44487, CVE-2024-27316 and their kin)."""

from __future__ import annotations

from typing import Final

from resolver.listeners.http2_frames import ENHANCE_YOUR_CALM, Http2Violation

_MOST_PIECES: Final = 32  # of a header block; one of the most octets comes in six, of the size that all may send
_CONTROL_FRAMES: Final = 500  # before a client is taken for a flooder
_CONTROL_FRAMES_A_REQUEST: Final = 20  # that an answer gives back of them


class FrameBudget:
    """Budget of one client: each frame is taken off before it is worked on, and what is too much is Http2Violation."""

    def __init__(self, *, resets: int, header_bytes: int, control_frames: int = _CONTROL_FRAMES) -> None:
        self._most_resets = self._resets = resets
        self._most_control = self._control = control_frames
        self._most_header_bytes = header_bytes
        self._header_bytes = 0  # of a header block that is not complete
        self._pieces = 0  # that it has come in

    def answered(self) -> None:
        """A request was answered to its end: its client may take one more back, and needs some frames for it."""
        if self._resets < self._most_resets:
            self._resets += 1
        self._control = min(self._control + _CONTROL_FRAMES_A_REQUEST, self._most_control)

    def piece(self, octets: int, *, is_last: bool) -> None:
        """A piece of a header block. An empty one counts, too: it is work."""
        self._header_bytes += max(octets, 1)
        self._pieces += 1
        if self._header_bytes > self._most_header_bytes or self._pieces > _MOST_PIECES:
            raise flood()
        if is_last:
            self._header_bytes = self._pieces = 0

    def reset(self) -> None:
        """A request that is taken back."""
        self._resets -= 1
        if self._resets < 0:
            raise Http2Violation(ENHANCE_YOUR_CALM, "http_resets_per_connection")

    def control(self) -> None:
        """A frame that belongs to no request, or that adds nothing to it."""
        self._control -= 1
        if self._control < 0:
            raise flood()


def flood() -> Http2Violation:
    """The end of a client that sends what nobody needs."""
    return Http2Violation(ENHANCE_YOUR_CALM, "http_flood")
