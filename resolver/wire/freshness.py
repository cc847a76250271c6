"""How long an answer may be kept by HTTP's caches (RFC 8484 section 5.1)."""

from __future__ import annotations

from resolver.wire.codes import Rcode, Type

_HEADER = 12
_FIXED = 10  # type, class, TTL and length of a record
_MINIMUM = 4  # octets: an SOA's last field


def freshness_seconds(message: bytes) -> int | None:
    """The least TTL of a response's answers and authorities, and of an SOA its MINIMUM; None where nothing may be kept.

    That is so for every rcode but NOERROR and NXDOMAIN, where there is no record, and where the message cannot be read.
    """
    if len(message) < _HEADER or message[3] & 0x0F not in (Rcode.NOERROR, Rcode.NXDOMAIN):
        return None
    questions, answers, authorities = (message[at] << 8 | message[at + 1] for at in (4, 6, 8))
    least: int | None = None
    try:
        at = _HEADER
        for _ in range(questions):
            at = _behind_name(message, at) + 4
        for _ in range(answers + authorities):
            at = _behind_name(message, at)
            kind, ttl = message[at] << 8 | message[at + 1], int.from_bytes(message[at + 4 : at + 8], "big")
            at += _FIXED + (message[at + 8] << 8 | message[at + 9])
            if at > len(message):
                return None
            if kind == Type.SOA:
                ttl = min(ttl, int.from_bytes(message[at - _MINIMUM : at], "big"))
            least = ttl if least is None else min(least, ttl)
    except IndexError:
        return None
    return least


def _behind_name(message: bytes, at: int) -> int:
    """Where a name ends. Raises IndexError where the message ends first."""
    while length := message[at]:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1
