"""Lists for firewalls: what the policy closes, and never more."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.firewall.closed_names import ClosedNames, closed_names, closed_networks
from blocklists.own_networks import OwnNetwork, own_networks
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicySnapshot

ACME = ("acme.example", "=only.example", "*.below.example", "api.*.cloud.example")


def policy(own: tuple[tuple[str, str], ...] = (), **group: Any) -> PolicySnapshot:
    """The rules of a vendor, and a list of one's own, in one group."""
    sources = [
        RuleSource(Source("acme/chat", Rank.BUNDLED), [SourceRule(parse_rule(text)) for text in ACME]),
        RuleSource(
            Source("house", Rank.OWN), [SourceRule(parse_rule(text), allow=action == "allow") for action, text in own]
        ),
    ]
    values: dict[str, Any] = {"block": frozenset(("acme/chat", "house")), **group}
    return policy_in_memory(compile_rules(sources), compile_groups([CompiledGroup("default", **values)], ()), 1)


def closed(own: tuple[tuple[str, str], ...] = (), **group: Any) -> ClosedNames:
    made = policy(own, **group)
    pairs = [("block", parse_rule(text)) for text in ACME] + [(action, parse_rule(text)) for action, text in own]
    view = made.view_of_group("default")
    assert view is not None
    return closed_names(made, view, pairs, [rule for action, rule in pairs if action == "block"])


def test_a_name_with_all_below_it_is_in_both_forms_and_one_alone_in_the_one_that_can_say_so() -> None:
    found = closed()
    assert found.plain() == ["acme.example"]
    assert found.wildcard() == ["acme.example", "*.acme.example", "only.example"]
    assert found.left_out == 2  # what is only below, and the pattern


@pytest.mark.parametrize("group", [{"monitor": True}, {"exempt": True}, {"allow": frozenset(("acme/chat",))}])
def test_what_is_only_watched_exempt_or_allowed_is_not_in_it(group: dict[str, Any]) -> None:
    assert closed(**group).wildcard() == []


@pytest.mark.parametrize(
    "rule", ["ok.acme.example", "=deep.ok.acme.example", "x*.acme.example", "/^ok[.]/", "*.*.acme.example"]
)
def test_where_anything_below_a_name_is_allowed_no_list_closes_all_below_it(rule: str) -> None:
    found = closed((("allow", rule),))
    assert "acme.example" not in found.with_below
    assert found.left_out == 3


def test_an_allowed_name_elsewhere_changes_nothing() -> None:
    assert closed((("allow", "other.example"), ("block", "bad.example"))).plain() == ["acme.example", "bad.example"]


def test_a_vendors_networks_are_closed_only_where_all_of_it_is() -> None:
    networks = [OwnNetwork("192.0.2.0/24", "acme", "its docs", own_networks().vendors[0].seen)]
    rules = [("acme", parse_rule(text)) for text in ACME]
    for own, expected in (((), ["192.0.2.0/24"]), ((("allow", "only.example"),), [])):
        made = policy(own)
        view = made.view_of_group("default")
        assert view is not None
        assert closed_networks(made, view, networks, rules) == expected
        assert closed_networks(made, view, networks, [("other", parse_rule("acme.example"))]) == []
