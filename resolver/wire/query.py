"""The queries that we send upstream, and whether a reply belongs to one. No I/O, no parsing beyond the question.

A query is its 16-bit ID, a tail and the options of its OPT record. The tail is the same wherever and however often the
question is asked, so it is built once an ask; ID and options are put around it at each try.
"""

from __future__ import annotations

import contextlib
from typing import Final

from resolver.errors import FormatError
from resolver.wire.codes import HEADER, POINTER, TYPE_AND_CLASS, UDP_PAYLOAD, EdnsOption, Flag, Rcode, Type
from resolver.wire.names import key_of
from resolver.wire.reading import Names
from resolver.wire.records import records
from resolver.wire.response import edns_option

# RD: the upstream is asked to recurse. AD: tell us whether the answer was validated (RFC 6840 section 5.7).
_ASKED: Final = Flag.RD | Flag.AD
_COUNTS: Final = b"\x00\x01\x00\x00\x00\x00\x00\x01"  # one question; one record, the OPT, in the additional section
_COUNTS_WITHOUT_EDNS: Final = b"\x00\x01\x00\x00\x00\x00\x00\x00"
_COUNTS_AT: Final = 2  # in a tail
_HEAD: Final = {
    False: _ASKED.to_bytes(2, "big") + _COUNTS,
    True: (_ASKED | Flag.CD).to_bytes(2, "big") + _COUNTS,
}


def _opt_record(dnssec_ok: bool) -> bytes:
    """An OPT of version 0 up to its options (RFC 6891 section 6.1.2); DO is the top bit of its flags (RFC 3225)."""
    flags = b"\x80\x00" if dnssec_ok else b"\x00\x00"
    return b"\x00" + Type.OPT.to_bytes(2, "big") + UDP_PAYLOAD.to_bytes(2, "big") + b"\x00\x00" + flags


_OPT: Final = {False: _opt_record(False), True: _opt_record(True)}
_OPT_OCTETS: Final = 9  # up to the length of its options
_OPT_OWNER_AND_TYPE: Final = b"\x00" + Type.OPT.to_bytes(2, "big")

_QR: Final = Flag.QR >> 8  # these three lie in the header's third octet
_TC: Final = Flag.TC >> 8
_QR_AND_OPCODE: Final = 0xF8
_RCODE: Final = 0x0F
_QUESTION_AT: Final = HEADER

# What a server says that answers. Whoever says anything else will not or cannot; another server may.
ANSWERS: Final = frozenset({int(Rcode.NOERROR), int(Rcode.NXDOMAIN), int(Rcode.YXDOMAIN)})
_OPT_TYPE: Final = int(Type.OPT)
_SOA: Final = int(Type.SOA)
_NS: Final = int(Type.NS)
_AA: Final = Flag.AA >> 8


def query_tail(question: bytes, *, dnssec_ok: bool, checking_disabled: bool) -> bytes:
    """All of a query but its ID and its options. `question` is a question section of one entry: qname, qtype, qclass.

    A recursive query with EDNS, payload 1232 (RFC 9715), DO and CD as asked.
    """
    return _HEAD[checking_disabled] + question + _OPT[dnssec_ok]


def options_field(options: bytes) -> bytes:
    """The field behind a tail: the options (RFC 6891 section 6.1.2), with their length before them."""
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


def without_edns(tail: bytes) -> bytes:
    """All of a query but its ID, without the OPT record that the tail ends with: for a server that knows none."""
    end = len(tail) - _OPT_OCTETS
    return tail[:_COUNTS_AT] + _COUNTS_WITHOUT_EDNS + tail[_COUNTS_AT + len(_COUNTS_WITHOUT_EDNS) : end]


def wants_dnssec(tail: bytes) -> bool:
    """Whether the DO bit is set in the OPT record that the tail ends with."""
    return bool(tail[-2] & 0x80)


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
        echoed.lower() == question.lower() and echoed[-TYPE_AND_CLASS:] == question[-TYPE_AND_CLASS:]
    )


def is_bare_error(response: bytes) -> bool:
    """Whether `response` is an error without a question: what a server sends that could not read the query.

    Never raises, whatever the bytes.
    """
    return (
        len(response) >= HEADER
        and response[2] & _QR_AND_OPCODE == _QR
        and response[4:6] == b"\x00\x00"
        and extended_rcode_of(response) not in ANSWERS
    )


