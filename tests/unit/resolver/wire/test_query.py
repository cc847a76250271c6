"""Queries as another implementation reads them, and which replies belong to them."""

from __future__ import annotations

import contextlib

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.query import (
    NO_OPTIONS,
    cookie_in,
    extended_rcode_of,
    has_edns,
    is_bare_error,
    is_referral,
    is_truncated,
    padding_for,
    query_tail,
    question_matches,
    rcode_of,
    wants_dnssec,
    without_edns,
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


@pytest.mark.parametrize("size", [0, 7, 8, 15, 24, 41])
def test_the_cookie_is_the_data_of_its_option(size: int) -> None:
    cookie = bytes(range(size))
    assert cookie_in(with_cookie(cookie)) == cookie
    assert cookie_in(response()) is None
    with pytest.raises(FormatError):
        cookie_in(with_cookie(cookie)[:-1])


def test_of_several_cookies_the_first_counts_and_one_elsewhere_is_none() -> None:
    message = dns.message.from_wire(response())
    message.use_edns(0, options=[dns.edns.GenericOption(10, b"a" * 8), dns.edns.GenericOption(10, b"b" * 8)])
    assert cookie_in(message.to_wire()) == b"a" * 8
    message.use_edns(0, options=[dns.edns.GenericOption(65002, b"\x00\x0a\x00\x08" + b"c" * 8)])
    assert cookie_in(message.to_wire()) is None


def test_the_upper_bits_of_the_rcode_are_in_the_opt_record() -> None:
    assert extended_rcode_of(with_cookie(CLIENT_COOKIE, 23)) == 23
    assert extended_rcode_of(response(flags=0x8187)) == 7
    for rcode in (9, 11, 16, 255, 4095):
        message = dns.message.from_wire(response())
        message.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", "AAAA", "2001:db8::1", "2001:db8::2"))
        message.authority.append(dns.rrset.from_text("example.com.", 60, "IN", "NS", "ns.example.com."))
        message.additional.append(dns.rrset.from_text("ns.example.com.", 60, "IN", "A", "192.0.2.1"))
        message.use_edns(0, options=[dns.edns.GenericOption(15, b"\x00\x03")])
        message.set_rcode(rcode)
        assert extended_rcode_of(message.to_wire()) == rcode


@given(
    st.integers(0, 4095),
    st.lists(st.tuples(st.sampled_from(["answer", "authority", "additional"]), st.integers(0, 3)), max_size=8),
    st.binary(max_size=40),
)
def test_the_rcode_is_found_behind_any_records(rcode: int, parts: list[tuple[str, int]], option: bytes) -> None:
    message = dns.message.from_wire(response())
    for number, (section, labels) in enumerate(parts):
        owner = "".join(f"l{number}." for _ in range(labels)) + "www.example.com."
        getattr(message, section).append(dns.rrset.from_text(owner, number, "IN", "TXT", f'"{number}"'))
    message.use_edns(0, options=[dns.edns.GenericOption(65002, option)])
    message.set_rcode(rcode)
    wire = message.to_wire()
    assert extended_rcode_of(wire) == rcode
    assert all(0 <= extended_rcode_of(wire[:end]) < 4096 for end in range(12, len(wire)))


@pytest.mark.parametrize("data", [b"\x00\x00\x29\x04\xd0\x02" + bytes(5), b"\x00\x00\x29", b"\x00\x00\x29" + bytes(8)])
def test_an_option_that_looks_like_an_opt_record_has_no_say_in_the_rcode(data: bytes) -> None:
    message = dns.message.from_wire(response())
    message.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", "AAAA", "2001:db8::1"))
    message.use_edns(0, options=[dns.edns.GenericOption(65002, data)])
    message.set_rcode(dns.rcode.BADVERS)
    assert extended_rcode_of(message.to_wire()) == dns.rcode.BADVERS


def test_data_of_whoever_owns_a_name_cannot_make_up_an_rcode() -> None:
    message = dns.message.from_wire(response())
    message.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", "TXT", "x"))
    message.use_edns(0, options=[dns.edns.GenericOption(10, bytes(24))])
    behind = message.to_wire().index(b"\x00\x00\x29\x04")
    rest = len(message.to_wire()) - behind
    data = b"\x00\x00\x29\x04\xd0\x01\x00\x00\x00" + rest.to_bytes(2, "big")
    message.answer[0] = dns.rrset.from_rdata(
        "www.example.com.", 60, dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TXT, data)
    )
    assert extended_rcode_of(message.to_wire()) == dns.rcode.NOERROR


