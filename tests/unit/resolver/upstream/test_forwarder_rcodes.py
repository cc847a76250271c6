"""What servers say instead of an answer: rcodes of twelve bits, and referrals."""

from __future__ import annotations

import asyncio

import dns.edns
import dns.message
import dns.rcode
import dns.rrset
import pytest

from resolver.errors import UpstreamBadAnswer, UpstreamLame
from resolver.upstream import inquiry
from resolver.upstream.forwarder import Forwarder
from tests.unit.resolver.upstream.stub import Asked, Behaviour, answers, ask, question, reply, stays_silent

FORMERR, NOTIMP, YXDOMAIN, BADVERS = 1, 4, 6, 16
WITHOUT_OPT, WITH_OPT = False, True


def says(rcode: int, *, opt: bool = True) -> Behaviour:
    """A whole response with an rcode of up to twelve bits; those above 15 need an OPT record."""

    def behaviour(query: bytes) -> list[bytes]:
        asked = dns.message.from_wire(query)
        response = dns.message.make_response(asked, recursion_available=True)
        if asked.edns >= 0:
            cookies = [each for each in asked.options if each.otype == dns.edns.OptionType.COOKIE]
            response.use_edns(0, options=cookies)
        elif rcode > 15:
            response.use_edns(0)
        response.set_rcode(dns.rcode.Rcode(rcode))
        if not opt and rcode <= 15:
            response.use_edns(False)
        return [response.to_wire()]

    return behaviour


def has_edns(query: bytes) -> bool:
    return dns.message.from_wire(query).edns >= 0


def knows_no_edns(rcode: int, *, opt: bool) -> Behaviour:
    """A server that answers with this rcode whatever has an OPT record."""
    return lambda query: says(rcode, opt=opt)(query) if has_edns(query) else answers(query)


def ask_with_do(forwarder: Forwarder) -> Asked:
    asked = Asked()
    forwarder.ask(question(), dnssec_ok=True, checking_disabled=False, done=asked.done)
    return asked


@pytest.mark.parametrize("rcode", [1, 2, 4, 5, 7, 8, 9, 10, 11, 12, 15, 16, 17, 22, 255, 256, 3841, 4095])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_an_rcode_that_is_no_answer_is_that_servers_failure_and_the_next_one_is_asked(
    start_stub, forwarder_for, rcode: int, transport: str
) -> None:
    bad, good = await start_stub(says(rcode), says(rcode)), await start_stub()
    forwarder = forwarder_for(bad.settings(transport), good, timeout_seconds=2.0)
    assert await ask(forwarder).answer() == reply(good.queries[0])
    assert forwarder.servers[0].bad_answers >= 1
    assert not forwarder.servers[0].is_down
    alone = forwarder_for(bad.settings(transport), timeout_seconds=2.0)
    error = await ask(alone).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert error.rcode == rcode


@pytest.mark.parametrize("rcode", [0, 3, YXDOMAIN])
async def test_what_is_there_and_what_is_not_are_answers(start_stub, forwarder_for, rcode: int) -> None:
    one, other = await start_stub(says(rcode)), await start_stub()
    assert dns.message.from_wire(await ask(forwarder_for(one, other)).answer()).rcode() == rcode
    assert not other.queries


@pytest.mark.parametrize("opt", [WITHOUT_OPT, WITH_OPT], ids=["without OPT", "with OPT"])
@pytest.mark.parametrize("rcode", [FORMERR, NOTIMP, BADVERS])
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_server_that_does_not_take_edns_is_asked_without_it_before_any_other(
    start_stub, forwarder_for, rcode: int, opt: bool, transport: str
) -> None:
    behaviour = knows_no_edns(rcode, opt=opt)
    old, other = await start_stub(behaviour, behaviour), await start_stub()
    forwarder = forwarder_for(old.settings(transport), other, timeout_seconds=2.0)
    await ask(forwarder).answer()
    assert not other.queries
    seen = old.queries if transport == "udp" else old.tcp_queries
    assert not has_edns(seen[-1])
    assert len(seen) <= 3


async def test_that_a_server_knows_no_edns_is_remembered_for_a_while(start_stub, forwarder_for, clock) -> None:
    old = await start_stub(knows_no_edns(FORMERR, opt=WITHOUT_OPT))
    forwarder = forwarder_for(old)
    await ask(forwarder).answer()
    known = len(old.queries)
    for i in range(3):
        await ask(forwarder, question(f"n{i}.example")).answer()
    assert [has_edns(query) for query in old.queries[known:]] == [False] * 3
    assert forwarder.counts["without_edns"] == 1
    clock.ahead_seconds += inquiry.EDNS_AGAIN_SECONDS + 1
    await ask(forwarder, question("later.example")).answer()
    assert has_edns(old.queries[known + 3])


