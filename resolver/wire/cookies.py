"""Server cookies (RFC 7873, RFC 9018): they prove that a client is where it says, without our keeping anything of it.

A server cookie is version 1, three reserved octets, the time at which it was made, and a SipHash-2-4 over all of that,
the client's cookie and its address. Servers behind one address that share a secret know each other's.
"""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Callable, Sequence
from enum import Enum

from siphash24 import siphash24

from resolver.errors import FormatError
from resolver.wire.codes import EdnsOption
from resolver.wire.response import edns_option

RENEWED_SECONDS = 1800  # an older cookie is answered with a new one (RFC 9018 section 4.3)
OLDEST_SECONDS = 3600
FURTHEST_SECONDS = 300  # of a clock that runs ahead of ours, where several servers share a secret

_SECRET_BYTES = 16
_CLIENT_BYTES = 8
_SERVER_BYTES = 16  # of a version 1 cookie
_SERVER_SHORTEST, _SERVER_LONGEST = 8, 32  # of any (RFC 7873 section 4)
_HASH_AT = _CLIENT_BYTES + 8  # behind the client's cookie, version, reserved octets and time
_TIME_AT = _CLIENT_BYTES + 4
_VERSION = 1
_NEW = b"\x01\x00\x00\x00"
_TIMES = 1 << 32


class CookieProof(Enum):
    """Proof that a client's COOKIE option gives."""

    UNKNOWN = 0  # it has a client cookie alone
    BAD = 1  # the server cookie is not ours, or too old
    GOOD = 2  # the client is where it says


class ServerCookies:
    """Makes and checks the cookies of one server. `secrets` are 16 octets each: new ones are made with the first."""

    def __init__(self, secrets: Sequence[bytes], *, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970, by the wall clock."""
        if not secrets or any(len(secret) != _SECRET_BYTES for secret in secrets):
            raise ValueError("a cookie secret has 16 octets")
        self._secrets = tuple(secrets)
        self._clock = clock

    def answer(self, data: bytes, address: bytes) -> tuple[bytes, CookieProof]:
        """The option to answer a query's COOKIE option with, and what that proves. `address` is the client's, packed.

        Raises FormatError for an option of a length that no cookie has (RFC 7873 section 5.2.2).
        """
        server_bytes = len(data) - _CLIENT_BYTES
        if server_bytes and not _SERVER_SHORTEST <= server_bytes <= _SERVER_LONGEST:
            raise FormatError("a COOKIE option of an invalid length")
        now = math.floor(self._clock()) % _TIMES
        if not server_bytes:
            return self._made(data, address, now), CookieProof.UNKNOWN
        number, age = self._recognised(data, address, now)
        if number is None:
            return self._made(data[:_CLIENT_BYTES], address, now), CookieProof.BAD
        if number or age > RENEWED_SECONDS or data[_CLIENT_BYTES:_TIME_AT] != _NEW:
            return self._made(data[:_CLIENT_BYTES], address, now), CookieProof.GOOD
        return edns_option(EdnsOption.COOKIE, data), CookieProof.GOOD

    def seconds_left(self, data: bytes) -> int:
        """Seconds for which a cookie that has just been found good, and was answered with itself, goes on to be."""
        age = (math.floor(self._clock()) - int.from_bytes(data[_TIME_AT:_HASH_AT], "big")) % _TIMES
        return RENEWED_SECONDS - (age if age < _TIMES >> 1 else 0)

    def same_seconds(self) -> float:
        """Seconds for which a cookie that is made now is made no other: it has the time in whole seconds."""
        return 1 - self._clock() % 1

    def _made(self, client_cookie: bytes, address: bytes, now: int) -> bytes:
        told = client_cookie + _NEW + now.to_bytes(4, "big")
        return edns_option(EdnsOption.COOKIE, told + _hash(self._secrets[0], told, address))

    def _recognised(self, data: bytes, address: bytes, now: int) -> tuple[int | None, int]:
        """By which secret we made a cookie, None if by none, and how old it is in seconds."""
        if len(data) != _CLIENT_BYTES + _SERVER_BYTES or data[_CLIENT_BYTES] != _VERSION:
            return None, 0
        age = (now - int.from_bytes(data[_TIME_AT:_HASH_AT], "big")) % _TIMES
        if age >= _TIMES >> 1:  # serial arithmetic (RFC 1982): it is of the future
            age -= _TIMES
        if not -FURTHEST_SECONDS <= age <= OLDEST_SECONDS:
            return None, age
        told, proof = data[:_HASH_AT], data[_HASH_AT:]
        for number, secret in enumerate(self._secrets):
            if hmac.compare_digest(_hash(secret, told, address), proof):
                return number, age
        return None, age


def _hash(secret: bytes, told: bytes, address: bytes) -> bytes:
    return bytes(siphash24(told + address, key=secret).digest())
