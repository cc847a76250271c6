"""Frames of HTTP/2 as octets (RFC 9113 sections 4.1 and 6), and what may be wrong with them. No I/O."""

from __future__ import annotations

import struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD: Final = 9  # octets of a frame before its payload: length, type, flags, stream
MOST_PAYLOAD: Final = 16_384  # octets that a client may send in a frame: what all begin with (section 6.5.2)
MOST_WINDOW: Final = (1 << 31) - 1
FIRST_WINDOW: Final = 65_535  # of each connection, and of a stream unless SETTINGS say otherwise

DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

ACK: Final = 0x1
END_STREAM: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
WITH_PRIORITY: Final = 0x20

ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6

NO_ERROR: Final = 0x0
PROTOCOL_ERROR: Final = 0x1
FLOW_CONTROL_ERROR: Final = 0x3
STREAM_CLOSED: Final = 0x5
FRAME_SIZE_ERROR: Final = 0x6
REFUSED_STREAM: Final = 0x7
COMPRESSION_ERROR: Final = 0x9
ENHANCE_YOUR_CALM: Final = 0xB

_HEAD_FORM: Final = struct.Struct("!HBBBI")
_SETTING: Final = struct.Struct("!HI")
_MALFORMED: Final = "http_malformed"


class Http2Violation(Exception):
    """A client that does not keep to the rules, which ends its connection; `bound` is what that is counted as.

    An error of a stream is taken for one of its connection, as section 5.4.1 allows, but for one (Http2Server): so no
    client can have us reset streams without end (CVE-2025-8671).
    """

    def __init__(self, code: int, bound: str = _MALFORMED) -> None:
        super().__init__(bound)
        self.code = code
        self.bound = bound


def frame_of(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A whole frame."""
    size = len(payload)
    return _HEAD_FORM.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def settings_frame(settings: dict[int, int]) -> bytes:
    """SETTINGS (section 6.5)."""
    return frame_of(SETTINGS, 0, 0, b"".join([_SETTING.pack(name, value) for name, value in settings.items()]))


def read_settings(payload: bytes) -> dict[int, int]:
    """The settings of a frame; of what is set twice, the last. Raises Http2Violation for values that none may have."""
    if len(payload) % 6:
        raise Http2Violation(FRAME_SIZE_ERROR)
    settings: dict[int, int] = {}
    for name, value in _SETTING.iter_unpack(payload):
        if name == ENABLE_PUSH and value > 1:
            raise Http2Violation(PROTOCOL_ERROR)
        if name == INITIAL_WINDOW_SIZE and value > MOST_WINDOW:
            raise Http2Violation(FLOW_CONTROL_ERROR)
        if name == MAX_FRAME_SIZE and not MOST_PAYLOAD <= value < 1 << 24:
            raise Http2Violation(PROTOCOL_ERROR)
        settings[name] = value
    return settings


def number_frame(kind: int, stream_id: int, number: int) -> bytes:
    """RST_STREAM with an error, or WINDOW_UPDATE with an increment."""
    return frame_of(kind, 0, stream_id, number.to_bytes(4, "big"))


def goaway_frame(last_stream: int, error: int) -> bytes:
    """GOAWAY (section 6.8)."""
    return frame_of(GOAWAY, 0, 0, last_stream.to_bytes(4, "big") + error.to_bytes(4, "big"))


def response_frames(stream_id: int, block: bytes, body: bytes, *, with_body: bool) -> bytes:
    """HEADERS with a block, and DATA that ends the stream, or HEADERS that does. Both fit into a frame."""
    size = len(block)
    if not with_body:
        return _HEAD_FORM.pack(size >> 8, size & 0xFF, HEADERS, END_HEADERS | END_STREAM, stream_id) + block
    of_data = len(body)
    return b"".join(
        [
            _HEAD_FORM.pack(size >> 8, size & 0xFF, HEADERS, END_HEADERS, stream_id),
            block,
            _HEAD_FORM.pack(of_data >> 8, of_data & 0xFF, DATA, END_STREAM, stream_id),
            body,
        ]
    )


def unpadded(payload: bytes, flags: int) -> bytes:
    """A payload without its padding (section 6.1). Raises Http2Violation where it is nothing but more of that."""
    if not flags & PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Http2Violation(PROTOCOL_ERROR if payload else FRAME_SIZE_ERROR)
    return payload[1 : len(payload) - payload[0]]


def check_of_connection(stream_id: int, *, is_right_size: bool) -> None:
    """Raise Http2Violation for a frame of the whole connection that names a stream, or has another size."""
    if stream_id:
        raise Http2Violation(PROTOCOL_ERROR)
    if not is_right_size:
        raise Http2Violation(FRAME_SIZE_ERROR)


def check_priority(stream_id: int, priority: bytes) -> None:
    """Raise Http2Violation for a priority of another size, or that makes a stream depend on itself. It is not used."""
    if len(priority) != 5:
        raise Http2Violation(FRAME_SIZE_ERROR)
    if int.from_bytes(priority[:4], "big") & MOST_WINDOW == stream_id:
        raise Http2Violation(PROTOCOL_ERROR)
