"""Aliases that lead on: answers that end in a CNAME and say nothing of its target are followed."""

from __future__ import annotations

import asyncio

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.answering.rebinding import RebindingGuard
from resolver.errors import UpstreamBadAnswer, UpstreamTimeout
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.names import key_of, parse_name
from tests.support.examples import examples
from tests.unit.resolver.answering.test_pipeline import Served, addresses, policy

SOA = "target.example. 300 IN SOA ns.target.example. host.target.example. 1 2 3 4 60"
ALIAS = "alias.example. 300 IN CNAME www.far.example."
TARGET = "www.far.example. 200 IN A 192.0.2.1"
EXEMPT = "127.0.0.2"


@pytest.fixture
async def served() -> Served:
    return Served(policy(), asyncio.get_running_loop())


def told(answers: list[dns.message.Message]) -> list[str]:
    (answer,) = answers
    return [line for rrset in answer.answer for line in rrset.to_text().splitlines()]


def reason(answers: list[dns.message.Message]) -> tuple[int, str]:
    (answer,) = answers
    assert answer.rcode() == dns.rcode.SERVFAIL
    (option,) = answer.options
    return option.code, option.text  # type: ignore[attr-defined]


async def test_the_target_of_an_alias_of_which_nothing_is_said_is_asked_for(served: Served) -> None:
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    assert (waiting, served.upstream.names) == ([], ["www.far.example"])
    served.upstream.answer(TARGET)
    assert told(waiting) == ["alias.example. 200 IN CNAME www.far.example.", "www.far.example. 200 IN A 192.0.2.1"]
    for name in ("alias.example", "ALIAS.example", "www.far.example"):
        assert addresses(served.ask(name)) == ["192.0.2.1"]
    assert not served.upstream.asked
    assert served.resolver.waiting == 0


async def test_each_alias_of_a_chain_is_asked_for_of_whoever_knows_it(served: Served) -> None:
    waiting = served.ask("alias.example", qtype="TXT")
    served.upstream.answer("alias.example. 300 IN CNAME b.example.", "b.example. 300 IN CNAME c.test1.")
    served.upstream.answer("c.test1. 300 IN DNAME d.test2.", "c.test1. 300 IN CNAME e.test3.")
    served.upstream.answer('e.test3. 300 IN TXT "at last"')
    assert [line.split()[-1] for line in told(waiting)] == ["b.example.", "c.test1.", "e.test3.", 'last"']


@pytest.mark.parametrize("rcode", [0, 3])
async def test_an_alias_beside_an_soa_is_final(served: Served, rcode: int) -> None:
    waiting = served.ask("alias.example")
    served.upstream.answer("alias.example. 300 IN CNAME www.target.example.", authority=(SOA,), rcode=rcode)
    assert told(waiting) == ["alias.example. 60 IN CNAME www.target.example."]
    assert (waiting[0].rcode(), len(waiting[0].authority), served.upstream.asked) == (rcode, 1, [])


async def test_an_alias_to_a_name_that_is_denied_is_final(served: Served) -> None:
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS, rcode=3)
    assert (waiting[0].rcode(), served.upstream.asked) == (dns.rcode.NXDOMAIN, [])


async def test_an_alias_that_is_asked_for_itself_is_not_followed(served: Served) -> None:
    waiting = served.ask("alias.example", qtype="CNAME")
    served.upstream.answer(ALIAS)
    assert (told(waiting), served.upstream.asked) == ([ALIAS], [])


@pytest.mark.parametrize("rcode", [0, 3])
async def test_that_a_target_has_nothing_is_told_with_its_soa_and_kept_as_long_as_that_says(
    served: Served, rcode: int
) -> None:
    waiting = served.ask("alias.example", qtype="AAAA")
    served.upstream.answer("alias.example. 300 IN CNAME www.target.example.")
    served.upstream.answer(authority=(SOA,), rcode=rcode)
    assert told(waiting) == ["alias.example. 60 IN CNAME www.target.example."]
    (soa,) = waiting[0].authority
    assert (waiting[0].rcode(), soa.name.to_text(), soa[0].mname.to_text()) == (
        rcode,
        "target.example.",
        "ns.target.example.",
    )
    served.now += 59
    assert served.ask("alias.example", qtype="AAAA")
    served.now += 1
    assert not served.ask("alias.example", qtype="AAAA")


