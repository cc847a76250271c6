"""Queries as another implementation reads them, and which replies belong to them."""

from __future__ import annotations

import contextlib

import dns.edns
import dns.flags
import dns.message
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.query import (
    NO_OPTIONS,
    cookie_in,
    extended_rcode_of,
    is_bare_error,
    is_truncated,
    padding_for,
    query_tail,
    question_matches,
    rcode_of,
)
from resolver.wire.records import records

QUESTION = b"\x03www\x07example\x03com\x00\x00\x1c\x00\x01"
OTHER_TYPE = QUESTION[:-4] + b"\x00\x01\x00\x01"
OTHER_CLASS = QUESTION[:-2] + b"\x00\x03"


def response(question: bytes = QUESTION, flags: int = 0x8180, questions: int = 1) -> bytes:
    counts = questions.to_bytes(2, "big") + bytes(6)
    return b"\x12\x34" + flags.to_bytes(2, "big") + counts + question


@pytest.mark.parametrize("dnssec_ok", [False, True])
@pytest.mark.parametrize("checking_disabled", [False, True])
def test_another_implementation_reads_the_query_as_it_was_meant(dnssec_ok: bool, checking_disabled: bool) -> None:
    tail = query_tail(QUESTION, dnssec_ok=dnssec_ok, checking_disabled=checking_disabled)
    wire = b"\xbe\xef" + tail + NO_OPTIONS
    message = dns.message.from_wire(wire)
    assert message.id == 0xBEEF
    assert [str(each) for each in message.question] == ["www.example.com. IN AAAA"]
    assert message.flags & dns.flags.RD
    assert message.flags & dns.flags.AD
    assert bool(message.flags & dns.flags.CD) is checking_disabled
    assert not message.flags & (dns.flags.QR | dns.flags.TC | dns.flags.AA | dns.flags.RA)
    assert (message.edns, message.payload, message.options) == (0, 1232, ())
    assert message.ednsflags == (0x8000 if dnssec_ok else 0)


@given(st.integers(0, 252), st.booleans())
def test_a_padded_query_is_of_whole_blocks(octets: int, dnssec_ok: bool) -> None:
    labels = [b"\x3f" + b"x" * 63] * (octets // 64) + (
        [bytes([octets % 64 - 1]) + b"y" * (octets % 64 - 1)] if octets % 64 > 1 else []
    )
    question = b"".join(labels) + b"\x00\x00\x01\x00\x01"
    tail = query_tail(question, dnssec_ok=dnssec_ok, checking_disabled=False)
    wire = b"\x00\x00" + tail + padding_for(tail)
    assert len(wire) % 128 == 0
    assert len(wire) - len(tail) <= 2 + 2 + 4 + 127
    (option,) = dns.message.from_wire(wire).options
    assert option.otype == dns.edns.OptionType.PADDING


CLIENT_COOKIE = b"\x07ourown\x07"


def with_cookie(cookie: bytes, rcode: int = 0) -> bytes:
    message = dns.message.from_wire(response())
    message.use_edns(0, options=[dns.edns.GenericOption(15, b"\x00\x03"), dns.edns.GenericOption(10, cookie)])
    message.set_rcode(rcode)
    return message.to_wire()


def test_the_servers_cookie_is_what_stands_beside_ours() -> None:
    assert cookie_in(with_cookie(CLIENT_COOKIE + b"s" * 16), CLIENT_COOKIE) == b"s" * 16
    assert cookie_in(with_cookie(CLIENT_COOKIE + b"s" * 8), CLIENT_COOKIE) == b"s" * 8
    assert cookie_in(with_cookie(CLIENT_COOKIE), CLIENT_COOKIE) == b""
    assert cookie_in(with_cookie(CLIENT_COOKIE + b"s" * 7), CLIENT_COOKIE) == b""
    assert cookie_in(with_cookie(b"another!" + b"s" * 16), CLIENT_COOKIE) is None
    assert cookie_in(with_cookie(CLIENT_COOKIE + b"s" * 16)[:-1], CLIENT_COOKIE) == b""


