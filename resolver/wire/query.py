"""The queries that we send upstream, and whether a reply belongs to one. No I/O, no parsing beyond the question.

A query is its 16-bit ID, a tail and the options of its OPT record. The tail is the same wherever and however often the
question is asked, so it is built once an ask; ID and options are put around it at each try.
"""

from __future__ import annotations

import contextlib
from typing import Final

from resolver.errors import FormatError
from resolver.wire.codes import HEADER, UDP_PAYLOAD, EdnsOption, Flag, Rcode, Type
from resolver.wire.records import records
from resolver.wire.response import edns_option

# RD: the upstream is asked to recurse. AD: tell us whether the answer was validated (RFC 6840 section 5.7).
_ASKED: Final = Flag.RD | Flag.AD
_COUNTS: Final = b"\x00\x01\x00\x00\x00\x00\x00\x01"  # one question; one record, the OPT, in the additional section
_HEAD: Final = {
    False: _ASKED.to_bytes(2, "big") + _COUNTS,
    True: (_ASKED | Flag.CD).to_bytes(2, "big") + _COUNTS,
}


def _opt_record(dnssec_ok: bool) -> bytes:
    """An OPT of version 0 up to its options (RFC 6891 section 6.1.2); DO is the top bit of its flags (RFC 3225)."""
    flags = b"\x80\x00" if dnssec_ok else b"\x00\x00"
    return b"\x00" + Type.OPT.to_bytes(2, "big") + UDP_PAYLOAD.to_bytes(2, "big") + b"\x00\x00" + flags


_OPT: Final = {False: _opt_record(False), True: _opt_record(True)}

_QR: Final = Flag.QR >> 8  # these three lie in the header's third octet
_TC: Final = Flag.TC >> 8
_QR_AND_OPCODE: Final = 0xF8
_RCODE: Final = 0x0F
_QUESTION_AT: Final = HEADER
_TYPE_AND_CLASS: Final = 4  # octets at the end of a question

# What a server says that will not or cannot answer; another server may.
FAILURES: Final = frozenset({Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})


def query_tail(question: bytes, *, dnssec_ok: bool, checking_disabled: bool) -> bytes:
    """All of a query but its ID and its options. `question` is a question section of one entry: qname, qtype, qclass.

    A recursive query with EDNS, payload 1232 (RFC 9715), DO and CD as asked.
    """
    return _HEAD[checking_disabled] + question + _OPT[dnssec_ok]


def options_field(options: bytes) -> bytes:
    """What stands behind a tail: the options (RFC 6891 section 6.1.2), with their length before them."""
    return len(options).to_bytes(2, "big") + options


NO_OPTIONS: Final = options_field(b"")

_BLOCK: Final = 128  # octets that an encrypted query is padded to a multiple of (RFC 8467 section 4.1)
_UNPADDED: Final = 2 + 2 + 4  # octets beside tail and padding: ID, length of the options, header of the option
_PADDINGS: Final = tuple(
    options_field(edns_option(EdnsOption.PADDING, bytes(-(size + _UNPADDED) % _BLOCK))) for size in range(_BLOCK)
)


def padding_for(tail: bytes) -> bytes:
    """The options field that fills up the query, so that its length tells little where it is encrypted."""
    return _PADDINGS[len(tail) % _BLOCK]


def with_question(tail: bytes, question: bytes) -> bytes:
    """The tail with another question of the same length."""
    at = _QUESTION_AT - 2
    return tail[:at] + question + tail[at + len(question) :]


def question_matches(question: bytes, response: bytes) -> bool:
    """Whether `response` is a response to a standard query that holds just `question` (RFC 5452 section 9.1).

    The name is compared without regard to case (RFC 1035 section 2.3.3), type and class exactly. A compressed name
    never matches: a question comes first and has nothing to point to. Never raises, whatever the bytes.
    """
    if response[4:6] != b"\x00\x01" or response[2] & _QR_AND_OPCODE != _QR:
        return False
    if response.startswith(question, _QUESTION_AT):
        return True
    echoed = response[_QUESTION_AT : _QUESTION_AT + len(question)]
    return (
        # bytes.lower touches A to Z only, and no length octet of `question` is one of them
        echoed.lower() == question.lower() and echoed[-_TYPE_AND_CLASS:] == question[-_TYPE_AND_CLASS:]
    )


def is_bare_error(response: bytes) -> bool:
    """Whether `response` is an error without a question: what a server sends that could not read the query."""
    return (
        len(response) >= HEADER
        and response[2] & _QR_AND_OPCODE == _QR
        and response[4:6] == b"\x00\x00"
        and response[3] & _RCODE in FAILURES
    )


def is_truncated(response: bytes) -> bool:
    """Whether TC is set. `response` is at least a header."""
    return bool(response[2] & _TC)


def rcode_of(response: bytes) -> int:
    """The header's rcode, without the OPT record's upper bits. `response` is at least a header."""
    return response[3] & _RCODE


def extended_rcode_of(response: bytes) -> int:
    """The rcode with the upper bits that an OPT record holds (RFC 6891 section 6.1.3). Never raises."""
    with contextlib.suppress(FormatError):
        for record in records(response):
            if record.rtype == Type.OPT:
                return response[record.ttl_at] << 4 | rcode_of(response)
    return rcode_of(response)


def aged(response: bytes, seconds: int) -> bytes:
    """The response as it is so many seconds later. What is malformed stays as it is, for others to refuse."""
    changed = bytearray(response)
    with contextlib.suppress(FormatError):
        for record in records(response):
            if record.rtype != Type.OPT:
                left = int.from_bytes(response[record.ttl_at : record.ttl_at + 4], "big") - seconds
                changed[record.ttl_at : record.ttl_at + 4] = max(left, 0).to_bytes(4, "big")
    return bytes(changed)


def cookie_in(response: bytes, client_cookie: bytes) -> bytes | None:
    """The server's cookie beside ours (RFC 7873 section 4): None if ours is not there, b"" if nothing is beside it.

    Ours is looked for in the whole message, not just in the OPT record: whoever can put these eight octets anywhere
    has seen the query.
    """
    at = response.find(client_cookie)
    if at < 0:
        return None
    if at < HEADER:  # no option is there, and a slice must not end before it begins (mypyc)
        return b""
    size = response[at - 2] << 8 | response[at - 1]
    if response[at - 4 : at - 2] != _COOKIE_CODE or not _SHORTEST_COOKIE <= size <= _LONGEST_COOKIE:
        return b""
    cookie = response[at + len(client_cookie) : at + size]
    return cookie if len(cookie) == size - len(client_cookie) else b""


_COOKIE_CODE: Final = EdnsOption.COOKIE.to_bytes(2, "big")
_SHORTEST_COOKIE, _LONGEST_COOKIE = 8 + 8, 8 + 32  # octets of both cookies together
