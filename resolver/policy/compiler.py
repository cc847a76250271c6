"""Rules and groups to a compiled policy: bytes that `snapshot_file` writes and maps. Runs in a process of its own."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import marisa_trie

from resolver.policy.groups import Group
from resolver.policy.rules import Member, Rank, RuleLayer, RuleSet, Source
from resolver.policy.snapshot import PolicySnapshot
from resolver.rules import Rule, RuleKind

FORMAT = 2  # of the compiled bytes; a snapshot of another format is compiled anew


@dataclass(frozen=True, slots=True)
class SourceRule:
    """One rule of a source. `needed_by` names bundled services."""

    rule: Rule
    allow: bool = False
    needed_by: tuple[str, ...] = ()
    response: str | None = None


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A source with its rules, as the compiler takes it."""

    source: Source
    rules: Iterable[SourceRule]


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """The rule layer as bytes: a marisa trie of keys, the number of each key's rule set, the rule sets and sources."""

    trie: bytes
    ids: bytes
    sets: bytes


def compile_rules(rule_sources: Iterable[RuleSource]) -> CompiledRules:
    """Merge the rules of all sources into one layer. Equal rule sets are stored once, whatever the number of names."""
    rule_sources = list(rule_sources)
    sources = [entry.source for entry in rule_sources]
    index_of = {source.name: index for index, source in enumerate(sources)}
    interned: dict[Member, Member] = {}
    by_key: dict[bytes, tuple[Member, ...]] = {}
    regexes: dict[Member, None] = {}  # in order, each once
    for index, entry in enumerate(rule_sources):
        for rule in entry.rules:
            needed_by = tuple(sorted(index_of[name] for name in rule.needed_by))
            written = rule.rule
            member = Member(index, rule.allow, written.form, needed_by, rule.response, written.kind, written.written)
            if written.kind is RuleKind.REGEX:
                regexes[member] = None
                continue
            member = interned.setdefault(member, member)
            present = by_key.get(rule.rule.key, ())
            if member not in present:
                by_key[rule.rule.key] = (*present, member)
    sets: dict[tuple[Member, ...], int] = {}
    number_of = {key: sets.setdefault(members, len(sets)) for key, members in by_key.items()}
    trie = marisa_trie.BinaryTrie(number_of)
    ids = array("I", bytes(4 * len(number_of)))
    for key, number in number_of.items():
        ids[trie.key_id(key)] = number
    plain = {
        "sources": [[source.name, int(source.rank)] for source in sources],
        "sets": [[member.to_plain() for member in members] for members in sets],
        "regexes": [member.to_plain() for member in regexes],
    }
    return CompiledRules(trie.tobytes(), ids.tobytes(), _json(plain))


def compile_groups(groups: Iterable[Group], own_vendors: Iterable[str]) -> bytes:
    """The groups, and the vendors that bundled and subscribed blocks leave alone."""
    return _json({"groups": [group.to_plain() for group in groups], "own_vendors": sorted(own_vendors)})


def load_layer(trie: marisa_trie.BinaryTrie, ids: memoryview, sets: bytes) -> RuleLayer:
    """The layer that `compile_rules` made. `ids` are its bytes, mapped or in memory."""
    plain = json.loads(sets)
    return RuleLayer(
        trie=trie,
        ids=ids.cast("I"),
        rule_sets=[RuleSet([Member.from_plain(member) for member in members]) for members in plain["sets"]],
        sources=[Source(name, Rank(rank)) for name, rank in plain["sources"]],
        regexes=[Member.from_plain(member) for member in plain["regexes"]],
    )


def load_policy(revision: int, layer: RuleLayer, groups: bytes) -> PolicySnapshot:
    """The snapshot of a layer and what `compile_groups` made."""
    plain = json.loads(groups)
    return PolicySnapshot(
        revision, layer, [Group.from_plain(group) for group in plain["groups"]], frozenset(plain["own_vendors"])
    )


def policy_in_memory(rules: CompiledRules, groups: bytes, revision: int = 0) -> PolicySnapshot:
    """A snapshot straight from compiled bytes, without a file."""
    trie = marisa_trie.BinaryTrie().frombytes(rules.trie)
    return load_policy(revision, load_layer(trie, memoryview(rules.ids), rules.sets), groups)


def _json(plain: object) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
