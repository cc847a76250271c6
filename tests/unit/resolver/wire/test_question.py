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
from resolver.wire.codes import Rcode
from resolver.wire.names import key_of, parse_name
from resolver.wire.question import Question, carries_opt, parse_question


def query(name: str = "claude.ai", qtype: str = "A", **options: object) -> bytes:
    """A query with a fixed ID: the bytes name test cases, which every process must name alike."""
    return dns.message.make_query(name, qtype, id=0x1234, **options).to_wire()  # type: ignore[arg-type]


def bare(options: bytes) -> bytes:
    """A query without a question, with EDNS."""
    opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00" + len(options).to_bytes(2, "big") + options
    return b"\x12\x34\x00\x00" + bytes(7) + b"\x01" + opt


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


@pytest.mark.parametrize("code", [3, 8, 10, 11, 12])
def test_options_between_a_client_and_us_alone_are_left_out_of_the_table_key(code: int) -> None:
    def read(*options: dns.edns.Option) -> Question:
        return parse_question(query(use_edns=0, options=list(options)))

    one = read(dns.edns.GenericOption(code, b"12345678"), dns.edns.GenericOption(code, b"87654321"))
    # The first counts (RFC 7873 section 4), but no subnet where two differ: one may be a client's, another its proxy's.
    assert one.options == {code: b"" if code == dns.edns.ECS else b"12345678"}
    assert one.table_key == read().table_key
    other = dns.edns.GenericOption(65002, b"x")
    assert read(dns.edns.GenericOption(code, b"1"), other).table_key == read(other).table_key != read().table_key


def test_a_query_for_a_cookie_alone_has_no_question() -> None:
    question = parse_question(bare(b"\x00\x0a\x00\x08abcdefgh"))
    assert question.is_bare
    assert question.cache_key == b""
    assert question.options == {10: b"abcdefgh"}
    assert not parse_question(query()).is_bare


def test_options_of_another_version_are_not_read() -> None:
    broken = query(use_edns=1, options=[dns.edns.GenericOption(10, b"x")])[:-4] + b"\xff\xff\xffx"
    question = parse_question(broken)
    assert question.version == 1
    assert not question.options


@pytest.mark.parametrize(
    ("message", "has_one"),
    [
        (query(use_edns=0), True),
        (query(), False),
        (query(use_edns=0) + b"x", True),
        (query(use_edns=0)[:-5], False),
        (query(use_edns=0)[:4] + b"\xff\xff" + query(use_edns=0)[6:], False),
        (b"", False),
    ],
)
def test_that_an_unreadable_query_has_edns_is_seen_where_it_can_be(message: bytes, has_one: bool) -> None:
    assert carries_opt(message.ljust(12, b"\x00")) == has_one


def with_options(options: bytes) -> bytes:
    message = query(use_edns=0)
    return message[:-2] + len(options).to_bytes(2, "big") + options


def with_bytes(message: bytes, at: int, value: bytes) -> bytes:
    return message[:at] + value + message[at + len(value) :]


@pytest.mark.parametrize(
    ("message", "rcode"),
    [
        (with_bytes(query(), 4, b"\x00\x00"), Rcode.FORMERR),  # QDCOUNT 0 and 2 (RFC 9619)
        (with_bytes(query(), 4, b"\x00\x02"), Rcode.FORMERR),
        (bare(b""), Rcode.FORMERR),
        (bare(b"\x00\x0c\x00\x00"), Rcode.FORMERR),
        (with_bytes(query(), 6, b"\x00\x01"), Rcode.FORMERR),  # an answer in a query
        (with_bytes(query(), 2, b"\x30"), Rcode.NOTIMP),  # opcode 6 (RFC 8490)
        (with_bytes(query(), 12, b"\xc0\x0c"), Rcode.FORMERR),  # a compressed qname
        (query()[:-1], Rcode.FORMERR),
        (query() + b"\x00", Rcode.FORMERR),
        (query(use_edns=0)[:-3], Rcode.FORMERR),
        (with_bytes(query(use_edns=0) + query(use_edns=0)[-11:], 10, b"\x00\x02"), Rcode.FORMERR),  # two OPT records
        (query()[:12] + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\x00\x00\x01\x00\x01", Rcode.FORMERR),
        (with_bytes(query(), 10, b"\x00\x21") + b"\x00\x00\x01\x00\x01" + bytes(6) * 33, Rcode.FORMERR),  # 33 records
        (with_options(b"\xfd\xe9\x00\x00" * 257), Rcode.FORMERR),
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


def test_as_many_options_and_records_as_a_query_may_have_are_taken() -> None:
    assert parse_question(with_options(b"\xfd\xe9\x00\x00" * 256)).edns
    record = b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00"
    assert parse_question(with_bytes(query(), 10, b"\x00\x20") + record * 32).qtype == 1


@given(st.binary(max_size=600))
def test_any_bytes_are_a_question_or_a_format_error(message: bytes) -> None:
    with contextlib.suppress(FormatError):
        parse_question(message)


@given(st.binary(min_size=12, max_size=600))
def test_whether_any_bytes_carry_edns_can_be_told(message: bytes) -> None:
    assert carries_opt(message) in (True, False)


@given(st.binary(max_size=100))
def test_any_options_are_read_or_a_format_error(options: bytes) -> None:
    with contextlib.suppress(FormatError):
        assert parse_question(bare(options)).options
    whole = b"\x00\x0a" + len(options).to_bytes(2, "big") + options
    assert parse_question(bare(whole)).options == {10: options}


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
