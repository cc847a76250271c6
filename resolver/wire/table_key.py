"""Table keys: the octets that stand for a query in the answer table, whatever its letter case. No I/O.

A key is all of the query after its ID, with the name in lower case and without hop-by-hop options: those change from
query to query, and never what is answered.
"""

from __future__ import annotations

from typing import Final

from resolver.wire.codes import HEADER, EdnsOption, Type

_OPT: Final = int(Type.OPT)
_COOKIE: Final = int(EdnsOption.COOKIE)
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


def key_and_cookie(query: bytes) -> tuple[bytes, int]:
    """The table key of a query whose OPT record, right behind the question, holds a COOKIE option alone; and where.

    The offset is 0 where there is none, and the key then that of all the query. Never raises, whatever the octets. Of a
    name with an octet 0 within a label both may be wrong: whoever uses them compares the offset with where the question
    ends.
    """
    zero = query.find(_ROOT, HEADER)
    if zero < 0:
        return query[2:], 0
    at = zero + 16  # behind type, class and eleven octets of the OPT record
    size = len(query)
    if (
        size >= at + 4
        and query[zero + 5] == 0
        and query[zero + 6] << 8 | query[zero + 7] == _OPT
        and query[10] << 8 | query[11] == 1
        and (length := query[at - 2] << 8 | query[at - 1]) == size - at
        and query[at] << 8 | query[at + 1] == _COOKIE
        and (query[at + 2] << 8 | query[at + 3]) == length - 4
    ):
        return b"".join((query[2:HEADER], query[HEADER:zero].lower(), query[zero : at - 2], _NO_OPTIONS)), at
    return b"".join((query[2:HEADER], query[HEADER:zero].lower(), query[zero:])), 0
