"""Changes to rules as a layer over those in force: for each name that they touch, all that stands there afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from resolver.policy.compiler import CompiledRules, RuleSets, pack
from resolver.policy.rule_layer import Member, Source
from resolver.policy.rule_syntax import Rule, RuleKind
from resolver.policy.stack import RuleStack


@dataclass(frozen=True, slots=True)
class RuleChange:
    """One rule that came or went. `source` is the source's key."""

    source: str
    allow: bool
    rule: Rule


def overlay(
    below: RuleStack, sources: Mapping[str, Source], removed: Iterable[RuleChange], added: Iterable[RuleChange]
) -> CompiledRules:
    """The layer over `below` that takes out `removed` and then puts in `added`.

    `sources` are those that `added` may name, by key. What is removed and was not there is passed over.
    """
    all_sources = list(below.sources)
    index_of = {source.key: index for index, source in enumerate(all_sources)}
    at: dict[bytes, dict[Member, None]] = {}  # by key: what will stand there, in order, each once
    regexes = dict.fromkeys(below.layers[-1].regexes)

    def members_on(rule: Rule) -> dict[Member, None]:
        if rule.kind is RuleKind.REGEX:
            return regexes
        found = at.get(rule.key)
        if found is None:
            found = at[rule.key] = dict.fromkeys(below.members_at(rule.key))
        return found

    for change in removed:
        index = index_of.get(change.source)
        if index is not None:
            members_on(change.rule).pop(_member(index, change), None)
    for change in added:
        index = index_of.get(change.source)
        if index is None:
            index = index_of[change.source] = len(all_sources)
            all_sources.append(sources[change.source])
        members_on(change.rule)[_member(index, change)] = None
    rule_sets = RuleSets()
    number_of = {key: rule_sets.numbered(tuple(members)) for key, members in at.items()}
    return pack(number_of, rule_sets, all_sources, regexes)


def _member(index: int, change: RuleChange) -> Member:
    rule = change.rule
    return Member(index, change.allow, rule.form, kind=rule.kind, written=rule.written)