async def test_a_client_that_validates_has_its_questions_asked_with_edns_all_the_same(
    start_stub, forwarder_for
) -> None:
    old = await start_stub(knows_no_edns(FORMERR, opt=WITHOUT_OPT))
    forwarder = forwarder_for(old)
    await ask(forwarder).answer()
    known = len(old.queries)
    await ask_with_do(forwarder).answer()
    assert [has_edns(query) for query in old.queries[known:]][::2] == [True, False]


async def test_a_validating_client_loses_nothing_by_a_server_that_cannot_read_cookies(
    start_stub, forwarder_for
) -> None:
    def cannot_read_cookies(query: bytes) -> list[bytes]:
        asked = dns.message.from_wire(query)
        return says(FORMERR, opt=WITHOUT_OPT)(query) if asked.options else answers(query)

    stub = await start_stub(cannot_read_cookies)
    await ask_with_do(forwarder_for(stub)).answer()
    assert [has_edns(query) for query in stub.queries] == [True, True]


async def test_one_question_that_a_server_cannot_read_does_not_end_edns_for_the_others(
    start_stub, forwarder_for
) -> None:
    def dislikes_one_name(query: bytes) -> list[bytes]:
        return says(FORMERR)(query) if b"odd" in query else answers(query)

    stub = await start_stub(dislikes_one_name)
    forwarder = forwarder_for(stub)
    error = await ask(forwarder, question("odd.example")).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert error.rcode == FORMERR
    assert len(stub.queries) <= 3
    await ask(forwarder, question("www.example")).answer()
    assert has_edns(stub.queries[-1])


async def test_two_servers_at_once_that_know_no_edns_are_each_asked_without_it_once(start_stub, forwarder_for) -> None:
    stubs = [await start_stub(says(FORMERR, opt=WITHOUT_OPT)) for _ in range(2)]
    error = await ask(forwarder_for(*stubs, strategy="parallel", cookies=False)).error()
    assert isinstance(error, UpstreamBadAnswer)
    assert [len(stub.queries) for stub in stubs] == [2, 2]


async def test_an_answer_without_edns_that_is_truncated_comes_whole_over_tcp(start_stub, forwarder_for) -> None:
    def truncates(query: bytes) -> list[bytes]:
        return says(FORMERR, opt=WITHOUT_OPT)(query) if has_edns(query) else [reply(query, truncated=True)]

    stub = await start_stub(truncates, knows_no_edns(FORMERR, opt=WITHOUT_OPT))
    await ask(forwarder_for(stub, cookies=False)).answer()
    assert [has_edns(query) for query in stub.tcp_queries] == [False]


async def test_names_in_random_case_are_so_without_edns_too(start_stub, forwarder_for) -> None:
    stub = await start_stub(knows_no_edns(FORMERR, opt=WITHOUT_OPT))
    forwarder = forwarder_for(stub, random_case=True)
    for i in range(4):
        await ask(forwarder, question(f"a-long-enough-name-{i}.example")).answer()
    assert any(b"a-long-enough-name" not in query for query in stub.queries if not has_edns(query))


def refers(query: bytes) -> list[bytes]:
    response = dns.message.make_response(dns.message.from_wire(query))
    response.authority.append(dns.rrset.from_text("example.com.", 60, "IN", "NS", "ns.example.com."))
    response.additional.append(dns.rrset.from_text("ns.example.com.", 60, "IN", "A", "192.0.2.1"))
    return [response.to_wire()]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_server_that_refers_to_others_is_lame_and_the_next_one_is_asked(
    start_stub, forwarder_for, transport: str
) -> None:
    lame, good = await start_stub(refers, refers), await start_stub()
    forwarder = forwarder_for(lame.settings(transport), good, timeout_seconds=2.0)
    assert await ask(forwarder).answer() == reply(good.queries[0])
    assert forwarder.servers[0].bad_answers == 1
    assert "referral" in forwarder.servers[0].trouble
    assert isinstance(await ask(forwarder_for(lame.settings(transport))).error(), UpstreamLame)


@pytest.mark.slow
async def test_what_another_server_says_tells_more_than_a_referral(start_stub, forwarder_for) -> None:
    for others in (says(5), stays_silent):
        lame, other = await start_stub(refers), await start_stub(others)
        error = await ask(forwarder_for(lame, other)).error()
        assert isinstance(error, UpstreamBadAnswer)
        assert error.rcode == (5 if others is not stays_silent else None)
    await asyncio.sleep(0)
