"""The addresses that an answer holds: of A and AAAA records, and the hints of SVCB and HTTPS records (RFC 9460)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from resolver.errors import FormatError
from resolver.wire.address_kinds import PERHAPS_PRIVATE, is_private
from resolver.wire.codes import POINTER, Type

_A: Final = int(Type.A)
_OCTETS: Final = {_A: 4, int(Type.AAAA): 16}
SERVICE_TYPES: Final = (int(Type.SVCB), int(Type.HTTPS))
_HINTS: Final = {4: 4, 6: 16}  # SvcParamKeys ipv4hint and ipv6hint: octets of an address (RFC 9460 section 7.3)


def addresses_in(body: bytes, answers: int) -> tuple[bytes, ...]:
    """The addresses of an answer section that was read before, in four or sixteen octets, each once.

    `body` begins with the section, which has so many records.
    """
    found: dict[bytes, None] = {}
    at = 0
    for _ in range(answers):
        at = behind_name(body, at)
        rtype = body[at] << 8 | body[at + 1]
        start = at + 10
        at = start + (body[at + 8] << 8 | body[at + 9])
        for address in addresses_of_record(body, rtype, start, at):
            found[address] = None
    return tuple(found)


def holds_private_address(body: bytes, answers: int) -> bool:
    """Whether an address that `addresses_in` finds there is private. Most answers are public, and told so quickly."""
    at = 0
    for _ in range(answers):
        at = at + 2 if body[at] >= POINTER else behind_name(body, at)
        rtype = body[at] << 8 | body[at + 1]
        start = at + 10
        at = start + (body[at + 8] << 8 | body[at + 9])
        if rtype == _A and at - start == 4:
            if body[start] in PERHAPS_PRIVATE and is_private(body[start:at]):
                return True
        elif any(is_private(address) for address in addresses_of_record(body, rtype, start, at)):
            return True
    return False


def addresses_of_record(message: bytes, rtype: int, start: int, end: int) -> Iterator[bytes]:
    """The addresses of one record, whose data is from `start` to `end`. What is malformed holds none."""
    if _OCTETS.get(rtype) == end - start:
        yield message[start:end]
    elif rtype in SERVICE_TYPES:
        try:
            yield from _hints(message, start, end)
        except (IndexError, FormatError):
            return


def _hints(message: bytes, start: int, end: int) -> Iterator[bytes]:
    at = behind_name(message, start + 2)  # behind priority and target
    while at + 4 <= end:
        key, size = message[at] << 8 | message[at + 1], message[at + 2] << 8 | message[at + 3]
        at += 4
        octets = _HINTS.get(key)
        if octets:
            for place in range(at, min(at + size, end) - octets + 1, octets):
                yield message[place : place + octets]
        at += size


def behind_name(message: bytes, at: int) -> int:
    """The offset behind the name at `at`, in a message that was read before."""
    while length := message[at]:
        if length >= POINTER:
            return at + 2
        if length >= 64:
            raise FormatError("an unknown kind of label")
        at += 1 + length
    return at + 1
