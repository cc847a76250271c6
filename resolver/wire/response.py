"""Responses as bytes: header, the client's own question, sections made elsewhere, and OPT. Nothing here decides."""

from __future__ import annotations

from typing import Final

from resolver.wire.codes import HEADER, MAX_MESSAGE, UDP_PAYLOAD, EdnsOption, Flag
from resolver.wire.question import Question

_ECHOED: Final = Flag.RD | Flag.CD  # copied from the query (RFC 1035 section 4.1.1, RFC 4035 section 3.2.2)
_ALWAYS: Final = Flag.QR | Flag.RA
_OPT_START: Final = b"\x00\x00\x29" + UDP_PAYLOAD.to_bytes(2, "big")
_OPTION_HEADER: Final = 4  # octets of an option's code and length
_ONE: Final = b"\x00\x01"
_NONE: Final = b"\x00\x00"
_BARE_OPT: Final = _OPT_START + bytes(6)


def edns_option(code: int, data: bytes) -> bytes:
    """An EDNS option (RFC 6891 section 6.1.2)."""
    return code.to_bytes(2, "big") + len(data).to_bytes(2, "big") + data


def ede_option(code: int, text: str = "") -> bytes:
    """An Extended DNS Error option (RFC 8914 section 2)."""
    return edns_option(EdnsOption.EDE, code.to_bytes(2, "big") + text.encode())


def compose(
    question: Question,
    rcode: int,
    body: bytes = b"",
    *,
    answers: int = 0,
    authorities: int = 0,
    additionals: int = 0,
    options: bytes = b"",
    flags: int = 0,
) -> bytes:
    """A whole response.

    `body` is the answer, authority and additional sections, `answers`, `authorities` and `additionals` count their
    records; name pointers in it may point at offset 12, the question. `options` go into the OPT record, which is there
    only if the query had one (RFC 6891 section 6.1.1), behind all others. `flags` are set beside QR and RA.
    """
    word = _ALWAYS | flags | (question.flags & _ECHOED) | (rcode & 0xF)
    query, edns = question.query, question.edns
    additional = _ONE if edns else _NONE
    if additionals:
        additional = (additionals + edns).to_bytes(2, "big")
    head = (
        query[:2],
        word.to_bytes(2, "big"),
        query[4:6],
        answers.to_bytes(2, "big"),
        authorities.to_bytes(2, "big") if authorities else _NONE,
        additional,
        query[HEADER : question.end],
        body,
        _opt(question, rcode, options) if edns else b"",
    )
    return b"".join(head)


def _opt(question: Question, rcode: int, options: bytes) -> bytes:
    do = b"\x80\x00" if question.dnssec_ok else _NONE  # echoed (RFC 3225 section 3)
    return _OPT_START + (rcode >> 4).to_bytes(1, "big") + b"\x00" + do + len(options).to_bytes(2, "big") + options


def with_options(response: bytes, question: Question, options: bytes) -> bytes:
    """A response of ours with more options in its OPT record, which is its last; unchanged where it has none.

    Only a response to a query of the same header and question may be given, as the answer table keeps them.
    """
    if not question.edns or response[10:12] == _NONE:
        return response
    at = options_at(response, question.end)
    length = int.from_bytes(response[at : at + 2], "big") + len(options)
    return response[:at] + length.to_bytes(2, "big") + response[at + 2 :] + options


def padded(response: bytes, question: Question, block: int) -> bytes:
    """A response of ours with a padding option behind all others, so that its length is a multiple of `block` octets.

    It grows no longer than a message may be (RFC 8467 section 4.1); one that has no room for the option stays as it is.
    """
    bare = len(response) + _OPTION_HEADER
    if bare > MAX_MESSAGE:
        return response
    zeros = bytes(min(-bare % block, MAX_MESSAGE - bare))
    return with_options(response, question, edns_option(EdnsOption.PADDING, zeros))


def options_at(response: bytes, question_end: int) -> int:
    """The offset of the OPT record's RDLENGTH: its options, of known lengths, reach from there to the very end.

    Raises ValueError for a response without one.
    """
    at = response.rfind(_OPT_START)
    while at >= question_end:
        length_at = at + len(_OPT_START) + 4
        if length_at + 2 + int.from_bytes(response[length_at : length_at + 2], "big") == len(response):
            return length_at
        at = response.rfind(_OPT_START, 0, at + len(_OPT_START) - 1)
    raise ValueError("a response without OPT record")


def truncated(question: Question, rcode: int, flags: int = 0) -> bytes:
    """A response over UDP in place of one that is too large: TC and no half RRset (RFC 2181 section 9)."""
    return compose(question, rcode, flags=flags | Flag.TC)


def error_without_question(query: bytes, rcode: int, *, edns: bool = False) -> bytes:
    """The answer to a query whose question could not be read: its header and the rcode (RFC 1035 section 4.1.1).

    `edns`: it had an OPT record, so the answer has one (RFC 6891 section 7).
    """
    opcode = query[2] & 0x78
    first = 0x80 | opcode | (query[2] & 0x01)
    second = Flag.RA | (query[3] & 0x10) | (rcode & 0xF)
    head = query[:2] + bytes((first, second)) + bytes(6)
    return head + _ONE + _BARE_OPT if edns else head + _NONE
