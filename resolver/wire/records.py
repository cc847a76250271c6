"""Offsets of the records of a message, found without reading their names. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from resolver.errors import FormatError
from resolver.wire.codes import HEADER, POINTER, Type

_FIXED = 10  # octets of a record between its owner and its data
_OPT: Final = int(Type.OPT)


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
    at = _behind_questions(message)
    for section, place in enumerate((6, 8, 10)):
        for _ in range(message[place] << 8 | message[place + 1]):
            fixed = _fixed_part(message, at)
            at = _end_of_data(message, fixed)
            yield RecordSpan(section, message[fixed] << 8 | message[fixed + 1], fixed + 4, fixed + _FIXED, at)


def least_ttl(message: bytes) -> int | None:
    """The least TTL of the records, in seconds, OPT aside, which is how long all of it is good for; None without any.

    Raises FormatError where the message is cut off.
    """
    least = -1
    at = _behind_questions(message)
    count = 0
    for place in (6, 8, 10):
        count += message[place] << 8 | message[place + 1]
    for _ in range(count):
        fixed = _fixed_part(message, at)
        at = _end_of_data(message, fixed)
        if message[fixed] << 8 | message[fixed + 1] == _OPT:
            continue
        ttl = message[fixed + 4] << 24 | message[fixed + 5] << 16 | message[fixed + 6] << 8 | message[fixed + 7]
        if ttl < least or least < 0:
            least = ttl
    return None if least < 0 else least


def _behind_questions(message: bytes) -> int:
    if len(message) < HEADER:
        raise FormatError("shorter than a header")
    at = HEADER
    for _ in range(message[4] << 8 | message[5]):
        at = _behind_name(message, at) + 4
    return at


def _fixed_part(message: bytes, at: int) -> int:
    """The offset of what stands behind a record's owner: type, class, TTL and length."""
    at = _behind_name(message, at)
    if at + _FIXED > len(message):
        raise FormatError("a record is cut off")
    return at


def _end_of_data(message: bytes, fixed: int) -> int:
    end = fixed + _FIXED + (message[fixed + 8] << 8 | message[fixed + 9])
    if end > len(message):
        raise FormatError("a record is cut off")
    return end


def _behind_name(message: bytes, at: int) -> int:
    while at < len(message):
        length = message[at]
        if length >= POINTER:
            return at + 2
        if not length:
            return at + 1
        at += 1 + length
    raise FormatError("a name is cut off")
