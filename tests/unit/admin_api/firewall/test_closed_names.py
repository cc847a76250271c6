"""Lists for firewalls: what the policy closes, and never more."""

from __future__ import annotations

import contextlib
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.firewall.closed_names import ClosedNames, closed_names, closed_networks
from admin_api.firewall.stopping import Stopped
from blocklists.own_networks import OwnNetwork, own_networks
from resolver.errors import RuleError
from resolver.policy.compiler import RuleSource, SourceRule, compile_groups, compile_rules, policy_in_memory
from resolver.policy.decision import Verdict
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Rank, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicySnapshot
from resolver.wire.local_data import LocalData
from resolver.wire.local_records import LocalRecord
from resolver.wire.names import key_of, parse_name

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


def local(*names: str) -> LocalData:
    return LocalData(LocalRecord(name, ("192.0.2.7",)) for name in names)


def closed(own: tuple[tuple[str, str], ...] = (), given: LocalData | None = None, **group: Any) -> ClosedNames:
    made = policy(own, **group)
    view = made.view_of_group("default")
    assert view is not None
    return closed_names(made, view, lambda _: True, given)


def test_a_name_with_all_below_it_is_in_both_forms_and_one_alone_in_the_one_that_can_say_so() -> None:
    found = closed()
    assert found.plain() == ["acme.example"]
    assert found.wildcard() == ["acme.example", "*.acme.example", "only.example"]
    assert found.left_out == 2  # what is only below, and the pattern


@pytest.mark.parametrize("group", [{"monitor": True}, {"exempt": True}, {"allow": frozenset(("acme/chat",))}])
def test_what_is_only_watched_exempt_or_allowed_is_not_in_it(group: dict[str, Any]) -> None:
    assert closed(**group).wildcard() == []


@pytest.mark.parametrize(
    "rule",
    [
        "ok.acme.example",
        "=deep.ok.acme.example",
        "*.deep.acme.example",
        "x*.acme.example",
        "/^ok[.]/",
        "*.*.acme.example",
    ],
)
def test_where_anything_below_a_name_is_allowed_no_list_closes_all_below_it(rule: str) -> None:
    found = closed((("allow", rule),))
    assert "acme.example" not in found.with_below
    assert found.left_out == 3


def test_one_name_that_is_blocked_below_what_is_open_closes_nothing_beside_it() -> None:
    found = closed((("allow", "*.acme.example"), ("block", "=moatdns.acme.example")))
    assert found.with_below == set()
    assert found.alone == {"acme.example", "only.example", "moatdns.acme.example"}


@pytest.mark.parametrize(
    ("name", "alone"),
    [
        ("deep.ok.acme.example", {"acme.example", "only.example"}),
        ("*.lab.acme.example", {"acme.example", "only.example"}),
        ("*.acme.example", {"acme.example", "only.example"}),
        ("acme.example", {"only.example"}),
        ("*.example", set()),
        ("only.example", set()),
    ],
)
def test_a_local_name_is_in_no_list_nor_is_all_below_what_is_above_it(name: str, alone: set[str]) -> None:
    found = closed(given=local(name, "printer.office.example"))
    assert found.with_below == (set() if "acme" in name or name == "*.example" else {"acme.example"})
    assert found.alone == alone


def test_the_reverse_name_of_a_local_name_is_in_no_list() -> None:
    own = (("block", "2.0.192.in-addr.arpa"), ("block", "=7.2.0.192.in-addr.arpa"))
    assert "2.0.192.in-addr.arpa" in closed(own).plain()
    assert closed(own, given=local("printer.example")).wildcard() == [
        "2.0.192.in-addr.arpa", "acme.example", "*.acme.example", "only.example",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["192.0.2.7", "a.b.1", "7"])
def test_a_name_that_reads_like_an_address_is_in_no_list(name: str) -> None:
    found = closed((("block", name), ("block", "1.example")))
    assert found.plain() == ["1.example", "acme.example"]
    assert found.left_out == 3


LABEL = st.from_regex(r"[a-z0-9_*-]{1,4}", fullmatch=True)


LOCAL = st.from_regex(r"(\*\.)?([a-z]{1,2}\.){0,2}acme\.example", fullmatch=True)


