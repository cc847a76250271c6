"""Rules as compiled: where each comes from, and the index from a name's key to the rules on it and above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Protocol

from resolver.names import to_text, wire_of_key
from resolver.rules import Rule, RuleForm, RuleKind, search_many


class Rank(IntEnum):
    """Who speaks first. Within a rank the longest matching name decides."""

    OWN = 1  # the admin's lists (and what a group allows)
    BUNDLED = 2  # the catalogue
    SUBSCRIPTION = 3  # lists from elsewhere


@dataclass(frozen=True, slots=True)
class Source:
    """Where rules come from: an admin's list, one service of the catalogue, or a subscription."""

    name: str
    rank: Rank

    @property
    def vendor(self) -> str | None:
        """The vendor of a bundled service."""
        return self.name.partition("/")[0] if self.rank is Rank.BUNDLED else None


@dataclass(frozen=True, slots=True)
class Member:
    """One rule's meaning, without its name: all rules that mean the same share one.

    `source` and `needed_by` are indices into the layer's sources; `response` is an answer mode that is forced;
    `written` is the pattern or expression, None for a name.
    """

    source: int
    allow: bool
    form: RuleForm
    needed_by: tuple[int, ...] = ()
    response: str | None = None
    kind: RuleKind = RuleKind.NAME
    written: str | None = None

    def rule(self, key: bytes) -> Rule:
        """The rule, on the name `key`."""
        return Rule(self.form, key, self.kind, self.written)

    def to_plain(self) -> list[Any]:
        """As it is written into a snapshot."""
        plain: list[Any] = [self.source, int(self.allow), int(self.form), list(self.needed_by), self.response]
        return plain if self.kind is RuleKind.NAME else [*plain, int(self.kind), self.written]

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> Member:
        """What `to_plain` wrote."""
        source, allow, form, needed_by, response, *pattern = plain
        kind, written = pattern or (0, None)
        return cls(source, bool(allow), RuleForm(form), tuple(needed_by), response, RuleKind(kind), written)


class NameTrie(Protocol):
    """What a layer needs of its trie (marisa_trie.BinaryTrie)."""

    def prefixes(self, key: bytes) -> list[bytes]:
        """Every key in the trie that `key` begins with, shortest first."""

    def key_id(self, key: bytes) -> int:
        """The number of a key in the trie."""


class Matcher:
    """The patterns on one name, or all regular expressions: those that cover a name, strongest first."""

    def __init__(self, members: Sequence[Member]) -> None:
        by_text: dict[tuple[RuleKind, RuleForm, str | None], list[Member]] = {}
        for member in members:
            by_text.setdefault((member.kind, member.form, member.written), []).append(member)
        # What is written longer says more.
        ordered = sorted(by_text.values(), key=lambda same: (-len(same[0].written or ""), same[0].written))
        self._members = [tuple(same) for same in ordered]
        self._search = search_many([same[0].rule(b"").regex for same in ordered])

    def covering(self, text: str) -> list[tuple[Member, ...]]:
        """The members of each expression that matches the name, in lower-case presentation form."""
        return [self._members[number] for number in self._search(text)]


class RuleSet:
    """All rules on one name. `patterns` are those whose literal end it is."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.names = tuple(member for member in members if member.kind is RuleKind.NAME)
        self._patterns = tuple(member for member in members if member.kind is not RuleKind.NAME)
        self.has_patterns = bool(self._patterns)

    @cached_property
    def patterns(self) -> Matcher:
        """Made when a query first comes by."""
        return Matcher(self._patterns)


# A name's key and the rules of equal strength on it that cover the name asked for. Strongest first: names by length,
# then patterns by the length of their literal end, then regular expressions (key b"").
Match = tuple[bytes, tuple[Member, ...]]


class RuleLayer:
    """An immutable set of rules, ready to be asked. `ids[trie.key_id(key)]` numbers the key's rule set."""

    def __init__(
        self,
        trie: NameTrie,
        ids: Sequence[int],
        rule_sets: Sequence[RuleSet],
        sources: Sequence[Source],
        regexes: Sequence[Member] = (),
    ) -> None:
        self._trie = trie
        self._ids = ids
        self._rule_sets = tuple(rule_sets)
        self._regexes = Matcher(regexes) if regexes else None
        self.sources = tuple(sources)

    def walk(self, key: bytes) -> list[tuple[bytes, int]]:
        """The names that have rules, from `key` itself upwards, each with the number of its rule set."""
        trie, ids = self._trie, self._ids
        prefixes = trie.prefixes(key)
        prefixes.reverse()
        return [(prefix, ids[trie.key_id(prefix)]) for prefix in prefixes]

    def must_search(self, walked: list[tuple[bytes, int]]) -> bool:
        """Whether patterns or expressions have to be searched for as well."""
        return self._regexes is not None or any(self._rule_sets[number].has_patterns for _, number in walked)

    def matches(self, key: bytes, walked: list[tuple[bytes, int]]) -> list[Match]:
        """The rules that cover the name `key`, strongest first; `walked` is what `walk` gave for it."""
        found: list[Match] = []
        for prefix, number in walked:
            outside = RuleForm.BELOW if len(prefix) == len(key) else RuleForm.EXACT
            covering = tuple(member for member in self._rule_sets[number].names if member.form is not outside)
            if covering:
                found.append((prefix, covering))
        if self.must_search(walked):
            text = to_text(wire_of_key(key)).replace("\\.", "\\046")  # every dot that is left is a boundary
            for prefix, number in walked:
                if self._rule_sets[number].has_patterns:
                    found += [(prefix, members) for members in self._rule_sets[number].patterns.covering(text)]
            if self._regexes is not None:
                found += [(b"", members) for members in self._regexes.covering(text)]
        return found
