"""Conversations of HTTP/2 clients, and what seeded chance makes of them. Pure; nothing is sent here."""

from __future__ import annotations

import random
from collections.abc import Callable

import hpack

from prove.queries import query
from tests.support.http2 import in_url
from tests.support.http2_frames import AS_QUERY, HELLO, REQUEST, block, data, headers, post, raw, settings

_QUERY = query("a")[1]
_GET = {**REQUEST, ":method": "GET", ":path": in_url(_QUERY)}
_EXTREMES = (0, 1, 2, 3, 4, 5, 8, 9, 0x7F, 0x80, 0xC0, 0xFF)
_MOST_FRAMES = 12
_ENDS = "END_STREAM"


def conversation(chance: random.Random) -> tuple[list[bytes], int]:
    """Pieces that a client sends, and how many frames are in them. Half of them begin with some honest requests."""
    encoder = hpack.Encoder()  # for a table that grows and changes
    found = [HELLO]
    stream = 1
    for _ in range(chance.choice((0, 0, 1, 3))):
        found.append(_HONEST[int(chance.random() * len(_HONEST))](encoder, stream))
        stream += 2
    count = chance.randint(1, _MOST_FRAMES)
    for _ in range(count):
        if chance.random() < 0.6:
            frame = _HONEST[int(chance.random() * len(_HONEST))](encoder, stream)
            stream += 2
        else:
            known = chance.choice((1, stream, max(stream - 2, 1), max(stream - 2, 1), stream + 2))
            frame = _FRAMES[int(chance.random() * len(_FRAMES))](encoder, known)
        found.append(_mutated(frame, chance))
    if chance.random() < 0.5:
        return found, len(found)
    octets = b"".join(found)
    cuts = sorted(int(chance.random() * len(octets)) for _ in range(chance.choice((0, 1, 5))))
    return [octets[a:b] for a, b in zip([0, *cuts], [*cuts, len(octets)], strict=True)], len(found)


def honest() -> tuple[list[bytes], dict[int, bytes]]:
    """A conversation with nothing wrong in it, and the bodies of its answers, where queries are their own answers."""
    body = query("claude.ai")[1]
    return [HELLO + post(1, body), headers(3, _GET, _ENDS), post(5, body)], {1: body, 3: _QUERY, 5: body}


def _request(encoder: hpack.Encoder, stream: int) -> bytes:
    return headers(stream, encoder.encode(list(AS_QUERY.items()))) + data(stream, query("claude.ai")[1], _ENDS)


def _get(encoder: hpack.Encoder, stream: int) -> bytes:
    return headers(stream, encoder.encode(list(_GET.items())), _ENDS)


_HONEST: tuple[Callable[[hpack.Encoder, int], bytes], ...] = (
    _request,
    _get,
    lambda _, stream: post(stream, query("claude.ai")[1]),
    lambda _, stream: headers(stream, _GET, _ENDS),
)
_FRAMES: tuple[Callable[[hpack.Encoder, int], bytes], ...] = (
    lambda encoder, stream: headers(stream, encoder.encode([*AS_QUERY.items(), ("x", "y" * 300)])),
    lambda _, stream: headers(stream, AS_QUERY, "PRIORITY"),
    lambda _, stream: raw(1, 0, stream, block(_GET)[:9]) + raw(9, 4, stream, block(_GET)[9:]),
    lambda _, stream: raw(9, 4, stream, block({"x": "y"})),
    lambda _, stream: data(stream, b"x" * 40),
    lambda _, stream: data(stream, b"", _ENDS),
    lambda _, stream: raw(0, 9, stream, b"\x05" + b"x" * 40),
    lambda _, stream: raw(2, 0, stream, b"\0\0\0\0\x0f"),
    lambda _, stream: raw(3, 0, stream, b"\0\0\0\x08"),
    lambda *_: settings({4: 5}),
    lambda *_: settings({1: 0, 4: 2**31 - 1, 5: 20_000}),
    lambda *_: raw(4, 1, 0),
    lambda *_: raw(6, 0, 0, b"12345678"),
    lambda *_: raw(7, 0, 0, bytes(8)),
    lambda *_: raw(8, 0, 0, b"\0\1\0\0"),
    lambda _, stream: raw(8, 0, stream, b"\0\1\0\0"),
    lambda _, stream: raw(0x21, 0, stream, b"x" * 9),
)


def _mutated(frame: bytes, chance: random.Random) -> bytes:
    """A frame with up to two things wrong."""
    octets = bytearray(frame)
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        at = int(chance.random() * len(octets)) if chance.random() < 0.5 else int(chance.random() * min(len(octets), 9))
        match int(chance.random() * 6):
            case 0:
                octets[at] ^= 1 << int(chance.random() * 8)
            case 1:
                octets[at] = chance.choice(_EXTREMES)
            case 2:
                octets[at:at] = chance.randbytes(chance.choice((1, 2, 9, 300)))
            case 3 if len(octets) > 12:
                del octets[at : at + chance.choice((1, 2, 4))]
            case 4:
                octets += octets[at:]
            case 5:  # the length is right, whatever is in it
                octets[:3] = max(len(octets) - 9, 0).to_bytes(3, "big")
    return bytes(octets)
