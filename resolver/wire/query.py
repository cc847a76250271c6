"""The queries that we send upstream, and whether a reply belongs to one. No I/O, no parsing beyond the question.

A query is its 16-bit ID and a tail. The tail is the same wherever and however often the question is asked, so it is
built once an ask and the ID put in front of it at each try.
"""

from __future__ import annotations

from resolver.wire.codes import HEADER, UDP_PAYLOAD, Flag, Rcode, Type

# RD: the upstream is asked to recurse. AD: tell us whether the answer was validated (RFC 6840 section 5.7).
_ASKED = Flag.RD | Flag.AD
_COUNTS = b"\x00\x01\x00\x00\x00\x00\x00\x01"  # one question; one record, the OPT, in the additional section
_HEAD = {
    False: _ASKED.to_bytes(2, "big") + _COUNTS,
    True: (_ASKED | Flag.CD).to_bytes(2, "big") + _COUNTS,
}


def _opt_record(dnssec_ok: bool) -> bytes:
    """An OPT of version 0 without options (RFC 6891 section 6.1.2); DO is the top bit of its flags (RFC 3225)."""
    flags = b"\x80\x00" if dnssec_ok else b"\x00\x00"
    return b"\x00" + Type.OPT.to_bytes(2, "big") + UDP_PAYLOAD.to_bytes(2, "big") + b"\x00\x00" + flags + b"\x00\x00"


_OPT = {False: _opt_record(False), True: _opt_record(True)}

_QR = Flag.QR >> 8  # these three lie in the header's third octet
_TC = Flag.TC >> 8
_QR_AND_OPCODE = 0xF8
_RCODE = 0x0F
_QUESTION_AT = HEADER
_TYPE_AND_CLASS = 4  # octets at the end of a question

# What a server says that will not or cannot answer; another server may.
FAILURES = frozenset({Rcode.FORMERR, Rcode.SERVFAIL, Rcode.NOTIMP, Rcode.REFUSED})


def query_tail(question: bytes, *, dnssec_ok: bool, checking_disabled: bool) -> bytes:
    """All of a query but its ID. `question` is a question section of one entry: qname, qtype, qclass."""
    return _HEAD[checking_disabled] + question + _OPT[dnssec_ok]


def build_query(message_id: int, question: bytes, *, dnssec_ok: bool, checking_disabled: bool) -> bytes:
    """A recursive query with EDNS, payload 1232 (RFC 9715), DO and CD as asked."""
    tail = query_tail(question, dnssec_ok=dnssec_ok, checking_disabled=checking_disabled)
    return message_id.to_bytes(2, "big") + tail


def question_matches(question: bytes, response: bytes) -> bool:
    """Whether `response` is a response to a standard query that holds just `question` (RFC 5452 section 9.1).

    The name is compared without regard to case (RFC 1035 section 2.3.3), type and class exactly. A compressed name
    never matches: a question comes first and has nothing to point to. Never raises, whatever the bytes.
    """
    if response[4:6] != b"\x00\x01" or response[2] & _QR_AND_OPCODE != _QR:
        return False
    echoed = response[_QUESTION_AT : _QUESTION_AT + len(question)]
    return echoed == question or (
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
