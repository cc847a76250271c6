"""Innocent names: 24,000 that must stay open, and the reason for each of the few that a rule covers."""

from __future__ import annotations

import collections

import pytest

from blocklists.sources import compile_policy
from resolver.config.policy_schema import Policy
from resolver.policy.compiler import policy_in_memory
from resolver.policy.decision import Verdict
from resolver.wire.names import key_of, parse_name
from tests.innocents.gather import KINDS, read_names
from tests.unit.bundled import bundled_catalogue

RIGHT_HITS = {  # the name or what is above it: why it is blocked although it was gathered as innocent
    "claude.app": "Anthropic's pages that Claude's users make, a suffix of the public suffix list",
    "claudeusercontent.com": "Anthropic's content of Claude's users, in the public suffix list",
    "ai.studio": "Google AI Studio's applications, in the public suffix list",
    "lovableproject.com": "Lovable's previews of what its agent builds, in the public suffix list",
    "grok.me": "xAI's pages that Grok's users make, in the public suffix list",
}


@pytest.mark.slow
def test_no_innocent_name_is_blocked_without_a_reason() -> None:
    group = {"name": "default", "block": ["ai", "clouds", "bypass"], "allow": []}
    policy = Policy.model_validate({"groups": [group]}).model_dump(mode="json")
    snapshot = policy_in_memory(*compile_policy(policy, bundled_catalogue()))
    view, _ = snapshot.view_of("127.0.0.1")
    hits: dict[str, str] = {}
    for name in read_names():
        decision = snapshot.decide(view, key_of(parse_name(name)))
        if decision.verdict is Verdict.BLOCK and decision.rule:
            hits[name] = f"{decision.service}: {decision.rule.text}"
    unexplained = {name: rule for name, rule in hits.items() if not any(_is_in(name, top) for top in RIGHT_HITS)}
    assert unexplained == {}
    assert [top for top in RIGHT_HITS if not any(_is_in(name, top) for name in hits)] == []


def test_there_are_more_than_20000_of_all_kinds_and_none_twice() -> None:
    names = read_names()
    counts = collections.Counter(names.values())
    assert len(names) >= 24_000
    assert counts.keys() == KINDS.keys()
    assert counts["d"] >= 9_000
    assert counts["p"] >= 1_500
    assert list(names) == sorted(names)


def _is_in(name: str, top: str) -> bool:
    return name == top or name.endswith(f".{top}")
