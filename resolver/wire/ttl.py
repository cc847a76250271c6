"""The least TTL of a message, which is how long all of it is good for."""

from __future__ import annotations

from resolver.wire.addresses import behind_name
from resolver.wire.codes import HEADER, Type


def least_ttl(message: bytes) -> int | None:
    """The least TTL of a response's records, in seconds, OPT aside; None where there are none.

    For responses of our own, which are well-formed.
    """
    at = HEADER
    for _ in range(message[4] << 8 | message[5]):
        at = behind_name(message, at) + 4
    least = None
    records = sum(message[place] << 8 | message[place + 1] for place in (6, 8, 10))
    for _ in range(records):
        at = behind_name(message, at)
        if (message[at] << 8 | message[at + 1]) != Type.OPT:
            ttl = int.from_bytes(message[at + 4 : at + 8], "big")
            least = ttl if least is None or ttl < least else least
        at += 10 + (message[at + 8] << 8 | message[at + 9])
    return least
