"""Queries as octets: a question with what its client adds (EDNS, a cookie, mixed case)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

QTYPES = {"A": 1, "AAAA": 28, "HTTPS": 65}
_FLAGS_RD = 0x0100
_COOKIE_OPTION = 10
_PADDING_OPTION = 12
_OPT_FIXED_OCTETS = 11
_PAYLOAD_OCTETS = 1232


@dataclass(frozen=True, slots=True)
class Asked:
    """One query of a load."""

    name: str  # as it is written in the query, without escapes
    qtype: str = "A"
    client: int = 0  # the address that it comes from: bench.datagrams.address_of
    edns: bool = False
    cookie: bytes = b""  # the client's eight octets (RFC 7873 section 4.1), with EDNS only


def encode(asked: Asked, ident: int = 0, *, pad_to: int = 0, payload: int = _PAYLOAD_OCTETS) -> bytes:
    """The message; with `pad_to`, padded to a multiple of so many octets (RFC 8467 section 4.1)."""
    labels = asked.name.encode("ascii").split(b".")
    question = b"".join(bytes((len(label),)) + label for label in labels) + struct.pack("!xHH", QTYPES[asked.qtype], 1)
    with_opt = asked.edns or bool(pad_to)
    header = struct.pack("!6H", ident, _FLAGS_RD, 1, 0, 0, with_opt)
    if not with_opt:
        return header + question
    options = struct.pack("!HH", _COOKIE_OPTION, len(asked.cookie)) + asked.cookie if asked.cookie else b""
    if pad_to:
        unpadded = len(header) + len(question) + _OPT_FIXED_OCTETS + len(options) + 4
        padding = -unpadded % pad_to
        options += struct.pack("!HH", _PADDING_OPTION, padding) + bytes(padding)
    return header + question + struct.pack("!xHHIH", 41, payload, 0, len(options)) + options