def is_truncated(response: bytes) -> bool:
    """Whether TC is set. `response` is at least a header."""
    return bool(response[2] & _TC)


def rcode_of(response: bytes) -> int:
    """The header's rcode, without the OPT record's upper bits. `response` is at least a header."""
    return response[3] & _RCODE


def extended_rcode_of(response: bytes) -> int:
    """The rcode with the upper bits that an OPT record holds (RFC 6891 section 6.1.3). Never raises.

    `response` is at least a header. Every answer of an upstream is looked through, so no record is made an object.
    """
    rcode = response[3] & _RCODE
    additional = response[10] << 8 | response[11]
    if not additional:
        return rcode
    # Of most, the OPT record is the only one there, and reaches to the end. Data that look so, in an answer of whoever
    # owns its name, can hide upper bits from us, but not make any up: by them servers are judged.
    if additional == 1:
        at = response.find(_OPT_OWNER_AND_TYPE, HEADER)
        end = at + _OPT_OCTETS + 2
        if (
            at >= HEADER
            and end <= len(response)
            and end + (response[end - 2] << 8 | response[end - 1]) == len(response)
            and not response[at + 5]
        ):
            return rcode
    others = (response[6] << 8 | response[7]) + (response[8] << 8 | response[9])
    at = HEADER
    try:
        for _ in range(response[4] << 8 | response[5]):
            while length := response[at]:
                if length >= POINTER:
                    at += 1
                    break
                at += 1 + length
            at += 1 + TYPE_AND_CLASS
        for number in range(others + additional):
            while length := response[at]:
                if length >= POINTER:
                    at += 1
                    break
                at += 1 + length
            at += 1
            if number >= others and response[at] << 8 | response[at + 1] == _OPT_TYPE:
                return response[at + 4] << 4 | rcode
            at += 10 + (response[at + 8] << 8 | response[at + 9])
    except IndexError:  # the message is cut off
        pass
    return rcode


def has_edns(response: bytes) -> bool:
    """Whether there is an OPT record: whoever sends one knows EDNS (RFC 6891 section 7). Never raises."""
    with contextlib.suppress(FormatError):
        return any(record.rtype == _OPT_TYPE for record in records(response))
    return False


def is_referral(question: bytes, response: bytes) -> bool:
    """Whether a response refers to other servers instead of answering (RFC 2308 section 2.1.2, RFC 1034 section 4.3.2).

    No answer, no SOA, not the zone's own server, but NS records at or above the name that was asked for. Never raises.
    """
    if response[3] & _RCODE or response[2] & _AA or response[6:8] != b"\x00\x00" or response[8:10] == b"\x00\x00":
        return False
    names = Names(response)
    name = key_of(question[:-TYPE_AND_CLASS])
    refers = False
    try:
        for record in names.records(HEADER + len(question), response[8] << 8 | response[9])[0]:
            if record.rtype == _SOA:
                return False
            refers = refers or (record.rtype == _NS and name.startswith(names.key(record.owner)))
    except (FormatError, IndexError):
        return False  # for others to refuse
    return refers


def aged(response: bytes, seconds: int) -> bytes:
    """The response as it is so many seconds later. What is malformed stays as it is, for others to refuse."""
    changed = bytearray(response)
    with contextlib.suppress(FormatError):
        for record in records(response):
            if record.rtype != Type.OPT:
                left = int.from_bytes(response[record.ttl_at : record.ttl_at + 4], "big") - seconds
                changed[record.ttl_at : record.ttl_at + 4] = max(left, 0).to_bytes(4, "big")
    return bytes(changed)


def cookie_in(response: bytes) -> bytes | None:
    """The data of the COOKIE option, of several the first (RFC 7873 section 4); None where there is none.

    Raises FormatError where the message is cut off.
    """
    for record in records(response):
        if record.rtype != _OPT_TYPE:
            continue
        at = record.start
        while at < record.end:
            start = at + 4
            if start > record.end:
                raise FormatError("an EDNS option is cut off")
            end = start + (response[at + 2] << 8 | response[at + 3])
            if end > record.end:
                raise FormatError("an EDNS option is cut off")
            if response[at : at + 2] == _COOKIE_CODE:
                return response[start:end]
            at = end
    return None


_COOKIE_CODE: Final = EdnsOption.COOKIE.to_bytes(2, "big")
