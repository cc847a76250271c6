"""Responses and sinkhole answers, read back by an independent library."""

from __future__ import annotations

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from resolver.wire.codes import Rcode
from resolver.wire.question import Question, parse_question
from resolver.wire.response import compose, error_without_question, truncated
from resolver.wire.sinkhole import Sinkhole, blocked_option

EDE = blocked_option("anthropic/claude", "default")


def ask(name: str = "ClAuDe.ai", qtype: str = "A", **options: object) -> tuple[dns.message.Message, Question]:
    query = dns.message.make_query(name, qtype, **options)  # type: ignore[arg-type]
    return query, parse_question(query.to_wire())


def told(sinkhole: Sinkhole, qtype: str, **options: object) -> dns.message.Message:
    query, question = ask(qtype=qtype, **options)
    response = dns.message.from_wire(sinkhole.answer(question, EDE))
    assert query.is_response(response)
    assert response.question[0].name.to_text() == "ClAuDe.ai."
    return response


@pytest.mark.parametrize(("qtype", "address"), [("A", "0.0.0.0"), ("AAAA", "::")])
def test_zero_ip_answers_addresses_with_zeros(qtype: str, address: str) -> None:
    response = told(Sinkhole.build("zero-ip", 10), qtype, use_edns=0)
    assert [rdata.to_text() for rrset in response.answer for rdata in rrset] == [address]
    assert response.answer[0].ttl == 10


@pytest.mark.parametrize("qtype", ["HTTPS", "SVCB", "TXT", "MX", "TYPE999", "CNAME"])
def test_zero_ip_answers_all_other_types_with_nodata_and_soa(qtype: str) -> None:
    response = told(Sinkhole.build("zero-ip", 10), qtype)
    assert response.rcode() == dns.rcode.NOERROR
    assert not response.answer
    assert response.authority[0].rdtype == dns.rdatatype.SOA
    assert response.authority[0].ttl == 10
    soa = response.authority[0][0]
    assert (soa.mname.to_text(), soa.rname.to_text(), soa.minimum) == ("moatdns.invalid.", "nobody.invalid.", 10)


@pytest.mark.parametrize(
    ("mode", "rcode", "has_soa"), [("nxdomain", Rcode.NXDOMAIN, True), ("nodata", 0, True), ("refused", 5, False)]
)
def test_negative_modes_answer_every_type_alike(mode: str, rcode: int, has_soa: bool) -> None:
    for qtype in ("A", "AAAA", "HTTPS"):
        response = told(Sinkhole.build(mode, 10), qtype)
        assert response.rcode() == rcode
        assert not response.answer
        assert bool(response.authority) == has_soa


def test_address_mode_answers_with_the_block_page_and_nodata_where_it_has_no_address() -> None:
    sinkhole = Sinkhole.build("address", 30, ipv4="10.1.2.3")
    assert told(sinkhole, "A").answer[0][0].to_text() == "10.1.2.3"
    assert not told(sinkhole, "AAAA").answer


def test_the_reason_stands_in_ede_only_for_clients_with_edns() -> None:
    sinkhole = Sinkhole.build("zero-ip", 10)
    assert told(sinkhole, "A").edns == -1
    with_edns = told(sinkhole, "A", use_edns=0)
    option = with_edns.options[0]
    assert isinstance(option, dns.edns.EDEOption)
    assert option.code == 15
    assert option.text == "anthropic/claude is blocked for group default"


def test_rd_cd_and_do_are_echoed() -> None:
    query, _ = ask()
    query.flags |= dns.flags.CD
    query.want_dnssec()
    response = dns.message.from_wire(compose(parse_question(query.to_wire()), Rcode.NOERROR))
    assert response.flags & dns.flags.RD
    assert response.flags & dns.flags.CD
    assert response.ednsflags & dns.flags.DO


def test_an_extended_rcode_is_split_between_header_and_opt() -> None:
    _, question = ask(use_edns=0)
    assert dns.message.from_wire(compose(question, Rcode.BADVERS)).rcode() == dns.rcode.BADVERS


def test_a_truncated_response_holds_no_records() -> None:
    _, question = ask(use_edns=0)
    response = dns.message.from_wire(truncated(question, Rcode.NOERROR))
    assert response.flags & dns.flags.TC
    assert not response.answer


def test_an_error_without_question_keeps_id_and_opcode() -> None:
    response = dns.message.from_wire(error_without_question(b"\x12\x34\x31\x00" + bytes(8), Rcode.NOTIMP))
    assert response.id == 0x1234
    assert response.opcode() == 6
    assert response.rcode() == dns.rcode.NOTIMP
