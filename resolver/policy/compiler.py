"""Rules and groups to a compiled policy: bytes that `snapshot_file` writes and maps. Runs in a process of its own."""

from __future__ import annotations

import itertools
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import marisa_trie

from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Member, Rank, RuleLayer, RuleSet, Source
from resolver.policy.rule_syntax import Rule, RuleForm, RuleKind
from resolver.policy.snapshot import PolicyMemory, PolicySnapshot
from resolver.policy.stack import RuleStack
from resolver.wire.local_records import NO_LOCAL_NAMES, PolicyLocalNames

_RESPONSES = frozenset(("zero-ip", "nxdomain", "nodata", "refused", "address"))

# Nested tries of the index: more take fewer octets a name and more time a look-up (measured: 3 take 16.7 octets and
# 2.7 µs for names of two random labels, 5 take 14.5 octets and 3.5 µs).
_TRIES = 3
_TRIES_FOR_MANY = 5
_MANY_KEYS = 100_000


@dataclass(frozen=True, slots=True)
class SourceRule:
    """One rule of a source. `needed_by` names bundled services."""

    rule: Rule
    allow: bool = False
    needed_by: tuple[str, ...] = ()
    response: str | None = None


@dataclass(frozen=True, slots=True)
class RuleSource:
    """A source with its rules, as the compiler takes it.

    `names` are keys of names that are blocked with all below them: the shape of nearly every rule of a large list.
    """

    source: Source
    rules: Iterable[SourceRule]
    names: Iterable[bytes] = ()


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
    index_of = {source.key: index for index, source in enumerate(sources)}
    rule_sets = RuleSets()
    number_of: dict[bytes, int] = {}  # key → its rule set
    patterns: dict[bytes, dict[Member, None]] = {}  # literal end → patterns, each once
    regexes: dict[Member, None] = {}  # in order, each once
    for index, entry in enumerate(rule_sources):
        rule_sets.extend_all(number_of, entry.names, Member(index, allow=False, form=RuleForm.SUBTREE))
        for item in entry.rules:
            rule = item.rule
            needed_by = tuple(sorted(index_of[name] for name in item.needed_by)) if item.needed_by else ()
            member = Member(index, item.allow, rule.form, needed_by, item.response, rule.kind, rule.written)
            if rule.kind is RuleKind.REGEX:
                regexes[member] = None
            elif rule.kind is RuleKind.PATTERN:
                patterns.setdefault(rule.key, {})[member] = None
            else:
                rule_sets.extend_all(number_of, (rule.key,), member)
    for key, members in patterns.items():
        number_of[key] = rule_sets.numbered((*rule_sets.all[number_of.get(key, 0)], *members))
    return pack(number_of, rule_sets, sources, regexes)


def pack(
    number_of: dict[bytes, int], rule_sets: RuleSets, sources: Iterable[Source], regexes: Iterable[Member]
) -> CompiledRules:
    """A layer as bytes: keys with the numbers of their rule sets."""
    keys = list(number_of)
    trie = marisa_trie.BinaryTrie(keys, num_tries=_TRIES if len(keys) < _MANY_KEYS else _TRIES_FOR_MANY)
    # Nearly all names of a large policy have the same rule set; only the others are looked up one by one.
    usual = Counter(number_of.values()).most_common(1)[0][0] if keys else 0
    ids = array(_narrowest(len(rule_sets.all)), [usual]) * len(keys)
    for key, number in number_of.items():
        if number != usual:
            ids[trie.key_id(key)] = number
    as_json = {
        "sources": [[source.name, int(source.rank), source.identity] for source in sources],
        "sets": [[member.to_plain() for member in members] for members in rule_sets.all],
        "regexes": [member.to_plain() for member in regexes],
        "ids": ids.typecode,
    }
    return CompiledRules(trie.tobytes(), ids.tobytes(), _json(as_json))


class RuleSets:
    """The rule sets met so far, each once; number 0 is the empty one."""

    def __init__(self) -> None:
        self.all: list[tuple[Member, ...]] = [()]
        self._number_of: dict[tuple[Member, ...], int] = {(): 0}

    def extend_all(self, number_of: dict[bytes, int], keys: Iterable[bytes], member: Member) -> None:
        """Put one more member into the rule set of each key."""
        steps: dict[int, int] = {}  # from a set to the one with the member; few, however many keys
        get = number_of.get
        for key in keys:
            number = get(key, 0)
            following = steps.get(number)
            if following is None:
                members = self.all[number]
                following = steps[number] = self.numbered(members if member in members else (*members, member))
            number_of[key] = following

    def numbered(self, members: tuple[Member, ...]) -> int:
        """The number of a rule set."""
        number = self._number_of.setdefault(members, len(self.all))
        if number == len(self.all):
            self.all.append(members)
        return number


