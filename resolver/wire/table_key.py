"""Table keys: the octets that stand for a query in the answer table, whatever its letter case. No I/O.

A key is all of the query after its ID, with the name in lower case and without hop-by-hop options: those change from
query to query, and never what is answered.
"""

from __future__ import annotations

from typing import Final

from resolver.wire.codes import HEADER, EdnsOption, Type

_OPT_AND_COOKIE: Final = 15  # octets of an OPT record up to the data of its first option
_OPT: Final = b"\x00" + Type.OPT.to_bytes(2, "big")
_COOKIE: Final = EdnsOption.COOKIE.to_bytes(2, "big")
_ONE: Final = b"\x00\x01"
_NO_OPTIONS: Final = b"\x00\x00"
_ROOT: Final = b"\x00"


def lower_case(query: bytes) -> bytes:
    """All of a query after the ID, with the letters of its name in lower case, up to an octet 0 within a label.

    No length of a label is a letter, so no query becomes one of another name, nor a malformed one well-formed.
    """
    zero = query.find(_ROOT, HEADER)
    if zero < 0:
        return query[2:]
    return query[2:HEADER] + query[HEADER:zero].lower() + query[zero:]


def lone_cookie_at(query: bytes) -> int:
    """The offset of a COOKIE option that is all that an OPT record right behind the question holds; 0 where none is.

    Never raises, whatever the octets. Of a name with an octet 0 within a label it may be wrong: whoever uses it
    compares it with where the question ends.
    """
    zero = query.find(_ROOT, HEADER)
    end = zero + 5
    size = len(query)
    if zero < 0 or query[10:12] != _ONE or size < end + _OPT_AND_COOKIE or query[end : end + 3] != _OPT:
        return 0
    at = end + 11
    length = query[at - 2] << 8 | query[at - 1]
    if at + length != size or query[at : at + 2] != _COOKIE or (query[at + 2] << 8 | query[at + 3]) != length - 4:
        return 0
    return at


def without_options(key: bytes, at: int) -> bytes:
    """A key without the options that begin at offset `at` of its query, and are its end."""
    return key[: at - 4] + _NO_OPTIONS
