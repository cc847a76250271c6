"""Which rule decides, and what a group makes of it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest

from resolver.policy.compiler import (
    RuleSource,
    SourceRule,
    compile_groups,
    compile_rules,
    layer_in_memory,
    load_policy,
    policy_in_memory,
)
from resolver.policy.decision import Decision, Verdict
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicyMemory, PolicySnapshot
from resolver.wire.names import key_of, parse_name


def block(*texts: str, needed_by: tuple[str, ...] = (), response: str | None = None) -> list[SourceRule]:
    return [SourceRule(parse_rule(text), needed_by=needed_by, response=response) for text in texts]


def allow(*texts: str) -> list[SourceRule]:
    return [SourceRule(parse_rule(text), allow=True) for text in texts]


CATALOGUE = [
    RuleSource(Source("acme/chat", Rank.BUNDLED), block("acme.ai", needed_by=("acme/code",))),
    RuleSource(Source("acme/code", Rank.BUNDLED), block("=dl.acme.ai", "code.example", "both.example")),
    RuleSource(Source("acme/api", Rank.BUNDLED), block("api.acme.ai", "both.example")),
    RuleSource(Source("bypass/canary", Rank.BUNDLED), block("=canary.example", response="nxdomain")),
]
SERVICES = ("acme/chat", "acme/code", "acme/api", "bypass/canary")


def policy(
    *lists: RuleSource, own_vendors: Iterable[str] = (), groups: Iterable[CompiledGroup] = (), **default: Any
) -> PolicySnapshot:
    default.setdefault("block", frozenset({*SERVICES, *(entry.source.name for entry in lists)}))
    rules = compile_rules([*CATALOGUE, *lists])
    return policy_in_memory(rules, compile_groups([CompiledGroup("default", **default), *groups], own_vendors), 7)


def decide(snapshot: PolicySnapshot, name: str, client: str = "127.0.0.1") -> Decision:
    view, _ = snapshot.view_of(client)
    return snapshot.decide(view, key_of(parse_name(name)))


def own(name: str, rules: list[SourceRule]) -> RuleSource:
    return RuleSource(Source(name, Rank.OWN), rules)


def feed(name: str, rules: list[SourceRule]) -> RuleSource:
    return RuleSource(Source(name, Rank.SUBSCRIPTION), rules)


@pytest.mark.parametrize("name", ["acme.ai", "ACME.ai", "a.b.c.acme.ai"])
def test_a_blocked_name_and_all_below_it_are_blocked(name: str) -> None:
    decision = decide(policy(), name)
    assert decision.verdict is Verdict.BLOCK
    assert decision.service == "acme/chat"
    assert decision.rule is not None
    assert decision.rule.text == "acme.ai"


@pytest.mark.parametrize("name", ["notacme.ai", "acme.ai.example", "ai", "example"])
def test_names_that_only_look_alike_are_not_touched(name: str) -> None:
    decision = decide(policy(), name)
    assert (decision.verdict, decision.rule) == (Verdict.ALLOW, None)


def test_the_three_forms_of_rules_cover_what_they_say() -> None:
    house = own("house", block("sub.example", "=only.example", "*.below.example"))
    covered = {
        name: decide(policy(house), name).verdict is Verdict.BLOCK
        for name in (
            "sub.example",
            "a.sub.example",
            "only.example",
            "a.only.example",
            "below.example",
            "a.below.example",
        )
    }
    assert covered == {
        "sub.example": True,
        "a.sub.example": True,
        "only.example": True,
        "a.only.example": False,
        "below.example": False,
        "a.below.example": True,
    }


def test_within_a_list_the_longest_name_decides() -> None:
    house = own("house", [*block("example.com", "bad.ok.example.com"), *allow("ok.example.com")])
    snapshot = policy(house)
    assert decide(snapshot, "example.com").verdict is Verdict.BLOCK
    assert decide(snapshot, "ok.example.com").verdict is Verdict.ALLOW
    assert decide(snapshot, "bad.ok.example.com").verdict is Verdict.BLOCK


def test_at_the_same_name_allow_beats_block() -> None:
    snapshot = policy(own("one", block("example.com")), own("two", allow("example.com")))
    decision = decide(snapshot, "example.com")
    assert decision.verdict is Verdict.ALLOW
    assert decision.despite_block


def test_an_own_list_speaks_before_the_catalogue_whatever_the_length() -> None:
    snapshot = policy(own("house", allow("ai")))
    assert decide(snapshot, "api.acme.ai").verdict is Verdict.ALLOW


def test_the_catalogue_speaks_before_subscriptions() -> None:
    snapshot = policy(feed("feed", [*allow("deep.acme.ai"), *block("acme.ai")]))
    decision = decide(snapshot, "deep.acme.ai")
    assert (decision.verdict, decision.rule and decision.rule.list) == (Verdict.BLOCK, "acme/chat")


def test_an_allow_rule_of_a_subscription_cancels_only_its_own_blocks() -> None:
    one = feed("one", [*block("ads.example"), *allow("ok.ads.example")])
    assert decide(policy(one), "ok.ads.example").verdict is Verdict.ALLOW
    both = decide(policy(one, feed("two", block("ads.example"))), "ok.ads.example")
    assert (both.verdict, both.rule and both.rule.list) == (Verdict.BLOCK, "two")


def test_the_most_specific_catalogue_rule_says_which_service_a_name_is_of() -> None:
    assert decide(policy(), "api.acme.ai").service == "acme/api"
    only_chat = policy(block=frozenset({"acme/chat"}))
    assert decide(only_chat, "acme.ai").verdict is Verdict.BLOCK
    assert decide(only_chat, "api.acme.ai").verdict is Verdict.ALLOW


def test_allowing_a_service_opens_what_it_needs_and_no_other_service() -> None:
    snapshot = policy(allow=frozenset({"acme/code"}))
    assert decide(snapshot, "code.example").verdict is Verdict.ALLOW
    assert decide(snapshot, "login.acme.ai").verdict is Verdict.ALLOW  # of acme/chat, needed by acme/code
    assert decide(snapshot, "api.acme.ai").verdict is Verdict.BLOCK


def test_a_service_wide_rule_does_not_open_services_carved_out_of_it() -> None:
    snapshot = policy(allow=frozenset({"acme/chat"}))
    assert decide(snapshot, "www.acme.ai").verdict is Verdict.ALLOW
    assert decide(snapshot, "dl.acme.ai").verdict is Verdict.BLOCK


def test_blocking_a_service_leaves_open_what_it_merely_needs() -> None:
    assert decide(policy(block=frozenset({"acme/code"})), "acme.ai").verdict is Verdict.ALLOW


def test_a_name_of_several_services_counts_under_the_first_and_opens_if_any_is_allowed() -> None:
    assert decide(policy(), "both.example").service == "acme/api"
    assert decide(policy(block=frozenset({"acme/code"})), "both.example").service == "acme/code"
    assert decide(policy(allow=frozenset({"acme/code"})), "both.example").verdict is Verdict.ALLOW


def test_a_list_under_allow_allows_all_its_names() -> None:
    house = own("house", [*block("a.example"), *allow("b.example")])
    snapshot = policy(house, own("other", block("a.example", "b.example")), allow=frozenset({"house"}))
    assert decide(snapshot, "a.example").verdict is Verdict.ALLOW
    assert decide(snapshot, "b.example").verdict is Verdict.ALLOW


def test_a_list_that_no_group_names_is_not_in_force() -> None:
    snapshot = policy(own("house", [*block("a.example"), *allow("acme.ai")]), block=frozenset(SERVICES))
    assert decide(snapshot, "a.example").verdict is Verdict.ALLOW
    assert decide(snapshot, "acme.ai").verdict is Verdict.BLOCK


def test_own_vendors_are_left_out_of_bundled_and_subscribed_blocks_but_not_of_own_lists() -> None:
    snapshot = policy(own("house", block("bad.acme.ai")), feed("feed", block("acme.ai")), own_vendors=["acme"])
    assert decide(snapshot, "www.acme.ai").verdict is Verdict.ALLOW
    assert decide(snapshot, "bad.acme.ai").verdict is Verdict.BLOCK


def test_an_exempt_group_goes_through_and_the_decision_says_what_it_would_have_been() -> None:
    snapshot = policy(groups=[CompiledGroup("lab", networks=("10.0.0.0/8",), exempt=True, block=frozenset(SERVICES))])
    decision = decide(snapshot, "acme.ai", "10.1.2.3")
    assert decision.verdict is Verdict.EXEMPT
    assert decision.service == "acme/chat"
    assert decision.despite_block
    assert decision.lets_targets_through


def test_ways_round_the_resolver_stay_closed_for_exempt_groups() -> None:
    snapshot = policy(groups=[CompiledGroup("lab", networks=("10.0.0.0/8",), exempt=True, block=frozenset(SERVICES))])
    decision = decide(snapshot, "canary.example", "10.1.2.3")
    assert decision.verdict is Verdict.BLOCK
    assert decision.response == "nxdomain"


def test_a_monitoring_group_answers_and_tells() -> None:
    snapshot = policy(groups=[CompiledGroup("lab", networks=("10.0.0.0/8",), monitor=True, block=frozenset(SERVICES))])
    decision = decide(snapshot, "acme.ai", "10.1.2.3")
    assert decision.verdict is Verdict.MONITOR
    assert not decision.lets_targets_through


@pytest.mark.parametrize(
    ("client", "group"),
    [
        ("10.0.0.1", "wide"),
        ("10.20.0.1", "narrow"),
        ("10.20.0.9", "host"),
        ("::ffff:10.20.0.9", "host"),
        ("2001:db8:20::1", "six"),
        ("2001:db8:21::1", "default"),
        ("192.0.2.1", "default"),
        ("fe80::1%eth0", "default"),
    ],
)
def test_the_most_specific_network_gives_the_group(client: str, group: str) -> None:
    snapshot = policy(
        groups=[
            CompiledGroup("wide", networks=("10.0.0.0/8",)),
            CompiledGroup("narrow", networks=("10.20.0.0/16",)),
            CompiledGroup("host", networks=("10.20.0.9/32",)),
            CompiledGroup("six", networks=("2001:db8:20::/48",)),
        ]
    )
    assert snapshot.view_of(client)[0].group.name == group


def covered(house: RuleSource, *names: str) -> list[str]:
    snapshot = policy(house)
    return [name for name in names if decide(snapshot, name).verdict is Verdict.BLOCK]


def test_a_star_within_a_pattern_stands_for_characters_of_one_label() -> None:
    house = own("house", block("bedrock.*.aws.example", "=pre*.blob.example", "*.in*er.example"))
    assert covered(
        house,
        "bedrock.us-east-1.aws.example",
        "x.bedrock.eu.aws.example",
        "bedrock.aws.example",
        "bedrock.a.b.aws.example",
        "notbedrock.us.aws.example",
        "prefix.blob.example",
        "pre.blob.example",
        "x.prefix.blob.example",
        "a.inner.example",
        "inner.example",
    ) == ["bedrock.us-east-1.aws.example", "x.bedrock.eu.aws.example", "prefix.blob.example", "a.inner.example"]


def test_an_expression_is_searched_for_in_the_whole_lower_case_name() -> None:
    house = own("house", block("/^gpt[0-9]+[.]/", "/[.]openai[.]example$/"))
    assert covered(house, "GPT4.example", "xgpt4.example", "a.openai.example", "openai.example") == [
        "GPT4.example",
        "a.openai.example",
    ]


def test_names_speak_before_patterns_and_patterns_before_expressions() -> None:
    house = own("house", [*block("a*.example", "/c[.]example$/"), *allow("abc.example", "=xb*c.example")])
    snapshot = policy(house)
    assert decide(snapshot, "abc.example").verdict is Verdict.ALLOW  # a name against a pattern and an expression
    assert decide(snapshot, "xbbc.example").verdict is Verdict.ALLOW  # a pattern against an expression
    assert decide(snapshot, "ac.example").verdict is Verdict.BLOCK
    decision = decide(snapshot, "zc.example")
    assert decision.rule is not None
    assert decision.rule.text == "/c[.]example$/"


def test_a_short_name_of_a_rank_speaks_before_a_pattern_of_the_same_rank() -> None:
    snapshot = policy(own("house", [*block("x*.deep.example"), *allow("example")]))
    assert decide(snapshot, "x1.deep.example").verdict is Verdict.ALLOW


def test_at_the_same_pattern_allow_beats_block() -> None:
    snapshot = policy(own("one", block("a*.example", "/^b/")), own("two", allow("a*.example", "/^b/")))
    assert decide(snapshot, "ab.example").verdict is Verdict.ALLOW
    assert decide(snapshot, "bb.example").verdict is Verdict.ALLOW


def test_an_expression_that_is_slow_elsewhere_is_quick_here() -> None:
    snapshot = policy(own("house", block("/^(a+)+$/")))
    began = time.process_time()
    for _ in range(100):
        decide(snapshot, "a" * 60 + ".example")
    assert time.process_time() - began < 0.5


def test_ways_round_the_resolver_stay_closed_for_an_exempt_group_that_only_watches() -> None:
    lab = CompiledGroup("lab", networks=("10.0.0.0/8",), exempt=True, monitor=True, block=frozenset(SERVICES))
    assert decide(policy(groups=[lab]), "canary.example", "10.1.2.3").verdict is Verdict.BLOCK


def test_a_dot_octet_within_a_label_is_no_boundary_for_a_pattern() -> None:
    snapshot = policy(own("house", block("oai*.blocked.example")))
    view, _ = snapshot.view_of("127.0.0.1")
    parent = parse_name("blocked.example")
    assert snapshot.decide(view, key_of(b"\x06x.oai1" + parent)).verdict is Verdict.ALLOW
    assert snapshot.decide(view, key_of(b"\x05oai.1" + parent)).verdict is Verdict.BLOCK


@pytest.mark.slow
def test_thousands_of_patterns_below_one_name_compile_quickly() -> None:
    began = time.process_time()
    snapshot = policy(own("house", block(*(f"h{number}*.example" for number in range(3000)))))
    assert decide(snapshot, "h2999x.example").verdict is Verdict.BLOCK
    assert time.process_time() - began < 5


def test_a_name_that_was_decided_on_before_is_decided_alike_for_each_group_and_by_each_kind_of_rule() -> None:
    def made() -> PolicySnapshot:
        house = own(
            "house", [*block("plain.example", "a*c.mixed.example", "mixed.example"), *allow("=b.mixed.example")]
        )
        lab = CompiledGroup("lab", networks=("127.0.0.2/32",), exempt=True, block=frozenset({"house"}))
        return policy(house, groups=[lab])

    names = [
        f"{label}.{name}" for label in ("abc", "b", "deep.abc", "x") for name in ("plain.example", "mixed.example")
    ]
    again = made()
    for client in ("127.0.0.1", "127.0.0.2") * 3:
        for name in [*names, "open.example"]:
            assert decide(again, name, client) == decide(made(), name, client), (name, client)
    assert {decide(again, name).verdict for name in names} == {Verdict.BLOCK, Verdict.ALLOW}
    assert decide(again, "abc.plain.example", "127.0.0.2").verdict is Verdict.EXEMPT


def test_what_a_policy_remembers_is_bounded_and_counted_and_changes_no_decision() -> None:
    rules = compile_rules([own("house", block("listed.example", "a*.pattern.example"))])
    groups = compile_groups([CompiledGroup("default", block=frozenset({"house"}))], ())
    memory = PolicyMemory(most_walks=2, most_decided=1)
    snapshot = load_policy(7, [layer_in_memory(rules)], groups, memory=memory)
    names = [f"n{number}.listed.example" for number in range(5)]
    assert {decide(snapshot, name).verdict for name in names * 2} == {Verdict.BLOCK}
    assert memory.dropped["policy_walks"] == 8
    assert memory.dropped["policy_decisions"] == 0
    searched = [f"{letter}.pattern.example" for letter in ("ab", "b", "ac")]
    assert [decide(snapshot, name).verdict for name in searched] == [Verdict.BLOCK, Verdict.ALLOW, Verdict.BLOCK]
    assert memory.dropped["policy_decisions"] == 2