async def test_a_target_without_data_and_without_soa_is_asked_for_once_and_not_kept(served: Served) -> None:
    waiting = served.ask("alias.example", qtype="AAAA")
    served.upstream.answer(ALIAS)
    served.upstream.answer()
    assert (told(waiting), served.upstream.asked) == (["alias.example. 0 IN CNAME www.far.example."], [])
    assert not served.ask("alias.example", qtype="AAAA")


async def test_many_aliases_of_one_target_ask_for_it_once(served: Served) -> None:
    waiting = [served.ask(f"a{number}.example") for number in range(5)]
    for number in range(5):
        served.upstream.answer(f"a{number}.example. 300 IN CNAME www.far.example.")
    direct = served.ask("www.far.example")
    assert served.upstream.names == ["www.far.example"]
    served.upstream.answer(TARGET)
    assert all(addresses(each) == ["192.0.2.1"] for each in (*waiting, direct))
    late = served.ask("late.example")
    served.upstream.answer("late.example. 300 IN CNAME www.far.example.")
    assert (addresses(late), served.upstream.asked) == (["192.0.2.1"], [])
    assert served.resolver.waiting == 0


async def test_those_who_ask_for_an_alias_at_once_share_all_of_the_way(served: Served) -> None:
    waiting = [served.ask("alias.example", f"127.0.1.{number}") for number in range(5)]
    served.upstream.answer(ALIAS)
    waiting += [served.ask("alias.example", f"127.0.2.{number}") for number in range(5)]
    assert served.upstream.names == ["www.far.example"]
    served.upstream.answer(TARGET)
    assert all(addresses(each) == ["192.0.2.1"] for each in waiting)


async def test_an_alias_lives_no_longer_than_what_was_left_of_its_target(served: Served) -> None:
    served.ask("www.far.example")
    served.upstream.answer(TARGET)
    served.now += 150.5
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    assert {rrset.ttl for rrset in waiting[0].answer} == {50}


# What a client may have


async def test_a_target_that_is_blocked_for_all_who_wait_is_not_asked_for(served: Served) -> None:
    waiting = served.ask("alias.example")
    served.upstream.answer("alias.example. 300 IN CNAME acme.ai.")
    assert (addresses(waiting), served.upstream.asked) == (["0.0.0.0"], [])
    assert addresses(served.ask("ALIAS.example", "127.0.0.9")) == ["0.0.0.0"]
    assert not served.upstream.asked, "what was said of the alias is kept"
    exempt = served.ask("alias.example", EXEMPT)
    assert (exempt, served.upstream.names) == ([], ["acme.ai"])
    served.upstream.answer("acme.ai. 300 IN A 192.0.2.1")
    assert addresses(exempt) == ["192.0.2.1"]
    assert addresses(served.ask("aLIAS.example")) == ["0.0.0.0"]
    assert addresses(served.ask("aLIAS.example", EXEMPT)) == ["192.0.2.1"]
    assert served.resolver.waiting == 0


async def test_who_may_not_have_the_target_does_not_wait_for_it(served: Served) -> None:
    other, exempt = served.ask("alias.example"), served.ask("alias.example", EXEMPT)
    served.upstream.answer("alias.example. 300 IN CNAME acme.ai.")
    assert (addresses(other), exempt) == (["0.0.0.0"], [])
    served.upstream.answer("acme.ai. 300 IN A 192.0.2.1")
    assert addresses(exempt) == ["192.0.2.1"]
    assert served.resolver.waiting == 0


async def test_each_name_of_the_way_is_judged_before_it_is_asked_for(served: Served) -> None:
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.answer("www.far.example. 300 IN CNAME api.acme.ai.")
    assert (addresses(waiting), served.upstream.asked) == (["0.0.0.0"], [])
    assert addresses(served.ask("www.far.example")) == ["0.0.0.0"]
    assert not served.upstream.asked


async def test_a_name_that_is_allowed_lets_its_target_through() -> None:
    served = Served(policy(allow=("portal.example",)), asyncio.get_running_loop())
    waiting = served.ask("portal.example")
    served.upstream.answer("portal.example. 86400 IN CNAME acme.ai.")
    served.upstream.answer("acme.ai. 86400 IN A 192.0.2.1")
    assert addresses(waiting) == ["192.0.2.1"]
    assert {rrset.ttl for rrset in waiting[0].answer} == {60}


async def test_the_policy_in_force_when_an_alias_comes_says_whether_its_target_is_asked_for(served: Served) -> None:
    waiting = served.ask("alias.example", EXEMPT)
    served.pipeline.use(policy(exempt="127.0.0.3/32"))
    served.upstream.answer("alias.example. 300 IN CNAME acme.ai.")
    assert (addresses(waiting), served.upstream.asked) == (["0.0.0.0"], [])


