"""Frames of HTTP/2 by other libraries than ours, right and wrong: what a client may say, and what it was told."""

from __future__ import annotations

from dataclasses import dataclass, field

import hpack
import hyperframe.frame as frames

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
REQUEST = {":method": "POST", ":scheme": "https", ":authority": "x", ":path": "/dns-query"}
AS_QUERY = {**REQUEST, "content-type": "application/dns-message"}


def raw(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of any kind, whatever is right for it."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(values: dict[int, int] | None = None) -> bytes:
    """SETTINGS."""
    return bytes(frames.SettingsFrame(0, values or {}).serialize())


HELLO = PREFACE + settings()


def block(fields: dict[str, str] | list[tuple[str, str]]) -> bytes:
    """A header block that needs no table, and changes none."""
    pairs = list(fields.items()) if isinstance(fields, dict) else fields
    never = [hpack.NeverIndexedHeaderTuple(name, value) for name, value in pairs]
    return bytes(hpack.Encoder().encode(never))


def headers(stream: int, fields: dict[str, str] | list[tuple[str, str]] | bytes, *flags: str) -> bytes:
    """HEADERS with a whole block, or octets instead of one."""
    octets = fields if isinstance(fields, bytes) else block(fields)
    return bytes(frames.HeadersFrame(stream, octets, flags=["END_HEADERS", *flags]).serialize())


def data(stream: int, octets: bytes, *flags: str) -> bytes:
    """DATA."""
    return bytes(frames.DataFrame(stream, octets, flags=flags).serialize())


def post(stream: int, body: bytes) -> bytes:
    """A whole request that carries a query, in frames that are not too large."""
    *others, last = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
    return headers(stream, AS_QUERY) + b"".join(data(stream, one) for one in others) + data(stream, last, "END_STREAM")


@dataclass(slots=True)
class Told:
    """Words of a server: all that it said on a connection."""

    settings: list[dict[int, int]] = field(default_factory=list)  # all but those that acknowledge
    acknowledged: int = 0
    pongs: list[bytes] = field(default_factory=list)
    statuses: dict[int, str] = field(default_factory=dict)
    fields: dict[int, dict[str, str]] = field(default_factory=dict)
    bodies: dict[int, bytes] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)  # of DATA
    whole: set[int] = field(default_factory=set)
    resets: dict[int, int] = field(default_factory=dict)
    goodbye: int | None = None  # the error of GOAWAY
    last_stream: int = -1  # that it names
    goodbyes: list[int] = field(default_factory=list)  # the last streams of all of them
    opened: int = 0  # octets by which the connection's window was


def told(octets: bytes) -> Told:
    """Read what a server said, from its first octet."""
    found, decoder = Told(), hpack.Decoder()
    rest = memoryview(octets)
    while rest:
        frame, length = frames.Frame.parse_frame_header(rest[:9])
        frame.parse_body(rest[9 : 9 + length])
        rest = rest[9 + length :]
        _note(frame, found, decoder)
    return found


def _note(frame: frames.Frame, found: Told, decoder: hpack.Decoder) -> None:
    match frame:
        case frames.SettingsFrame():
            if "ACK" in frame.flags:
                found.acknowledged += 1
            else:
                found.settings.append(dict(frame.settings))
        case frames.PingFrame():
            assert "ACK" in frame.flags
            found.pongs.append(frame.opaque_data)
        case frames.HeadersFrame():
            fields = {str(name): str(value) for name, value in decoder.decode(frame.data)}
            assert frame.stream_id not in found.fields
            found.statuses[frame.stream_id] = fields.pop(":status")
            found.fields[frame.stream_id] = fields
        case frames.DataFrame():
            found.sizes.append(len(frame.data))
            found.bodies[frame.stream_id] = found.bodies.get(frame.stream_id, b"") + frame.data
        case frames.RstStreamFrame():
            found.resets[frame.stream_id] = frame.error_code
        case frames.GoAwayFrame():
            found.goodbye, found.last_stream = frame.error_code, frame.last_stream_id
            found.goodbyes.append(frame.last_stream_id)
        case frames.WindowUpdateFrame():
            found.opened += frame.window_increment
    if "END_STREAM" in frame.flags:
        assert frame.stream_id not in found.whole
        found.whole.add(frame.stream_id)