@given(st.binary(min_size=12, max_size=200))
def test_any_bytes_have_a_cookie_and_an_rcode_or_none(message: bytes) -> None:
    assert 0 <= extended_rcode_of(message) < 4096
    with contextlib.suppress(FormatError):
        assert len(cookie_in(message) or b"") <= len(message)
    has_edns(message)
    is_referral(QUESTION, message)
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


REFERRALS = {
    "to the zone's own servers": ("", "example.com. 60 IN NS ns.example.net.", True),
    "at the name": ("", "WWW.example.com. 60 IN NS ns.example.net.", True),
    "upwards, to the root": ("", ". 60 IN NS a.root-servers.net.", True),
    "with a proof that the zone is not signed": (
        "",
        "example.com. 60 IN NS ns.example.net.\nexample.com. 60 IN NSEC f.com. NS",
        True,
    ),
    "no data, with the zone's SOA beside its servers": (
        "",
        "example.com. 60 IN NS ns.example.net.\nexample.com. 60 IN SOA ns. host. 1 2 3 4 5",
        False,
    ),
    "no data, without anything": ("", "", False),
    "to servers of what is below the name": ("", "a.www.example.com. 60 IN NS ns.example.net.", False),
    "to servers of another name": ("", "example.net. 60 IN NS ns.example.net.", False),
    "beside an answer": ("www.example.com. 60 IN AAAA 2001:db8::1", "example.com. 60 IN NS ns.example.net.", False),
}


@pytest.mark.parametrize(("answer", "authority", "refers"), REFERRALS.values(), ids=REFERRALS)
def test_a_referral_is_told_from_no_data(answer: str, authority: str, refers: bool) -> None:
    message = dns.message.from_wire(response(flags=0x8080))
    for section, text in ((message.answer, answer), (message.authority, authority)):
        for line in text.splitlines():
            owner, ttl, rdclass, rdtype, data = line.split(maxsplit=4)
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, data))
    assert is_referral(QUESTION, message.to_wire()) is refers
    message.flags |= dns.flags.AA
    assert not is_referral(QUESTION, message.to_wire())
    message.flags &= ~dns.flags.AA
    message.set_rcode(dns.rcode.NXDOMAIN)
    assert not is_referral(QUESTION, message.to_wire())


def test_a_query_without_edns_is_the_same_query_without_its_opt_record() -> None:
    for dnssec_ok in (False, True):
        tail = query_tail(QUESTION, dnssec_ok=dnssec_ok, checking_disabled=True)
        assert wants_dnssec(tail) is dnssec_ok
        plain = dns.message.from_wire(b"\x00\x00" + without_edns(tail))
        assert (plain.edns, plain.flags) == (-1, dns.message.from_wire(b"\x00\x00" + tail + b"\x00\x00").flags)
        assert plain.question[0].to_text() == "www.example.com. IN AAAA"


@pytest.mark.parametrize("rcode", [1, 2, 4, 5, 9])
def test_a_header_with_an_error_and_no_question_is_a_bare_error(rcode: int) -> None:
    assert is_bare_error(response(b"", 0x8180 | rcode, questions=0))


@pytest.mark.parametrize("rcode", [0, 3, 6])
def test_a_header_without_a_question_that_claims_an_answer_is_none(rcode: int) -> None:
    assert not is_bare_error(response(b"", 0x8180 | rcode, questions=0))


def test_a_bare_error_must_be_a_response_and_a_whole_header() -> None:
    assert not is_bare_error(response(b"", 0x0102, questions=0))
    assert not is_bare_error(response(b"", 0x8182, questions=0)[:-1])


def test_flags_are_read_by_name() -> None:
    assert is_truncated(response(flags=0x8380))
    assert not is_truncated(response(flags=0x8180))
    assert rcode_of(response(flags=0x8183)) == 3