def by_address(*networks: str) -> PolicySnapshot:
    rules = [RuleSource(Source("house", Rank.OWN), [SourceRule(parse_rule(f"ip:{text}")) for text in networks])]
    return policy_in_memory(
        compile_rules(rules), compile_groups([CompiledGroup("default", block=frozenset({"house"}))], [])
    )


async def test_the_addresses_at_the_end_are_judged() -> None:
    served = Served(by_address("192.0.2.0/24"), asyncio.get_running_loop())
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.answer(TARGET)
    assert addresses(waiting) == ["0.0.0.0"]


async def test_a_watched_client_gets_the_target(served: Served) -> None:
    rules = [RuleSource(Source("house", Rank.OWN), [SourceRule(parse_rule("acme.ai"))])]
    group = CompiledGroup("default", block=frozenset({"house"}), monitor=True)
    served.pipeline.use(policy_in_memory(compile_rules(rules), compile_groups([group], [])))
    waiting = served.ask("alias.example")
    served.upstream.answer("alias.example. 300 IN CNAME acme.ai.")
    served.upstream.answer("acme.ai. 300 IN A 192.0.2.1")
    assert addresses(waiting) == ["192.0.2.1"]


# The guard, DNSSEC, names that are answered here


def guarded(*private_names: str) -> Served:
    guard = RebindingGuard(key_of(parse_name(name)) for name in private_names)
    return Served(policy(), asyncio.get_running_loop(), guard=guard)


@pytest.mark.parametrize(
    ("private", "address", "kept"),
    [
        (("alias.example",), "10.0.0.1", []),
        (("far.example",), "10.0.0.1", ["10.0.0.1"]),
        ((), "10.0.0.1", []),
        ((), "192.0.2.1", ["192.0.2.1"]),
    ],
)
async def test_the_guard_judges_a_target_by_its_own_name(
    private: tuple[str, ...], address: str, kept: list[str]
) -> None:
    served = guarded(*private)
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.answer(f"www.far.example. 300 IN A {address}")
    assert addresses(waiting) == kept
    assert len(waiting[0].authority) == (0 if kept else 1), "an answer that was emptied here has an SOA"
    assert bool(waiting[0].options) is (not kept)


@pytest.mark.parametrize(
    ("target", "rcode"), [("localhost", 0), ("x.home.arpa", 3), ("1.0.0.10.in-addr.arpa", 3), ("gone.invalid", 3)]
)
async def test_names_that_are_answered_here_are_asked_of_nobody(target: str, rcode: int) -> None:
    served = guarded()
    waiting = served.ask("alias.example")
    served.upstream.answer(f"alias.example. 300 IN CNAME {target}.")
    assert (addresses(waiting), waiting[0].rcode(), served.upstream.asked) == ([], rcode, [])
    assert len(waiting[0].authority) == 1


@pytest.mark.parametrize(("first", "then"), [(True, True), (True, False), (False, True), (False, False)])
async def test_an_answer_is_authentic_only_if_every_part_is(served: Served, first: bool, then: bool) -> None:
    waiting = served.ask("alias.example", authentic=True)
    served.upstream.answer(ALIAS, authentic=first)
    served.upstream.answer(TARGET, authentic=then)
    assert bool(waiting[0].flags & dns.flags.AD) is (first and then)


async def test_signatures_and_proofs_of_all_parts_come_with_do_alone(served: Served) -> None:
    signed = "13 2 300 20300101000000 20200101000000 1 example. AAAA"
    proof = "*.example. 300 IN NSEC b.example. CNAME"
    for dnssec in (False, True):
        waiting = served.ask("alias.example", qtype="AAAA", dnssec=dnssec)
        served.upstream.answer(ALIAS, f"alias.example. 300 IN RRSIG CNAME {signed}", authority=(proof,))
        served.upstream.answer(authority=("far.example. 300 IN SOA ns.far.example. h.far.example. 1 2 3 4 60", proof))
        (answer,) = waiting
        kinds = [[dns.rdatatype.to_text(each.rdtype) for each in part] for part in (answer.answer, answer.authority)]
        assert kinds == ([["CNAME", "RRSIG"], ["NSEC", "SOA"]] if dnssec else [["CNAME"], ["SOA"]])


# When it goes wrong