def _narrowest(count: int) -> str:
    """The array type code that numbers `count` things in the fewest octets."""
    return next(code for code in "BHI" if count <= 1 << 8 * array(code).itemsize)


def compile_groups(
    groups: Iterable[CompiledGroup], own_vendors: Iterable[str], scopes: Mapping[str, Iterable[str]] | None = None
) -> bytes:
    """The groups, the vendors that bundled and subscribed blocks leave alone, and what exemptions may name."""
    return _json(
        {
            "groups": [group.to_plain() for group in groups],
            "own_vendors": sorted(own_vendors),
            "scopes": {name: sorted(keys) for name, keys in (scopes or {}).items()},
        }
    )


def load_layer(trie: marisa_trie.BinaryTrie, ids: memoryview, sets: bytes, content: str = "") -> RuleLayer:
    """The layer that `pack` made. `ids` are its bytes, mapped or in memory; `content` stands for it.

    Raises ValueError, TypeError, KeyError for what `pack` never made. (What is within the trie cannot be checked.)
    """
    plain = json.loads(sets)
    numbers = ids.cast(plain["ids"])
    sources = [Source(name, Rank(rank), identity) for name, rank, identity in plain["sources"]]
    rule_sets = [[Member.from_plain(member) for member in members] for members in plain["sets"]]
    regexes = [Member.from_plain(member) for member in plain["regexes"]]
    _check_numbers(len(trie), numbers, rule_sets)
    for source in sources:
        _is_text(source.name, source.identity)
    for member in itertools.chain(regexes, *rule_sets):
        _check_member(member, len(sources))
    return RuleLayer(
        trie=trie,
        ids=numbers,
        rule_sets=[RuleSet(members) for members in rule_sets],
        sources=sources,
        regexes=regexes,
        content=content,
    )


def _check_numbers(keys: int, numbers: memoryview, rule_sets: list[list[Member]]) -> None:
    if not rule_sets or rule_sets[0]:
        raise ValueError("rule set 0 is not the empty one")
    if len(numbers) != keys:
        raise ValueError(f"{len(numbers)} numbers for {keys} keys")
    if max(numbers, default=0) >= len(rule_sets):
        raise ValueError(f"a number of a rule set beyond the {len(rule_sets)} that there are")


def _check_member(member: Member, sources: int) -> None:
    """Refuse a rule that would fail when a query comes by."""
    for number in (member.source, *member.needed_by):
        if type(number) is not int or not 0 <= number < sources:
            raise ValueError(f"a rule of source {number!r}, where there are {sources}")
    if member.response is not None and member.response not in _RESPONSES:
        raise ValueError(f"a rule with the answer {member.response!r}, which is none")
    if (member.written is None) is not (member.kind is RuleKind.NAME):
        raise ValueError("a name with an expression, or an expression without one")
    if member.written is not None:
        _is_text(member.written)


def _is_text(*values: object) -> None:
    if not all(isinstance(value, str) for value in values):
        raise TypeError("text is missing")


def load_policy(
    revision: int,
    layers: Sequence[RuleLayer],
    groups: bytes,
    local: PolicyLocalNames = NO_LOCAL_NAMES,
    memory: PolicyMemory | None = None,
) -> PolicySnapshot:
    """The snapshot of layers, the lowest first, what `compile_groups` made, and local names."""
    plain = json.loads(groups)
    scopes = plain.get("scopes") or {}  # an earlier version wrote none
    if "ai" in scopes:
        scopes.setdefault("vendors", scopes["ai"])  # an earlier version's `ai` had no resellers in it
    return PolicySnapshot(
        revision,
        RuleStack(layers),
        [CompiledGroup.from_plain(group) for group in plain["groups"]],
        frozenset(plain["own_vendors"]),
        scopes,
        local,
        memory,
    )


def policy_in_memory(rules: CompiledRules, groups: bytes, revision: int = 0) -> PolicySnapshot:
    """A snapshot straight from compiled bytes, without a file."""
    return load_policy(revision, [layer_in_memory(rules)], groups)


def layer_in_memory(rules: CompiledRules) -> RuleLayer:
    """A layer straight from compiled bytes."""
    trie = marisa_trie.BinaryTrie().frombytes(rules.trie)
    return load_layer(trie, memoryview(rules.ids), rules.sets)


def _json(plain: object) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