def test_the_upper_bits_of_the_rcode_are_in_the_opt_record() -> None:
    assert extended_rcode_of(with_cookie(CLIENT_COOKIE, 23)) == 23
    assert extended_rcode_of(response(flags=0x8187)) == 7


@given(st.binary(min_size=12, max_size=200))
def test_any_bytes_have_a_cookie_and_an_rcode_or_none(message: bytes) -> None:
    assert 0 <= extended_rcode_of(message) < 4096
    found = cookie_in(message, message[2:10])
    assert found is not None
    assert len(found) <= 32
    with contextlib.suppress(FormatError):
        for record in records(message):
            assert record.ttl_at + 4 < record.start <= record.end <= len(message)


def test_the_case_of_the_name_does_not_matter() -> None:
    assert question_matches(QUESTION, response())
    assert question_matches(QUESTION, response(b"\x03WwW\x07eXample\x03COM\x00\x00\x1c\x00\x01"))


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(response(OTHER_TYPE), id="another type"),
        pytest.param(response(OTHER_CLASS), id="another class"),
        pytest.param(response(b"\x03wwx\x07example\x03com\x00\x00\x1c\x00\x01"), id="another name"),
        pytest.param(response(b"\x03www\x07example\x03com\x03org\x00\x00\x1c\x00\x01"), id="a longer name"),
        pytest.param(response(b"\x03www\xc0\x0c\x00\x1c\x00\x01"), id="a pointer in the question"),
        pytest.param(response(flags=0x0100), id="a query"),
        pytest.param(response(flags=0xA180), id="another opcode"),
        pytest.param(response(b"", questions=0), id="no question"),
        pytest.param(response(QUESTION + QUESTION, questions=2), id="two questions"),
        pytest.param(response()[:-1], id="cut short"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_response_to_the_question_does_not_match(reply: bytes) -> None:
    assert not question_matches(QUESTION, reply)


def test_a_type_whose_octets_are_letters_is_compared_exactly() -> None:
    # Types 65 ("A") and 97 ("a") differ though their octets are the two cases of one letter.
    https = QUESTION[:-4] + b"\x00\x41\x00\x01"
    type_97 = QUESTION[:-4] + b"\x00\x61\x00\x01"
    assert question_matches(https, response(https))
    assert not question_matches(https, response(type_97))


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_no_bytes_make_the_checks_raise(question: bytes, reply: bytes) -> None:
    question_matches(question, reply)
    is_bare_error(reply)


@given(st.binary(min_size=5, max_size=40), st.binary(max_size=40), st.integers(0, 0xFFFF))
def test_what_matches_is_a_response_that_begins_with_the_question(question: bytes, rest: bytes, flags: int) -> None:
    matches = question_matches(question, response(question, flags) + rest)
    assert matches is (flags & 0xF800 == 0x8000)


@pytest.mark.parametrize("rcode", [1, 2, 4, 5])
def test_a_header_with_an_error_and_no_question_is_a_bare_error(rcode: int) -> None:
    assert is_bare_error(response(b"", 0x8180 | rcode, questions=0))


@pytest.mark.parametrize("rcode", [0, 3])
def test_a_header_without_a_question_that_claims_an_answer_is_none(rcode: int) -> None:
    assert not is_bare_error(response(b"", 0x8180 | rcode, questions=0))


def test_a_bare_error_must_be_a_response_and_a_whole_header() -> None:
    assert not is_bare_error(response(b"", 0x0102, questions=0))
    assert not is_bare_error(response(b"", 0x8182, questions=0)[:-1])


def test_flags_are_read_by_name() -> None:
    assert is_truncated(response(flags=0x8380))
    assert not is_truncated(response(flags=0x8180))
    assert rcode_of(response(flags=0x8183)) == 3