def chain(length: int) -> list[str]:
    return [f"n{number}.example. 300 IN CNAME n{number + 1}.example." for number in range(length)]


async def test_a_chain_is_followed_for_eleven_aliases_and_no_more(served: Served) -> None:
    waiting = served.ask("n0.example")
    for line in chain(11):
        served.upstream.answer(line)
    served.upstream.answer("n11.example. 300 IN A 192.0.2.1")
    assert len(told(waiting)) == 12
    longer = served.ask("m.example")
    served.upstream.answer("m.example. 300 IN CNAME n0.example.")
    assert reason(longer) == (23, "unusable answer: a CNAME chain of more than 11")
    endless = served.ask("e0.example")
    asked = 0
    while served.upstream.asked:
        served.upstream.answer(f"e{asked}.example. 300 IN CNAME e{asked + 1}.example.")
        asked += 1
    assert reason(endless)[0] == 23
    assert asked == 12
    assert served.resolver.waiting == 0


async def test_a_circle_over_several_servers_fails_with_the_reason(served: Served) -> None:
    waiting = [served.ask(name) for name in ("a.example", "b.example", "c.example")]
    served.upstream.answer("a.example. 300 IN CNAME b.example.")
    served.upstream.answer("b.example. 300 IN CNAME c.example.")
    served.upstream.answer("c.example. 300 IN CNAME a.example.")
    assert served.upstream.asked == []
    for each in waiting:
        assert reason(each) == (23, "unusable answer: a CNAME chain with a loop")
    assert served.resolver.waiting == 0


async def test_why_a_target_cannot_be_had_is_told_and_remembered(served: Served) -> None:
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.fail(UpstreamTimeout("silence"))
    assert reason(waiting) == (22, "no upstream answers")
    assert reason(served.ask("alias.example")) == (22, "no upstream answers")
    assert reason(served.ask("www.far.example"))[0] == 22
    other = served.ask("other.example")
    served.upstream.answer("other.example. 300 IN CNAME www.far.example.")
    assert (reason(other)[0], served.upstream.asked) == (22, []), "a failure just seen is believed"


async def test_an_old_answer_stands_in_while_the_target_cannot_be_had(served: Served) -> None:
    served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.answer(TARGET)
    served.now += 1000
    waiting = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.fail(UpstreamBadAnswer("SERVFAIL", 2))
    assert (addresses(waiting), {rrset.ttl for rrset in waiting[0].answer}) == (["192.0.2.1"], {30})
    assert waiting[0].options[0].code == 3  # type: ignore[attr-defined]


async def test_a_target_that_is_silent_for_too_long_fails_in_time(served: Served) -> None:
    waiting = served.ask("alias.example")
    served.now += 4.45
    served.upstream.answer(ALIAS)
    assert waiting == []
    await asyncio.sleep(0.2)
    assert reason(waiting) == (22, "the target of an alias was not answered in time")
    assert served.counters.dropped["following_seconds"] == 1
    assert served.resolver.waiting == 1, "the target is still with the upstream"
    served.upstream.answer(TARGET)
    assert served.resolver.waiting == 0
    served.now += 2
    again = served.ask("alias.example")
    served.upstream.answer(ALIAS)
    assert addresses(again) == ["192.0.2.1"]


async def test_an_answer_is_asked_for_again_with_all_it_leads_to_before_it_is_over(served: Served) -> None:
    served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.answer("www.far.example. 300 IN A 192.0.2.1")
    served.now += 290
    assert addresses(served.ask("ALIAS.example")) == ["192.0.2.1"]
    served.upstream.answer(ALIAS)
    served.upstream.answer("www.far.example. 300 IN A 192.0.2.2")
    served.now += 1  # until then, the answer that is ready is given, in any letter case
    assert addresses(served.ask("aLIAS.example")) == ["192.0.2.2"]


async def test_who_has_waited_for_a_target_for_long_gets_the_old_answer_and_the_new_one_is_kept(served: Served) -> None:
    served.ask("alias.example")
    served.upstream.answer(ALIAS)
    served.upstream.answer(TARGET)
    served.now += 195
    served.ask("ALIAS.example")  # near its end it is asked for again
    served.now += 10
    waiting = served.ask("aLIAS.example")
    served.upstream.answer(ALIAS)
    assert (waiting, served.upstream.names) == ([], ["www.far.example"])
    await asyncio.sleep(0.01)
    assert (addresses(waiting), {rrset.ttl for rrset in waiting[0].answer}) == (["192.0.2.1"], {30})
    served.upstream.answer("www.far.example. 200 IN A 192.0.2.2")
    assert addresses(served.ask("alIAS.example")) == ["192.0.2.2"]
    assert served.resolver.waiting == 0


