"""Checks that a fed catalogue has to pass at each receiver: a signature says whose it is, and not that it is good."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from blocklists.catalogue import Catalogue, CatalogueDomain
from blocklists.lint import mistakes
from blocklists.versions import Difference
from resolver.policy.rule_syntax import RuleForm, RuleKind, compile_regex
from resolver.wire.names import key_of, parse_name

LARGE_CHANGE: Final = 10
"""The part of the rules in force (one in so many) by which a feed may change them before somebody has looked."""

_INNOCENTS = Path(__file__).parent / "innocents.txt"


def faults(merged: Catalogue) -> Iterator[str]:
    """Faults of a catalogue with a feed (blocklists.feed.merging) for which the feed is refused, in finished phrases.

    The lint's, with all names that it keeps free, and each name of the bundled list of innocents that the feed covers.
    """
    yield from mistakes(replace(merged, domains=merged.every_domain))
    for domain in merged.fed:
        if (name := covered_innocent(domain)) is not None:
            yield f"{domain.service}: {domain.rule.text}: covers {name}, which is no AI service"


def covered_innocent(domain: CatalogueDomain) -> str | None:
    """The first name of the list of innocents that a rule covers; None where it covers none."""
    rule, keys = domain.rule, _innocents()
    if rule.kind is not RuleKind.NAME:
        search = compile_regex(rule.regex).search
        return next((name for _, name in keys if search(name)), None)
    at = bisect_left(keys, (rule.key, ""))
    for key, name in keys[at : at + 2]:
        if not key.startswith(rule.key):
            break
        if rule.form is RuleForm.SUBTREE or (key == rule.key) is (rule.form is RuleForm.EXACT):
            return name
    return None


def is_large(change: Difference, before: Catalogue) -> bool:
    """Whether a change is of more than a tenth of the rules in force."""
    return (len(change.added) + len(change.removed)) * LARGE_CHANGE > len(before.every_domain)


@lru_cache(maxsize=1)
def _innocents() -> list[tuple[bytes, str]]:
    """The names with their keys, in order of the keys: what is below a name stands behind it."""
    lines = _INNOCENTS.read_text(encoding="utf-8").splitlines()
    return sorted((key_of(parse_name(name)), name) for name in lines if name and not name.startswith("#"))
