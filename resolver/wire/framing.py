"""Messages in a byte stream: two octets of length, then the message (RFC 1035 section 4.2.2). No I/O."""

from __future__ import annotations

_LENGTH = 2  # octets of the length field


def frame(message: bytes) -> bytes:
    """`message` as it goes into a stream, length and message in one piece (RFC 7766 section 8).

    Raises OverflowError above 65,535 octets: no DNS message is longer.
    """
    return len(message).to_bytes(_LENGTH, "big") + message


class Deframer:
    """Cuts what a stream brings into messages.

    Between calls it holds less than one frame, so at most 65,536 octets. An empty message comes out as ``b""``; what
    to think of it is the caller's affair.
    """

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = b""

    @property
    def pending_bytes(self) -> int:
        """Octets of a frame that is not complete yet."""
        return len(self._pending)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that `data` completes, in order."""
        stream = self._pending + data if self._pending else data
        messages = []
        at = 0
        while at + _LENGTH <= len(stream):
            end = at + _LENGTH + (stream[at] << 8 | stream[at + 1])
            if end > len(stream):
                break
            messages.append(stream[at + _LENGTH : end])
            at = end
        self._pending = stream[at:]
        return messages
