"""Clients that call themselves by a name, through the pipeline's doors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from resolver.answering.pipeline import Transport
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.policy.moments import End
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.subjects import Lease, dropped
from resolver.snapshot.clocks import now

from .test_pipeline import Served


def policy(*, kiosk: tuple[str, ...] = ("kiosk-7",)) -> PolicySnapshot:
    block = frozenset({"acme/chat"})
    groups = [
        CompiledGroup("default", block=block),
        CompiledGroup("office", networks=("127.0.1.0/24",), block=block),
        CompiledGroup("kiosk", client_names=kiosk, exempt=True, block=block),
    ]
    rules = [RuleSource(Source("acme/chat", Rank.BUNDLED), [SourceRule(parse_rule("acme.ai"))])]
    return policy_in_memory(compile_rules(rules), compile_groups(groups, []))


@pytest.fixture
async def served() -> Served:
    return Served(policy(), asyncio.get_running_loop())


def group(served: Served, address: str, name: str = "") -> str:
    return served.pipeline.clients.at(address, name).group


def lease(address: str, group: str | None, seconds: float = 60) -> Lease:
    moment = now()
    return Lease(address, "ana", group, End.at(moment.wall + seconds, moment))


def test_a_name_that_a_group_has_decides_over_the_network(served: Served) -> None:
    for address, otherwise in (("127.0.0.1", "default"), ("127.0.1.1", "office")):
        for _ in range(2):
            assert group(served, address, "kiosk-7") == "kiosk"
            assert group(served, address) == otherwise
    assert served.pipeline.clients.at("127.0.1.1", "kiosk-7").address == "127.0.1.1"


@pytest.mark.parametrize("shown_as", ["127.0.1.1", "::ffff:127.0.1.1"])
def test_a_lease_of_the_address_decides_over_the_name_and_its_end_gives_the_name_back(
    served: Served, shown_as: str
) -> None:
    clients = served.pipeline.clients
    assert group(served, shown_as, "kiosk-7") == "kiosk"
    of_office = lease("127.0.1.1", "office")
    clients.take([of_office.to_plain()])
    assert group(served, shown_as, "kiosk-7") == "office"
    assert group(served, "127.0.1.2", "kiosk-7") == "kiosk"
    clients.take([dropped(of_office)])
    assert group(served, shown_as, "kiosk-7") == "kiosk"
    clients.take([lease("127.0.1.1", None).to_plain()])  # it says no group
    assert group(served, shown_as, "kiosk-7") == "kiosk"
    clients.take([lease("127.0.1.1", "gone").to_plain()])
    assert group(served, shown_as, "kiosk-7") == "kiosk"


def test_a_named_client_is_worked_out_anew_when_its_time_comes(served: Served) -> None:
    clients = served.pipeline.clients
    clients.take([lease("127.0.1.1", None).to_plain()])
    first = clients.at("127.0.1.1", "kiosk-7")
    assert clients.at("127.0.1.1", "kiosk-7") is first
    served.now = first.until
    clients.expire(served.now)
    assert clients.next_change > served.now
    assert clients.at("127.0.1.1", "kiosk-7") is not first


def test_unknown_names_have_no_effect_and_are_not_remembered(served: Served) -> None:
    nameless = served.pipeline.clients.at("127.0.0.1")
    for number in range(1000):
        assert served.pipeline.clients.at("127.0.0.1", f"nobody-{number}") is nameless
    assert served.counters.dropped["clients"] == 0


def test_a_proved_name_is_remembered_whether_or_not_a_group_has_it_and_within_the_bound() -> None:
    async def run() -> None:
        served = Served(policy(kiosk=("proved:ana",)), asyncio.get_running_loop(), clients=3)
        clients = served.pipeline.clients
        first = clients.at("127.0.0.1", "proved:ana")
        assert (first.group, clients.at("127.0.0.1", "proved:ana")) == ("kiosk", first)
        assert clients.at("127.0.0.1", "ana").group == "default"
        others = [clients.at("127.0.0.1", f"proved:{number}") for number in range(100)]
        assert {client.group for client in others} == {"default"}
        assert served.counters.dropped["clients"] > 0

    asyncio.run(run())


def test_named_and_nameless_clients_share_one_bound() -> None:
    async def run() -> None:
        served = Served(policy(kiosk=("a", "b", "c")), asyncio.get_running_loop(), clients=3)
        for name in ("a", "b", "", "a"):
            served.pipeline.clients.at("127.0.0.1", name)
        assert served.counters.dropped["clients"] == 0
        served.pipeline.clients.at("127.0.0.1", "c")
        assert served.counters.dropped["clients"] == 3
        for name in ("", "a"):
            served.pipeline.clients.at("127.0.0.1", name)
        assert served.counters.dropped["clients"] == 3

    asyncio.run(run())


async def test_an_answer_that_was_waited_for_is_judged_for_the_name(served: Served) -> None:
    waiting: dict[str, list[Any]] = {name: [] for name in ("kiosk-7", "")}
    for name, answers in waiting.items():
        answers.extend([served.ask("alias.example", client_name=name)])
    served.pipeline.clients.forget()  # as when anything about clients changes meanwhile
    served.upstream.answer("alias.example. 300 IN CNAME acme.ai.", "acme.ai. 300 IN A 192.0.2.1")
    shown = {
        name: [rdata.to_text() for rrset in answers[0][0].answer for rdata in rrset if rrset.rdtype == 1]
        for name, answers in waiting.items()
    }
    assert shown == {"kiosk-7": ["192.0.2.1"], "": ["0.0.0.0"]}


async def test_a_policy_without_the_name_takes_the_group_away_from_what_waits(served: Served) -> None:
    answers = served.ask("acme.ai", client_name="kiosk-7")
    served.pipeline.use(policy(kiosk=("other",)))
    served.upstream.answer("acme.ai. 300 IN A 192.0.2.1")
    assert answers[0].answer[0][0].to_text() == "0.0.0.0"


def test_the_answers_of_a_name_are_not_anothers_at_the_same_address(served: Served) -> None:
    by_name, nameless = (served.pipeline.clients.at("127.0.0.1", name) for name in ("kiosk-7", ""))
    for transport in Transport:
        assert by_name.answers.tables[transport] is not nameless.answers.tables[transport]


@pytest.mark.parametrize("name", ["", "kiosk-7"])
def test_after_many_renewals_of_another_s_lease_a_client_is_still_worked_out_anew_in_time(
    served: Served, name: str
) -> None:
    clients = served.pipeline.clients
    clients.take([lease("127.0.1.1", None).to_plain()])
    until = clients.at("127.0.1.1", name).until
    for seconds in range(2_000):
        clients.take([lease("127.0.1.2", "office", 40_000 + seconds).to_plain()])
        clients.at("127.0.1.2")
    first = clients.at("127.0.1.1", name)
    assert (first.until, clients.next_change) == (until, until)
    clients.expire(until - 0.1)
    assert clients.at("127.0.1.1", name) is first
    clients.expire(until)
    assert clients.at("127.0.1.1", name) is not first