@given(
    st.lists(st.builds("{}{}.acme.example".format, st.sampled_from(["", "=", "*."]), LABEL), max_size=6),
    st.lists(LOCAL, max_size=2),
)
def test_whatever_rules_there_are_lines_are_names_that_are_closed(texts: list[str], names: list[str]) -> None:
    own = []
    for number, text in enumerate(texts):
        with contextlib.suppress(RuleError):
            parse_rule(text)
            own.append(("allow" if number % 2 else "block", text))
    made = policy(tuple(own))
    view = made.view_of_group("default")
    assert view is not None
    given = local(*names)
    for line in closed(tuple(own), given).wildcard():
        assert re.fullmatch(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*", line)
        for below in ("", "x.", "zz.y."):
            name = line.removeprefix("*.")
            if below == "" or line.startswith("*."):
                key = key_of(parse_name(below + name))
                assert made.decide(view, key).verdict is Verdict.BLOCK, (line, below)
                assert given.find(key) is None, (line, below)
        if line.startswith("*."):
            assert not [one for one in names if one.endswith(line[1:])]


def test_an_allowed_name_elsewhere_changes_nothing() -> None:
    assert closed((("allow", "other.example"), ("block", "bad.example"))).plain() == ["acme.example", "bad.example"]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ((), ["192.0.2.0/24"]),
        ((("block", "bad.example"), ("allow", "other.example")), ["192.0.2.0/24"]),
        ((("allow", "only.example"),), []),
        ((("allow", "deep.acme.example"),), []),
        ((("allow", "x.below.example"),), []),
        ((("allow", "api.eu.cloud.example"),), []),
        ((("allow", "/^api[.]/"),), []),
    ],
)
def test_a_vendors_networks_are_closed_only_where_all_of_it_is(
    own: tuple[tuple[str, str], ...], expected: list[str]
) -> None:
    seen = own_networks().vendors[0].seen
    networks = [OwnNetwork("192.0.2.0/24", "acme", "its docs", seen), OwnNetwork("198.51.100.0/24", "else", "x", seen)]
    made = policy(own)
    view = made.view_of_group("default")
    assert view is not None
    assert closed_networks(made, view, networks) == expected


@pytest.mark.parametrize(
    "name", ["only.example", "x.acme.example", "*.below.example", "api.eu.cloud.example", "*.cloud.example"]
)
def test_a_vendor_of_which_a_local_name_is_open_keeps_its_networks(name: str) -> None:
    network = OwnNetwork("192.0.2.0/24", "acme", "its docs", own_networks().vendors[0].seen)
    made = policy()
    view = made.view_of_group("default")
    assert view is not None
    assert closed_networks(made, view, [network], local("printer.office.example")) == ["192.0.2.0/24"]
    assert closed_networks(made, view, [network], local(name)) == []


def test_an_exempt_group_keeps_ways_round_closed_but_not_what_is_below_them() -> None:
    sources = [
        RuleSource(Source("bypass/doh", Rank.BUNDLED), [SourceRule(parse_rule("doh.example"))]),
        RuleSource(Source("acme/chat", Rank.BUNDLED), [SourceRule(parse_rule("chat.doh.example"))]),
    ]
    block = frozenset(("bypass/doh", "acme/chat"))
    groups = [CompiledGroup("default", block=block), CompiledGroup("free", block=block, exempt=True)]
    made = policy_in_memory(compile_rules(sources), compile_groups(groups, ()), 1)
    free, default = made.view_of_group("free"), made.view_of_group("default")
    assert free is not None
    assert default is not None
    assert closed_names(made, default, lambda _: True).plain() == ["chat.doh.example", "doh.example"]
    assert closed_names(made, free, lambda _: True).wildcard() == ["doh.example"]


def test_thousands_of_patterns_that_may_open_cost_no_more_than_their_number() -> None:
    own = [("allow", f"*x.n{number}.example") for number in range(500)]
    own += [("block", f"b{number}.n{number}.example") for number in range(500)]
    began = time.process_time()
    found = closed(tuple(own))
    assert found.plain() == ["acme.example"]
    assert len(found.alone) == 501
    assert time.process_time() - began < 5


def test_a_list_that_nobody_waits_for_any_more_is_not_made() -> None:
    made = policy()
    view, _ = made.view_of("127.0.0.1")
    with pytest.raises(Stopped):
        closed_names(made, view, lambda _: True, None, lambda: True)
    with pytest.raises(Stopped):
        closed_networks(made, view, own_networks().vendors, None, lambda: True)