async def test_targets_of_one_domain_take_no_more_places_than_its_own_names_would(served: Served) -> None:
    for number in range(45):
        served.ask(f"n{number}.victim.example", f"127.0.2.{number}")
    waiting = [served.ask(f"a.example{number}", f"127.0.1.{number}") for number in range(10)]
    for number in range(10):
        served.upstream.answer(f"a.example{number}. 300 IN CNAME r{number}.victim.example.", place=45)
    assert len(served.upstream.asked) == 50
    failed = [each for each in waiting if each]
    assert [reason(each)[1] for each in failed] == ["too many queries are waiting for an upstream"] * 5
    assert served.counters.dropped["queries_in_flight_per_domain"] == 5
    while served.upstream.asked:
        served.upstream.fail(UpstreamTimeout("silence"))
    assert served.resolver.waiting == 0


async def test_below_a_name_that_somebody_denies_without_proof_there_may_be_names(served: Served) -> None:
    soa = "example. 300 IN SOA ns.example. h.example. 1 2 3 4 60"
    for name, authentic in (("ent.example", False), ("gone.example", True)):
        served.ask(name)
        served.upstream.answer(authority=(soa,), rcode=3, authentic=authentic)
    below = served.ask("www.ent.example")
    served.upstream.answer("www.ent.example. 300 IN A 192.0.2.1")
    assert addresses(below) == ["192.0.2.1"]
    assert served.ask("www.gone.example")[0].rcode() == dns.rcode.NXDOMAIN


@settings(max_examples=examples(25))
@given(st.data())
async def test_whatever_leads_where_and_comes_when_all_who_ask_are_answered_once(data: st.DataObject) -> None:
    """Names that lead to each other at random, of servers that answer, fail, or know the rest, in any order."""
    served = Served(policy(), asyncio.get_running_loop())
    names = [f"n{number}.example" for number in range(6)] + ["acme.ai", "localhost"]
    leads = {name: data.draw(st.sampled_from(["", "fails", "nothing", *names])) for name in names}
    clients = ["127.0.0.1", EXEMPT, "127.0.0.3"]
    waiting: list[tuple[str, str, list[dns.message.Message]]] = []
    for _ in range(data.draw(st.integers(1, 12))):
        if served.upstream.asked and data.draw(st.booleans()):
            _say(served, leads, data.draw(st.integers(0, len(served.upstream.asked) - 1)))
        else:
            name, client = data.draw(st.sampled_from(names)), data.draw(st.sampled_from(clients))
            waiting.append((name, client, served.ask(name, client)))
        served.now += data.draw(st.sampled_from([0, 0.5, 400]))
    while served.upstream.asked:
        _say(served, leads, data.draw(st.integers(0, len(served.upstream.asked) - 1)))
    assert served.resolver.waiting == 0
    for name, client, answers in waiting:
        assert len(answers) == 1
        assert addresses(answers) in _possible(name, leads, client), (name, client, leads)


def _say(served: Served, leads: dict[str, str], place: int) -> None:
    name = served.upstream.names[place]
    to = leads[name]
    if to == "fails":
        served.upstream.fail(UpstreamTimeout("silence"), place)
    elif to == "nothing":
        served.upstream.answer(authority=(SOA.replace("target.example", name),), rcode=3, place=place)
    else:
        line = f"{name}. 300 IN CNAME {to}." if to else f"{name}. 300 IN A 192.0.2.1"
        served.upstream.answer(line, place=place)


def _possible(name: str, leads: dict[str, str], client: str) -> list[list[str]]:
    """The addresses that a client may get for a name: those at the end of the way, the sinkhole's, or none."""
    seen: list[str] = []
    is_blocked = False
    while name in leads and name not in seen and name != "localhost":
        is_blocked = is_blocked or (name == "acme.ai" and client != EXEMPT)
        seen.append(name)
        name = leads[name]
    if name == "fails" or name in seen:
        # Who may have all of the way may have asked before: that it goes nowhere is remembered for a while.
        return [["0.0.0.0"], []] if is_blocked else [[]]
    if is_blocked:
        return [["0.0.0.0"]]
    return {"nothing": [[]], "localhost": [["127.0.0.1"]]}.get(name, [["192.0.2.1"]])
