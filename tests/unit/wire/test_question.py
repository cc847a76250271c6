"""Reading queries."""

from __future__ import annotations

import contextlib

import dns.edns
import dns.flags
import dns.message
import dns.opcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError, NotAQuery
from resolver.names import key_of, parse_name
from resolver.wire.codes import Rcode
from resolver.wire.question import parse_question


def query(name: str = "claude.ai", qtype: str = "A", **options: object) -> bytes:
    """A query with a fixed ID: the bytes name test cases, which every process must name alike."""
    return dns.message.make_query(name, qtype, id=0x1234, **options).to_wire()  # type: ignore[arg-type]


def test_name_type_class_and_flags_are_read() -> None:
    question = parse_question(query("ClAuDe.Ai", "HTTPS"))
    assert question.key == key_of(parse_name("claude.ai"))
    assert question.section[:11] == b"\x06ClAuDe\x02Ai\x00"
    assert (question.qtype, question.qclass) == (65, 1)
    assert not question.edns
    assert question.max_size == 512


@pytest.mark.parametrize(("payload", "kept"), [(100, 512), (512, 512), (900, 900), (1232, 1232), (65535, 1232)])
def test_the_payload_of_edns_is_kept_between_512_and_1232(payload: int, kept: int) -> None:
    assert parse_question(query(use_edns=0, payload=payload)).max_size == kept


def test_do_and_cd_are_part_of_the_cache_key_and_letter_case_is_not() -> None:
    plain = parse_question(query("a.example")).cache_key
    assert parse_question(query("A.EXAMPLE")).cache_key == plain
    assert parse_question(query("a.example", want_dnssec=True)).cache_key != plain
    cd = dns.message.make_query("a.example", "A")
    cd.flags |= dns.flags.CD
    assert parse_question(cd.to_wire()).cache_key != plain


def test_the_octets_of_type_65_are_not_lowered_with_the_name() -> None:
    assert parse_question(query("a.example", "HTTPS")).cache_key[-5:-3] == b"\x00\x41"


def test_cookie_padding_and_client_subnet_are_left_out_of_the_table_key_and_other_options_are_not() -> None:
    def with_options(*options: dns.edns.Option) -> bytes:
        return parse_question(query(use_edns=0, options=list(options))).table_key

    bare = with_options()
    assert with_options(dns.edns.GenericOption(10, b"12345678")) == bare
    assert with_options(dns.edns.GenericOption(12, bytes(40))) == bare
    assert with_options(dns.edns.GenericOption(8, b"\x00\x01\x18\x00\x7f\x00\x00")) == bare
    assert with_options(dns.edns.GenericOption(65001, b"x")) != bare


def with_bytes(message: bytes, at: int, value: bytes) -> bytes:
    return message[:at] + value + message[at + len(value) :]


@pytest.mark.parametrize(
    ("message", "rcode"),
    [
        (with_bytes(query(), 4, b"\x00\x00"), Rcode.FORMERR),  # QDCOUNT 0 and 2 (RFC 9619)
        (with_bytes(query(), 4, b"\x00\x02"), Rcode.FORMERR),
        (with_bytes(query(), 6, b"\x00\x01"), Rcode.FORMERR),  # an answer in a query
        (with_bytes(query(), 2, b"\x30"), Rcode.NOTIMP),  # opcode 6 (RFC 8490)
        (with_bytes(query(), 12, b"\xc0\x0c"), Rcode.FORMERR),  # a compressed qname
        (query()[:-1], Rcode.FORMERR),
        (query() + b"\x00", Rcode.FORMERR),
        (query(use_edns=0)[:-3], Rcode.FORMERR),
        (with_bytes(query(use_edns=0) + query(use_edns=0)[-11:], 10, b"\x00\x02"), Rcode.FORMERR),  # two OPT records
        (query()[:12] + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\x00\x00\x01\x00\x01", Rcode.FORMERR),
    ],
)
def test_a_malformed_query_raises_the_rcode_to_answer_with(message: bytes, rcode: Rcode) -> None:
    with pytest.raises(FormatError) as caught:
        parse_question(message)
    assert caught.value.rcode == rcode
    assert not isinstance(caught.value, NotAQuery)


@pytest.mark.parametrize("message", [b"", b"\x00" * 11, with_bytes(query(), 2, b"\x81\x80")])
def test_responses_and_scraps_are_no_queries(message: bytes) -> None:
    with pytest.raises(NotAQuery):
        parse_question(message)


@given(st.binary(max_size=600))
def test_any_bytes_are_a_question_or_a_format_error(message: bytes) -> None:
    with contextlib.suppress(FormatError):
        parse_question(message)


@given(st.data())
def test_a_mutated_query_is_a_question_or_a_format_error(data: st.DataObject) -> None:
    message = bytearray(query(use_edns=0, options=[dns.edns.GenericOption(10, b"12345678")]))
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    try:
        question = parse_question(bytes(message))
    except FormatError:
        return
    assert question.end <= len(message)
