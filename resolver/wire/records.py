"""Offsets of the records of a message, found without reading their names. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resolver.errors import FormatError
from resolver.wire.codes import HEADER, POINTER, Type

_FIXED = 10  # octets of a record between its owner and its data


@dataclass(slots=True)
class RecordSpan:
    """The offsets of one record. `section`: 0 answer, 1 authority, 2 additional."""

    section: int
    rtype: int
    ttl_at: int
    start: int  # of its data
    end: int


def records(message: bytes) -> Iterator[RecordSpan]:
    """All records, in order. Raises FormatError where the message is cut off."""
    if len(message) < HEADER:
        raise FormatError("shorter than a header")
    at = HEADER
    for _ in range(message[4] << 8 | message[5]):
        at = _behind_name(message, at) + 4
    for section, place in enumerate((6, 8, 10)):
        for _ in range(message[place] << 8 | message[place + 1]):
            at = _behind_name(message, at)
            if at + _FIXED > len(message):
                raise FormatError("a record is cut off")
            start = at + _FIXED
            end = start + (message[at + 8] << 8 | message[at + 9])
            if end > len(message):
                raise FormatError("a record is cut off")
            yield RecordSpan(section, message[at] << 8 | message[at + 1], at + 4, start, end)
            at = end


def least_ttl(message: bytes) -> int | None:
    """The least TTL of the records, in seconds, OPT aside, which is how long all of it is good for; None without any.

    Raises FormatError where the message is cut off.
    """
    ttls = (
        int.from_bytes(message[record.ttl_at : record.ttl_at + 4], "big")
        for record in records(message)
        if record.rtype != Type.OPT
    )
    return min(ttls, default=None)


def _behind_name(message: bytes, at: int) -> int:
    while at < len(message):
        length = message[at]
        if length >= POINTER:
            return at + 2
        if not length:
            return at + 1
        at += 1 + length
    raise FormatError("a name is cut off")
