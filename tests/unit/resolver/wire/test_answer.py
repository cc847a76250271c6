"""Reading upstream answers: what is kept of them."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import struct
import time

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.errors import FormatError
from resolver.wire.address_kinds import is_private
from resolver.wire.answer import Answer
from resolver.wire.answer_reader import MAX_RECORDS, MAX_TARGETS, read_answer
from resolver.wire.chain import MAX_CHAIN
from resolver.wire.codes import Type
from resolver.wire.names import key_of, parse_name

SOA = ("example. 300 IN SOA ns.example. host.example. 1 2 3 4 60",)


def message(
    answer: tuple[str, ...] = (),
    authority: tuple[str, ...] = (),
    additional: tuple[str, ...] = (),
    *,
    name: str = "a.example",
    qtype: str = "A",
    rcode: int = 0,
) -> bytes:
    response = dns.message.make_response(dns.message.make_query(name, qtype))
    response.set_rcode(rcode)  # type: ignore[arg-type]
    for section, lines in (
        (response.answer, answer),
        (response.authority, authority),
        (response.additional, additional),
    ):
        for line in lines:
            owner, ttl, rdclass, rdtype, *rdata = line.split()
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, " ".join(rdata)))
    return response.to_wire()


def read(wire: bytes, name: str = "a.example", qtype: int = Type.A, *, keep_authority: bool = False) -> Answer:
    return read_answer(wire, parse_name(name), qtype, keep_authority=keep_authority)


def test_the_whole_lives_as_long_as_its_shortest_record() -> None:
    answer = read(message(("a.example. 300 IN CNAME b.example.", "b.example. 60 IN A 192.0.2.1")))
    assert answer.ttl_seconds == 60
    assert not answer.negative
    assert answer.targets == (key_of(parse_name("b.example")),)
    assert len(answer.ttl_offsets) == 2


def test_a_ttl_with_the_top_bit_set_is_zero() -> None:
    wire = message(("a.example. 300 IN A 192.0.2.1",)).replace(b"\x00\x00\x01\x2c", b"\x80\x00\x01\x2c")
    assert read(wire).ttl_seconds == 0


def test_authority_and_additional_of_a_positive_answer_are_left_out() -> None:
    wire = message(
        ("a.example. 300 IN A 192.0.2.1",), ("example. 300 IN NS ns.example.",), ("ns.example. 300 IN A 192.0.2.9",)
    )
    assert read(wire).authorities == 0
    assert b"\xc0\x00\x02\x09" not in read(wire).body


def test_of_the_authority_of_a_positive_answer_a_validating_client_gets_the_proofs_alone() -> None:
    answer = ("a.example. 300 IN A 192.0.2.1",)
    proof = "*.example. 60 IN NSEC b.example. A RRSIG NSEC"
    signature = "*.example. 60 IN RRSIG NSEC 13 2 60 20300101000000 20200101000000 1 example. AAAA"
    servers = "example. 5 IN NS ns.example."
    signed = "example. 5 IN RRSIG NS 13 1 5 20300101000000 20200101000000 1 example. AAAA"
    bare = read(message(answer, (servers, signed)), keep_authority=True)
    assert (bare.authorities, bare.ttl_seconds) == (0, 300)
    proven = read(message(answer, (proof, signature, servers, signed)), keep_authority=True)
    assert (proven.authorities, proven.ttl_seconds) == (2, 60)
    assert b"\x02ns" not in proven.body
    behind = read(message(answer, (servers, proof, signature)), keep_authority=True)
    assert (behind.authorities, behind.ttl_seconds) == (2, 60)
    assert b"\x02ns" not in behind.body


def test_a_negative_answer_lives_by_the_soa_minimum() -> None:
    answer = read(message(authority=SOA, rcode=3))
    assert (answer.negative, answer.ttl_seconds, answer.authorities) == (True, 60, 1)


def test_an_soa_that_is_none_makes_an_answer_unusable() -> None:
    wire = message(authority=SOA, rcode=3)
    numbers = struct.pack("!5I", 1, 2, 3, 4, 60)
    at = wire.index(numbers)
    assert read(wire[:at] + numbers + wire[at + 20 :]).negative
    length_at = wire.index(b"\x00\x00\x01\x2c") + 4
    length = int.from_bytes(wire[length_at : length_at + 2], "big")
    for cut in (4, 20, length - 1, length):
        shorter = wire[:length_at] + (length - cut).to_bytes(2, "big") + wire[length_at + 2 : at + 20 - cut]
        with pytest.raises(FormatError):
            read(shorter)


def test_a_signature_that_does_not_say_of_what_is_refused() -> None:
    wire = message(("a.example. 300 IN A 10.0.0.1",))
    for length in (0, 1):
        signature = b"\xc0\x0c\x00\x2e\x00\x01\x00\x00\x01\x2c" + length.to_bytes(2, "big") + bytes(length)
        with pytest.raises(FormatError):
            read(wire[:6] + b"\x00\x02" + wire[8:] + signature, keep_authority=True)


def test_a_negative_answer_without_soa_has_no_lifetime() -> None:
    assert read(message(rcode=3)).ttl_seconds == 0


def test_a_chain_that_ends_without_the_asked_type_is_negative() -> None:
    answer = read(message(("a.example. 300 IN CNAME b.example.",), SOA))
    assert answer.negative
    assert answer.ttl_seconds == 60


def test_foreign_records_are_left_out() -> None:
    wire = message(("a.example. 300 IN A 192.0.2.1", "bank.example. 9999 IN A 203.0.113.66"))
    answer = read(wire)
    assert answer.answers == 1
    assert b"\xcb\x00\x71\x42" not in answer.body


@pytest.mark.parametrize("keep_authority", [False, True])
@pytest.mark.parametrize("rcode", [0, 3])
def test_a_negative_answer_brings_no_delegation_and_no_soa_of_others(rcode: int, keep_authority: bool) -> None:
    authority = (
        "example. 300 IN NS ns.attacker.test.",
        "victim.test. 300 IN NS ns.attacker.test.",
        "victim.test. 300 IN SOA ns.attacker.test. host.example. 1 2 3 4 5",
        *SOA,
    )
    answer = read(
        message((), authority, ("ns.attacker.test. 300 IN A 192.0.2.66",), rcode=rcode), keep_authority=keep_authority
    )
    assert (answer.authorities, answer.ttl_seconds, answer.negative) == (1, 60, True)
    assert b"attacker" not in answer.body
    assert b"victim" not in answer.body


def test_proofs_that_a_name_is_not_there_reach_those_who_validate_alone() -> None:
    authority = (*SOA, "example. 300 IN NSEC b.example. A NS")
    wire = message((), authority, rcode=3)
    assert read(wire, keep_authority=True).authorities == 2
    assert read(wire).authorities == 1


def test_a_dname_of_the_chain_is_kept() -> None:
    wire = message(
        (
            "old.example. 300 IN DNAME new.example.",
            "a.old.example. 300 IN CNAME a.new.example.",
            "a.new.example. 300 IN A 192.0.2.1",
        ),
        name="a.old.example",
    )
    assert read(wire, "a.old.example").answers == 3


def test_targets_of_https_records_are_told_and_the_owner_itself_is_not() -> None:
    wire = message(
        ("a.example. 300 IN HTTPS 1 svc.claude.ai. alpn=h2", "a.example. 300 IN HTTPS 2 . alpn=h2"), qtype="HTTPS"
    )
    assert read(wire, qtype=Type.HTTPS).targets == (key_of(parse_name("svc.claude.ai")),)


def test_a_cname_loop_and_an_endless_chain_are_refused() -> None:
    with pytest.raises(FormatError, match="loop"):
        read(message(("a.example. 1 IN CNAME b.example.", "b.example. 1 IN CNAME a.example.")))
    names = ["a.example."] + [f"n{number}.example." for number in range(MAX_CHAIN + 2)]
    chain = tuple(f"{owner} 1 IN CNAME {target}" for owner, target in itertools.pairwise(names))
    with pytest.raises(FormatError, match="chain"):
        read(message(chain))


def test_an_alias_that_is_asked_for_itself_is_not_followed() -> None:
    loop = read(message(("a.example. 300 IN CNAME a.example.",), qtype="CNAME"), qtype=Type.CNAME)
    assert (loop.answers, loop.negative, loop.ttl_seconds) == (1, False, 300)
    lines = ("a.example. 300 IN CNAME b.example.", "b.example. 300 IN CNAME c.example.")
    alias = read(message(lines, qtype="CNAME"), qtype=Type.CNAME)
    assert alias.answers == 1
    assert alias.targets == (key_of(parse_name("b.example")),)


def test_what_leads_to_more_names_or_addresses_than_can_be_judged_is_refused() -> None:
    few, many = (
        tuple(f"a.example. 300 IN HTTPS {number + 1} s{number}.example." for number in range(count))
        for count in (MAX_TARGETS, MAX_TARGETS + 1)
    )
    assert len(read(message(few, qtype="HTTPS"), qtype=Type.HTTPS).targets) == MAX_TARGETS
    with pytest.raises(FormatError, match="leads to more"):
        read(message(many, qtype="HTTPS"), qtype=Type.HTTPS)
    hints = ",".join(f"192.0.{number // 250}.{number % 250}" for number in range(MAX_RECORDS + 1))
    with pytest.raises(FormatError, match="leads to more"):
        read(message((f"a.example. 300 IN HTTPS 1 . ipv4hint={hints}",), qtype="HTTPS"), qtype=Type.HTTPS)


def test_names_are_whole_once_foreign_records_are_out() -> None:
    records = (
        "Foreign.example. 300 IN A 192.0.2.9",
        "a.example. 300 IN CNAME Long.Name.Foreign.example.",
        "Long.Name.Foreign.example. 300 IN MX 10 mail.Foreign.example.",
    )
    left = read(message(records, SOA, qtype="MX"), qtype=dns.rdatatype.MX)
    whole = (
        message(qtype="MX")[:4] + b"\x00\x01" + left.answers.to_bytes(2, "big") + bytes(4) + message(qtype="MX")[12:]
    )
    said = dns.message.from_wire(whole + left.body)
    assert [rrset.to_text() for rrset in said.answer] == [
        "a.example. 300 IN CNAME Long.Name.Foreign.example.",
        "Long.Name.Foreign.example. 300 IN MX 10 mail.Foreign.example.",
    ]


def test_a_pointer_that_points_forward_is_refused() -> None:
    wire = bytearray(message(("a.example. 300 IN A 192.0.2.1",)))
    at = wire.index(b"\xc0\x0c")
    wire[at : at + 2] = b"\xff\xff"
    with pytest.raises(FormatError):
        read(bytes(wire))


def packet(record: bytes, name: bytes = b"\x01a\x07example\x00") -> bytes:
    """As many of a record as fit into a message."""
    question = name + b"\x00\x01\x00\x01"
    count = min((65535 - 12 - len(question)) // len(record), 1000)
    return b"\x00\x07\x81\x80\x00\x01" + count.to_bytes(2, "big") + bytes(4) + question + record * count


DEEP = b"\x01a" * 120 + b"\x00"  # a name of as many labels as there can be
WORST = {
    "cnames to themselves": packet(b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c"),
    "dnames of the root": packet(b"\x00\x00\x27\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c", DEEP),
    "deep dnames": packet(b"\xc0\x0c\x00\x27\x00\x01\x00\x00\x00\x00\x00\x02\xc0\x0c", DEEP),
    "deep foreign names": packet(DEEP[2:] + b"\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00", DEEP),
    "foreign addresses": packet(b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00"),
}


@pytest.mark.parametrize("kind", WORST)
def test_the_worst_answers_of_64_kib_are_read_in_little_time(kind: str) -> None:
    wire = WORST[kind]
    name = wire[12 : wire.index(b"\x00", 12) + 1]
    took = []
    for _ in range(3):
        began = time.process_time()
        with contextlib.suppress(FormatError):
            read_answer(wire, name, Type.A, keep_authority=False)
        took.append(time.process_time() - began)
    assert min(took) < 0.01


@given(st.binary(max_size=400))
def test_any_bytes_behind_a_matching_question_are_an_answer_or_a_format_error(rest: bytes) -> None:
    question = message()[12:]
    for counts in (b"\x00\x01\x00\x01\x00\x01", rest[:6].ljust(6, b"\x01")):
        with contextlib.suppress(FormatError):
            read(b"\x00\x00\x81\x80\x00\x01" + counts + question + rest, keep_authority=True)


@given(st.data())
def test_a_mutated_answer_is_an_answer_or_a_format_error(data: st.DataObject) -> None:
    wire = bytearray(
        message(
            ("a.example. 300 IN CNAME b.example.", "b.example. 60 IN A 192.0.2.1", "x.example. 60 IN A 192.0.2.1"), SOA
        )
    )
    for _ in range(data.draw(st.integers(1, 6))):
        wire[data.draw(st.integers(26, len(wire) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(FormatError):
        read(bytes(wire), keep_authority=True)


# Only what question and DO asked for


SIGNED = "13 2 300 20300101000000 20200101000000 1 example. AAAA"
FOREIGN_TYPES = (
    "a.example. 300 IN A 192.0.2.1",
    "a.example. 300 IN AAAA 2001:db8::1",
    'a.example. 300 IN TXT "beside"',
    "a.example. 300 IN MX 10 mail.example.",
    f"a.example. 300 IN RRSIG A {SIGNED}",
    f"a.example. 300 IN RRSIG TXT {SIGNED}",
    "a.example. 300 IN NSEC b.example. A",
    "a.example. 300 IN DNSKEY 257 3 13 AAAA",
)


def told(answer: Answer, name: str = "a.example", qtype: str = "A") -> dns.message.Message:
    """What a client is told, as another implementation reads it."""
    head = message(name=name, qtype=qtype)
    counts = answer.answers.to_bytes(2, "big") + answer.authorities.to_bytes(2, "big") + bytes(2)
    return dns.message.from_wire(head[:6] + counts + head[12:] + answer.body, one_rr_per_rrset=True)


def types(answer: Answer, qtype: str = "A") -> list[str]:
    return [
        "RRSIG " + dns.rdatatype.to_text(rrset.covers) if rrset.rdtype == 46 else dns.rdatatype.to_text(rrset.rdtype)
        for rrset in told(answer, qtype=qtype).answer
    ]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("qtype", "plain", "signed"),
    [
        ("A", ["A"], ["A", "RRSIG A"]),
        ("AAAA", ["AAAA"], ["AAAA"]),
        ("TXT", ["TXT"], ["TXT", "RRSIG TXT"]),
        ("MX", ["MX"], ["MX"]),
        ("NSEC", ["NSEC"], ["NSEC"]),
        ("DNSKEY", ["DNSKEY"], ["DNSKEY"]),
        ("SRV", [], []),
    ],
)
def test_an_answer_has_the_asked_type_alone_and_with_do_its_signatures(
    qtype: str, plain: list[str], signed: list[str], backwards: bool
) -> None:
    lines = FOREIGN_TYPES[::-1] if backwards else FOREIGN_TYPES
    wire, number = message(lines, qtype=qtype), dns.rdatatype.from_text(qtype)
    assert types(read(wire, qtype=number), qtype) == plain
    assert types(read(wire, qtype=number, keep_authority=True), qtype) == signed
    assert read(wire, qtype=number).negative is (not plain)


def test_signatures_that_are_asked_for_by_themselves_come_without_do() -> None:
    wire = message(FOREIGN_TYPES, qtype="RRSIG")
    for keep_authority in (False, True):
        kept = read(wire, qtype=Type.RRSIG, keep_authority=keep_authority)
        assert sorted(types(kept, "RRSIG")) == ["RRSIG A", "RRSIG TXT"]


def test_signatures_along_a_chain_come_with_do_alone_each_behind_its_set() -> None:
    lines = (
        f"b.example. 300 IN RRSIG A {SIGNED}",
        "b.example. 300 IN A 192.0.2.1",
        f"a.example. 300 IN RRSIG CNAME {SIGNED}",
        "a.example. 300 IN CNAME b.example.",
    )
    assert types(read(message(lines))) == ["CNAME", "A"]
    assert types(read(message(lines), keep_authority=True)) == ["CNAME", "RRSIG CNAME", "A", "RRSIG A"]


def test_a_record_of_another_class_is_left_out() -> None:
    wire = message(("a.example. 300 IN A 192.0.2.1",))
    at = wire.index(b"\xc0\x0c\x00\x01\x00\x01")
    chaos = read(wire[: at + 5] + b"\x03" + wire[at + 6 :])
    assert (chaos.answers, chaos.negative) == (0, True)


def test_many_records_beside_what_was_asked_for_do_not_make_an_answer_unusable() -> None:
    many = tuple(f"a.example. 300 IN A 192.0.{number // 250}.{number % 250}" for number in range(600))
    answer = read(message((*many, f"a.example. 300 IN RRSIG A {SIGNED}")))
    assert answer.answers == 600
    assert len(told(answer).answer) == 600


def test_of_the_authority_of_a_negative_answer_no_set_comes_that_proves_nothing() -> None:
    authority = (
        *SOA,
        f"example. 300 IN RRSIG SOA {SIGNED}",
        f"example. 300 IN RRSIG NS {SIGNED}",
        "example. 300 IN NS ns.example.",
        f"example. 300 IN RRSIG NSEC {SIGNED}",
        "example. 300 IN NSEC b.example. NS",
    )
    assert read(message((), authority)).authorities == 1
    assert read(message((), authority), keep_authority=True).authorities == 4


# Aliases


def test_of_several_aliases_of_one_name_the_one_that_is_followed_is_passed_on() -> None:
    lines = (
        "a.example. 300 IN CNAME b.example.",
        "a.example. 300 IN CNAME c.example.",
        "c.example. 300 IN A 192.0.2.3",
        "b.example. 300 IN A 192.0.2.2",
    )
    answer = read(message(lines))
    assert [rrset.to_text() for rrset in told(answer).answer] == [lines[0], lines[3]]
    assert answer.targets == (key_of(parse_name("b.example")),)
    alone = read(message(lines[:2], qtype="CNAME"), qtype=Type.CNAME)
    assert (alone.answers, alone.targets) == (1, (key_of(parse_name("b.example")),))


def test_beside_data_of_the_asked_type_an_alias_is_left_out() -> None:
    lines = ("a.example. 300 IN CNAME b.example.", "b.example. 300 IN A 192.0.2.2", "a.example. 300 IN A 192.0.2.1")
    answer = read(message(lines))
    assert [rrset.to_text() for rrset in told(answer).answer] == [lines[2]]
    assert answer.targets == ()


@pytest.mark.parametrize("keep_authority", [False, True])
def test_from_a_dname_alone_the_alias_is_made(keep_authority: bool) -> None:
    lines = ("old.example. 77 IN DNAME new.test.", "z.y.new.test. 300 IN A 192.0.2.1")
    answer = read(message(lines, name="z.y.old.example"), "z.y.old.example", keep_authority=keep_authority)
    assert [rrset.to_text() for rrset in told(answer, "z.y.old.example").answer] == [
        "old.example. 77 IN DNAME new.test.",
        "z.y.old.example. 77 IN CNAME z.y.new.test.",
        "z.y.new.test. 77 IN A 192.0.2.1",
    ]
    assert answer.targets == (key_of(parse_name("z.y.new.test")),)
    assert not answer.negative


def test_a_dname_behind_an_alias_and_one_behind_a_dname_are_followed() -> None:
    lines = (
        "a.example. 300 IN CNAME x.old.example.",
        "x.newer.example. 300 IN A 192.0.2.1",
        "new.example. 300 IN DNAME newer.example.",
        "old.example. 300 IN DNAME new.example.",
    )
    answer = read(message(lines))
    assert types(answer) == ["CNAME", "DNAME", "CNAME", "DNAME", "CNAME", "A"]
    targets = ("x.old.example", "x.new.example", "x.newer.example")
    assert answer.targets == tuple(key_of(parse_name(name)) for name in targets)


def test_an_alias_that_does_not_follow_from_its_dname_is_replaced() -> None:
    lines = (
        "old.example. 300 IN DNAME new.example.",
        "a.old.example. 300 IN CNAME elsewhere.example.",
        "elsewhere.example. 300 IN A 192.0.2.66",
        "a.new.example. 300 IN A 192.0.2.1",
    )
    answer = read(message(lines, name="a.old.example"), "a.old.example")
    assert [rrset.to_text() for rrset in told(answer, "a.old.example").answer] == [
        lines[0],
        "a.old.example. 300 IN CNAME a.new.example.",
        lines[3],
    ]


@pytest.mark.parametrize("beside", ["a.new.example. 300 IN CNAME b.example.", "a.old.example. 9 IN CNAME x.example."])
def test_asked_for_the_alias_itself_below_a_dname_it_is_made_and_not_followed(beside: str) -> None:
    lines = ("old.example. 300 IN DNAME new.example.", beside)
    answer = read(message(lines, name="a.old.example", qtype="CNAME"), "a.old.example", Type.CNAME)
    kept = told(answer, "a.old.example", "CNAME").answer
    assert [rrset.to_text() for rrset in kept] == [lines[0], "a.old.example. 300 IN CNAME a.new.example."]
    assert not answer.negative


@pytest.mark.parametrize("name", ["old.example", "notold.example", "a.bold.example"])
def test_a_dname_says_nothing_of_its_own_name_nor_of_others(name: str) -> None:
    lines = ("old.example. 300 IN DNAME new.example.", f"{name}. 300 IN A 192.0.2.1")
    answer = read(message(lines, name=name), name)
    assert [rrset.to_text() for rrset in told(answer, name).answer] == [lines[1]]


def test_a_dname_that_makes_a_name_too_long_is_yxdomain() -> None:
    label = "x" * 60
    lines = (f"old.example. 300 IN DNAME {label}.{label}.{label}.example.",)
    name = f"{label}.{label}.old.example"
    answer = read(message(lines, name=name, rcode=6), name)
    assert (answer.rcode, answer.answers, answer.negative, answer.leads_on) == (6, 1, False, None)
    assert read(message(lines, name=name), name).rcode == 6


@given(st.data())
def test_whatever_aliases_there_are_the_names_passed_on_are_those_that_are_told(data: st.DataObject) -> None:
    owners = ["a.example", "b.example", "x.b.example", "c.test", "x.c.test", "b.c.test"]
    kinds = st.tuples(st.sampled_from(owners), st.sampled_from(["CNAME", "DNAME"]), st.sampled_from(owners))
    lines = [f"{owner}. 300 IN {kind} {target}." for owner, kind, target in data.draw(st.lists(kinds, max_size=8))]
    lines += [f"{owner}. 300 IN A 192.0.2.1" for owner in data.draw(st.lists(st.sampled_from(owners), max_size=3))]
    name = data.draw(st.sampled_from(owners))
    try:
        answer = read(message(tuple(data.draw(st.permutations(lines))), name=name), name)
    except FormatError:
        return
    at, passed = f"{name}.", []
    for rrset in told(answer, name).answer:
        owner = rrset.name.to_text()
        if rrset.rdtype == Type.DNAME:
            assert at.endswith(f".{owner}")
            continue
        assert owner == at, "each record stands where the one before leads"
        if rrset.rdtype == Type.CNAME:
            at = rrset[0].target.to_text()
            passed.append(key_of(parse_name(at)))
    assert answer.targets == tuple(passed)


@given(st.lists(st.ip_addresses(v=4), min_size=1, max_size=6))
def test_an_answer_is_called_public_where_none_of_its_addresses_is_private(found: list[ipaddress.IPv4Address]) -> None:
    query = dns.message.make_query("www.example.com", "A")
    message = dns.message.make_response(query)
    message.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", "A", *map(str, found)))
    qname = parse_name("www.example.com")
    read = read_answer(message.to_wire(), qname, Type.A, keep_authority=False)
    assert read.is_public == (not any(is_private(address.packed) for address in found))


@pytest.mark.parametrize(
    ("qtype", "data", "is_public"), [("AAAA", "2001:db8::1", False), ("MX", "1 mx.example.", True)]
)
def test_of_other_types_only_those_without_addresses_are_called_public(qtype: str, data: str, is_public: bool) -> None:
    query = dns.message.make_query("www.example.com", qtype)
    message = dns.message.make_response(query)
    message.answer.append(dns.rrset.from_text("www.example.com.", 60, "IN", qtype, data))
    rtype = dns.rdatatype.from_text(qtype)
    read = read_answer(message.to_wire(), parse_name("www.example.com"), rtype, keep_authority=False)
    assert read.is_public is is_public
