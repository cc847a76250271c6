"""TSIG (RFC 8945), as far as a server that has no keys must know it: a signed query is told that its key is not known.

A forwarder without the key would pass such a query on as it is (section 5.5); ours never leave as they came, and what
was answered without a signature would look like tampering.
"""

from __future__ import annotations

from typing import Final

from resolver.errors import FormatError
from resolver.wire.codes import Class, Type
from resolver.wire.reading import Names

_BADKEY: Final = 17  # a TSIG error (RFC 8945 section 3)
_ANY: Final = int(Class.ANY).to_bytes(2, "big")
_TYPE_AND_CLASS: Final = int(Type.TSIG).to_bytes(2, "big") + _ANY
_NO_TTL: Final = bytes(4)
_TIMES: Final = 8  # octets: time signed and fudge
_BEHIND_MAC: Final = 6  # octets: original ID, error, length of other data


def bad_key_record(query: bytes, owner: int, rdata: int, end: int) -> bytes:
    """The record that tells the sender of a query that its key is not known (RFC 8945 sections 5.2.1 and 5.3.2).

    `owner`, `rdata` and `end`: where the query's own TSIG record begins, has its data, and ends. The answer's has no
    signature, and key, algorithm, times and ID are the query's. Raises FormatError for what is no TSIG.
    """
    if query[rdata - 8 : rdata - 6] != _ANY or query[rdata - 6 : rdata - 2] != _NO_TTL:
        raise FormatError("a TSIG record that is not of class ANY and TTL 0")
    names = Names(query)
    try:
        key = names.as_written(owner)
        algorithm, at = names.as_written(rdata), names.behind(rdata)
        times = query[at : at + _TIMES]
        at += _TIMES
        at += 2 + (query[at] << 8 | query[at + 1])
        original_id = query[at : at + 2]
        at += _BEHIND_MAC
        at += query[at - 2] << 8 | query[at - 1]
    except IndexError:
        raise FormatError("a TSIG record is cut off") from None
    if at != end:
        raise FormatError("a TSIG record of another length than its parts")
    data = algorithm + times + bytes(2) + original_id + _BADKEY.to_bytes(2, "big") + bytes(2)
    return key + _TYPE_AND_CLASS + _NO_TTL + len(data).to_bytes(2, "big") + data


def with_record(answer: bytes, record: bytes) -> bytes:
    """The answer with a TSIG record behind all others (RFC 8945 section 5.1)."""
    additional = (answer[10] << 8 | answer[11]) + 1
    return answer[:10] + additional.to_bytes(2, "big") + answer[12:] + record
