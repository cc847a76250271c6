"""Layers over layers: whatever changed, the stack decides as one compilation of the final rules would."""

from __future__ import annotations

import gc
from collections.abc import Iterable

import marisa_trie
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.compiler import (
    CompiledRules,
    RuleSource,
    SourceRule,
    compile_groups,
    compile_rules,
    load_layer,
    load_policy,
)
from resolver.policy.decision import Decision
from resolver.policy.groups import CompiledGroup, ResponsePolicy
from resolver.policy.overlay import RuleChange, overlay
from resolver.policy.rule_layer import Rank, RuleLayer, Source
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.stack import RuleStack
from resolver.wire.names import key_of, parse_name
from tests.support.examples import examples

SOURCES = {key: Source(key.partition("#")[0], Rank.OWN, key) for key in ("one#1", "two#2", "three#3")}
RESPONSE = ResponsePolicy("zero-ip", 10, None, None)
GROUPS = compile_groups(
    [
        CompiledGroup("default", (), False, False, frozenset(SOURCES), frozenset(), RESPONSE),
        CompiledGroup("some", ("127.0.0.2/32",), False, False, frozenset({"one#1"}), frozenset({"two#2"}), RESPONSE),
    ],
    [],
)

labels = st.sampled_from(["a", "b", "c", "ab"])
names = st.lists(labels, min_size=1, max_size=4).map(".".join)
texts = st.one_of(
    names,
    names.map(lambda name: f"={name}"),
    names.map(lambda name: f"*.{name}"),
    names.map(lambda name: f"a*.{name}"),
    names.map(lambda name: f"/^a.*{name.replace('.', '[.]')}$/"),
)
Entry = tuple[str, bool, str]  # source, allow, rule
entries = st.tuples(st.sampled_from(sorted(SOURCES)), st.booleans(), texts)
steps = st.lists(st.tuples(st.sets(entries, max_size=6), st.sets(entries, max_size=6)), max_size=3)


def layer_of(compiled: CompiledRules) -> RuleLayer:
    trie = marisa_trie.BinaryTrie().frombytes(compiled.trie)
    return load_layer(trie, memoryview(compiled.ids), compiled.sets)


def base_of(rules: Iterable[Entry], only: Iterable[str] = SOURCES) -> RuleLayer:
    rules = sorted(rules)
    return layer_of(
        compile_rules(
            RuleSource(
                SOURCES[key], [SourceRule(parse_rule(text), allow) for source, allow, text in rules if source == key]
            )
            for key in only
        )
    )


def changes(rules: Iterable[Entry]) -> list[RuleChange]:
    return [RuleChange(source, allow, parse_rule(text)) for source, allow, text in sorted(rules)]


def decisions(policy: PolicySnapshot) -> list[tuple[str, object]]:
    found: list[tuple[str, object]] = []
    parts = ["a", "b", "c", "ab"]
    asked = [
        *parts,
        *(f"{x}.{y}" for x in parts for y in parts),
        *(f"{x}.{y}.{z}" for x in parts for y in parts for z in parts),
    ]
    for view in policy.views:
        for name in asked:
            decision = policy.decide(view, key_of(parse_name(name)))
            found.append((f"{view.group.name} {name}", _facts(decision)))
    return found


def _facts(decision: Decision) -> object:
    # Equally strong rules of several lists decide alike; which of them is named is the order of compilation.
    rule = decision.rule
    return decision.verdict, rule and rule.action, rule and rule.key, decision.despite_block


@pytest.mark.slow
@settings(max_examples=examples(150))
@given(st.sets(entries, max_size=12), steps)
def test_a_stack_decides_as_one_compilation_of_the_final_rules(
    base: set[Entry], steps: list[tuple[set[Entry], set[Entry]]]
) -> None:
    layers = [base_of(base)]
    final = set(base)
    for removed, added in steps:
        stack = RuleStack(layers)
        layers.append(layer_of(overlay(stack, SOURCES, changes(removed), changes(added))))
        final = (final - removed) | added
    stacked = load_policy(1, layers, GROUPS)
    assert decisions(stacked) == decisions(load_policy(1, [base_of(final)], GROUPS))


def test_an_overlay_brings_a_source_that_the_base_does_not_know() -> None:
    base = base_of([("one#1", False, "a")], only=["one#1"])
    over = layer_of(overlay(RuleStack([base]), SOURCES, [], changes([("two#2", False, "b")])))
    policy = load_policy(1, [base, over], GROUPS)
    decision = policy.decide(policy.views[0], key_of(parse_name("x.b")))
    assert decision.rule
    assert decision.rule.list == "two"
    assert policy.decide(policy.views[0], key_of(parse_name("x.a"))).rule


def test_a_removal_of_what_is_not_there_changes_nothing() -> None:
    base = base_of([("one#1", False, "a")])
    over = layer_of(overlay(RuleStack([base]), SOURCES, changes([("two#2", False, "a"), ("three#9", True, "b")]), []))
    policy = load_policy(1, [base, over], GROUPS)
    assert policy.decide(policy.views[0], key_of(parse_name("a"))).rule


def test_a_stack_that_is_not_used_any_more_waits_for_no_garbage_collector() -> None:
    base = base_of([("one#1", False, "a")])
    over = layer_of(overlay(RuleStack([base]), SOURCES, [], changes([("two#2", False, "b")])))
    gc.collect()
    gc.disable()
    try:
        policy = load_policy(1, [base, over], GROUPS)
        assert policy.decide(policy.views[0], key_of(parse_name("x.b"))).rule
        del policy
        assert gc.collect() == 0
    finally:
        gc.enable()
