"""Octets of HTTP/2 as Chromium 156 sends them for DoH by GET: its headers in its order, its HPACK, padded queries.

Taken from its own connections: strings are in Huffman code, and all fields but the path are in the dynamic table from
the first request on. Pure; `bench.doh_load` has the sockets.
"""

from __future__ import annotations

import base64

from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from bench.queries import Asked, encode

PREFACE = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + b"\0\0\x18\x04\0\0\0\0\0"  # SETTINGS: a table of 64 KiB, no push, windows of 6 MiB, headers of 256 KiB
    + bytes.fromhex("000100010000 000200000000 000400600000 000600040000")
    + b"\0\0\x04\x08\0\0\0\0\0\x00\xef\x00\x01"  # WINDOW_UPDATE to 15 MiB
)
WINDOW_OCTETS = 0x60_0000  # given back when so much was read
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
ACK = END_STREAM = 0x01
_END_HEADERS_AND_PRIORITY = 0x24
_EXCLUSIVE_OF_ROOT = b"\x80\0\0\0\x6d"
_PADDED_TO = 128
_PAYLOAD_OCTETS = 4096
_HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)
_GET, _HTTPS = b"\x82", b"\x87"
_AUTHORITY_AGAIN, _OTHERS_AGAIN = b"\xc3", b"\xc2\xc1\xc0\xbf\xbe"
_PATH = b"\x04"  # :path, which does not go into the table (RFC 7541 section 6.2.2)
_WITH_INDEX = 0x40  # goes into the table (section 6.2.1)
_AUTHORITY, _ACCEPT, _ACCEPT_LANGUAGE, _USER_AGENT, _ACCEPT_ENCODING = 1, 19, 17, 58, 16  # the static table's


def path_of(asked: Asked) -> bytes:
    """The field :path of a query, as HPACK has it."""
    message = base64.urlsafe_b64encode(encode(asked, pad_to=_PADDED_TO, payload=_PAYLOAD_OCTETS)).rstrip(b"=")
    return _PATH + _string(b"/dns-query?dns=" + message)


def request(stream: int, path: bytes, authority: str = "") -> bytes:
    """A request's one frame; the first of a connection has the `authority`."""
    if authority:
        block = _GET + _indexed(_AUTHORITY, authority) + _HTTPS + path + _others()
    else:
        block = _GET + _AUTHORITY_AGAIN + _HTTPS + path + _OTHERS_AGAIN
    return frame(HEADERS, END_STREAM | _END_HEADERS_AND_PRIORITY, stream, _EXCLUSIVE_OF_ROOT + block)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Any frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def _others() -> bytes:
    return (
        _indexed(_ACCEPT, "application/dns-message")
        + _indexed(_ACCEPT_LANGUAGE, "*")
        + _indexed(_USER_AGENT, "Chrome")
        + _indexed(_ACCEPT_ENCODING, "identity")
        + bytes((_WITH_INDEX,))
        + _string(b"priority")
        + _string(b"u=4, i")
    )


def _indexed(name: int, value: str) -> bytes:
    return bytes((_WITH_INDEX | name,)) + _string(value.encode())


def _string(value: bytes) -> bytes:
    coded = _HUFFMAN.encode(value)
    flag, octets = (0x80, coded) if len(coded) < len(value) else (0, value)
    if len(octets) < 0x7F:
        return bytes((flag | len(octets),)) + octets
    rest = len(octets) - 0x7F  # RFC 7541 section 5.1
    length = [flag | 0x7F]
    while rest >= 0x80:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    return bytes((*length, rest)) + octets
