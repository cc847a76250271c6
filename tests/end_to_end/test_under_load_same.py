"""Short forms of `make prove`: the same answers as unbound gives, and memory that stays flat."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import dns.flags
import dns.message
import dns.rrset
import pytest

from prove import soak
from prove.figures import missed
from prove.growth import Sample, grown_mib, more_descriptors
from prove.same import run as same_answers
from prove.same.answers import Seen, read
from prove.same.comparing import Exchange, judge

pytestmark = pytest.mark.alone


def test_thousands_of_questions_have_the_answers_that_unbound_gives(tmp_path: Path) -> None:
    assert not missed(same_answers.run(same_answers.SHORT, tmp_path), but_for_times=True)


def test_memory_and_descriptors_stay_in_bounds_under_old_and_new_queries(tmp_path: Path) -> None:
    assert not missed(soak.run(soak.SHORT, tmp_path), but_for_times=True)


def answer(query: dns.message.Message, *records: str, rcode: int = 0, flags: int = 0, authority: str = "") -> Seen:
    response = dns.message.make_response(query, recursion_available=True)
    response.flags |= flags
    response.set_rcode(rcode)  # type: ignore[arg-type]
    for section, lines in ((response.answer, records), (response.authority, (authority,) if authority else ())):
        for line in lines:
            owner, ttl, rdclass, rdtype, *rdata = line.split()
            section.append(dns.rrset.from_text(owner, int(ttl), rdclass, rdtype, " ".join(rdata)))
    return read(response.to_wire())


def exchange(query: dns.message.Message, ours: Seen, theirs: Seen, origin: Seen | None = None) -> Exchange:
    return Exchange(query, ours, theirs, ours, theirs, None, origin)


A = "a.example. 300 IN A 192.0.2.1"
OTHER_A = "a.example. 300 IN A 192.0.2.2"
ALIAS = "a.example. 300 IN CNAME b.example."
SOA = "example. 300 IN SOA ns.example. host.example. 1 2 3 4 60"


def test_the_comparison_sees_every_kind_of_difference() -> None:
    query = dns.message.make_query("a.example", "A")
    right = answer(query, A)
    assert judge(exchange(query, right, right)).kinds == ()
    for wrong, kind in (
        (answer(query, OTHER_A), "answer"),
        (answer(query, A, OTHER_A), "answer"),
        (answer(query, A, rcode=2), "rcode SERVFAIL for NOERROR"),
        (answer(query, A, flags=dns.flags.AA), "flag AA"),
        (answer(query, A, flags=dns.flags.AD), "flag AD"),
        (answer(query, A, authority=SOA), "authority"),
        (replace(right, question=b""), "question"),
        (replace(right, edns=(0, False, 1232)), "EDNS"),
    ):
        verdict = judge(exchange(query, wrong, right))
        assert (verdict.kinds, verdict.explanation) == ((kind,), None)


def test_an_alias_explains_only_what_the_upstream_itself_says() -> None:
    query = dns.message.make_query("a.example", "A")
    ours, theirs = answer(query, ALIAS), answer(query, rcode=2)
    assert judge(exchange(query, ours, theirs, origin=answer(query, ALIAS))).explanation is not None
    assert judge(exchange(query, ours, theirs, origin=answer(query, ALIAS, A))).explanation is None


def test_any_explains_one_hinfo_record_and_nothing_else() -> None:
    query = dns.message.make_query("a.example", "ANY")
    theirs = answer(query, A)
    hinfo = 'a.example. 60 IN HINFO "RFC8482" ""'
    assert judge(exchange(query, answer(query, hinfo), theirs)).explanation is not None
    assert judge(exchange(query, answer(query, hinfo, OTHER_A), theirs)).explanation is None
    assert judge(exchange(query, answer(query, OTHER_A), theirs)).explanation is None


def test_a_referral_explains_a_failure_and_nothing_else() -> None:
    query = dns.message.make_query("a.example", "A")
    lame, theirs = answer(query, rcode=2), answer(query)
    referral = answer(query, authority="example. 300 IN NS ns.example.")
    assert judge(exchange(query, lame, theirs, origin=referral)).explanation is not None
    assert judge(exchange(query, answer(query, OTHER_A, rcode=2), theirs, origin=referral)).explanation is None
    for origin in (
        answer(query, authority=SOA),
        answer(query, A, authority="example. 300 IN NS ns.example."),
        answer(query, authority="example. 300 IN NS ns.example.", flags=dns.flags.AA),
        answer(query, authority="b.example. 300 IN NS ns.example."),
    ):
        assert judge(exchange(query, lame, theirs, origin=origin)).explanation is None


def test_a_local_name_explains_another_soa_but_no_other_data() -> None:
    query = dns.message.make_query("a.onion", "A")
    theirs = answer(query, rcode=3, authority="onion. 1 IN SOA localhost. nobody. 1 2 3 4 5")
    soa = "onion. 1 IN SOA moatdns.invalid. nobody.invalid. 1 2 3 4 5"
    assert judge(exchange(query, answer(query, rcode=3, authority=soa), theirs)).explanation is not None
    assert judge(exchange(query, answer(query, rcode=0, authority=soa), theirs)).explanation is None
    assert judge(exchange(query, answer(query, "a.onion. 1 IN A 192.0.2.1", rcode=3), theirs)).explanation is None


def test_growth_is_that_of_the_line_behind_the_warm_up() -> None:
    flat = [Sample(float(at), 100.0 + at % 2, 50) for at in range(100)]
    filling = [Sample(float(at), min(50.0 + 4 * at, 150.0), 50) for at in range(101)]
    leaking = [Sample(float(at), 100.0 + at / 2, 50 + at // 10) for at in range(101)]
    assert abs(grown_mib(flat)) < 0.1
    assert grown_mib(filling) == pytest.approx(0.0, abs=0.1)
    assert grown_mib(leaking) == pytest.approx(37.5, rel=0.01)
    assert (more_descriptors(flat), more_descriptors(leaking)) == (0, 6)
