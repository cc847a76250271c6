"""Rules as compiled: where each comes from, and a layer, the index from names' keys to the rules on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, Protocol

from resolver.policy.rule_syntax import RUN, Rule, RuleForm, RuleKind, search_many
from resolver.policy.runs import RunSearch
from resolver.wire.ip_keys import FIRST_OCTETS


class Rank(IntEnum):
    """Rank of a source: the lower number decides. Within a rank the longest matching name does."""

    OWN = 1  # the admin's lists (and what a group allows)
    BUNDLED = 2  # the catalogue
    SUBSCRIPTION = 3  # lists from elsewhere
    FEED = 4  # what a feed adds to the catalogue: it decides where nothing else does, and never allows


@dataclass(frozen=True, slots=True)
class Source:
    """Source of rules: an admin's list, one service of the catalogue, a subscription, or what a feed adds to a service.

    `identity` tells lists of one name apart: one that is made anew must not come by the rules of the one before.
    """

    name: str
    rank: Rank
    identity: str = ""

    @property
    def key(self) -> str:
        """The name that groups call it by."""
        return self.identity or self.name

    @property
    def vendor(self) -> str | None:
        """The vendor of a service of the catalogue, or of a feed."""
        return self.name.partition("/")[0] if self.rank in (Rank.BUNDLED, Rank.FEED) else None


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
        """Read what `to_plain` wrote."""
        source, allow, form, needed_by, response, *pattern = plain
        kind, written = pattern or (0, None)
        return cls(source, bool(allow), RuleForm(form), tuple(needed_by), response, RuleKind(kind), written)


class NameTrie(Protocol):
    """Trie of names' keys, as far as a layer needs it (marisa_trie.BinaryTrie)."""

    def prefixes(self, key: bytes) -> list[bytes]:
        """Every key in the trie that `key` begins with, shortest first."""

    def key_id(self, key: bytes) -> int:
        """The number of a key in the trie."""

    def iterkeys(self, prefix: bytes) -> Iterator[bytes]:
        """The keys in the trie that begin so."""

    def iteritems(self, prefix: bytes) -> Iterator[tuple[bytes, int]]:
        """The same, each with its number."""


class Matcher:
    """The patterns on one name, or all regular expressions: those that cover a name, strongest first."""

    def __init__(self, members: Sequence[Member]) -> None:
        by_text: dict[tuple[RuleKind, RuleForm, str | None], list[Member]] = {}
        for member in members:
            by_text.setdefault((member.kind, member.form, member.written), []).append(member)
        # What is written longer says more.
        ordered = sorted(by_text.values(), key=lambda same: (-len(same[0].written or ""), same[0].written))
        self._members = [tuple(same) for same in ordered]
        runs = [
            (number, same[0].form, same[0].written or "")
            for number, same in enumerate(ordered)
            if same[0].kind is RuleKind.PATTERN and RUN in (same[0].written or "")
        ]
        self._runs = RunSearch(runs) if runs else None
        aside = {number for number, _, _ in runs}
        self._numbers = [number for number in range(len(ordered)) if number not in aside]
        self._search = search_many([ordered[number][0].rule(b"").regex for number in self._numbers])

    def covering(self, text: str) -> list[tuple[Member, ...]]:
        """The members of each expression that matches the name, in lower-case presentation form."""
        found = [self._numbers[number] for number in self._search(text)]
        if self._runs is not None:
            found = sorted(found + self._runs.found(text))
        return [self._members[number] for number in found]


class RuleSet:
    """All rules on one name. `patterns` are those whose literal end it is."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
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
    """An immutable set of rules by name. `ids[trie.key_id(key)]` numbers the key's rule set; number 0 is empty.

    `regexes` are the expressions in force, of this layer and all below it. `content` stands for what is in it, "" where
    nobody asked.
    """

    def __init__(
        self,
        trie: NameTrie,
        ids: Sequence[int],
        rule_sets: Sequence[RuleSet],
        sources: Sequence[Source],
        regexes: Sequence[Member] = (),
        content: str = "",
    ) -> None:
        self._trie = trie
        self._ids = ids
        self.rule_sets = tuple(rule_sets)
        self.sources = tuple(sources)
        self.regexes = tuple(regexes)
        self.content = content
        self.has_addresses = any(True for first in FIRST_OCTETS for _ in trie.iterkeys(first))

    def walk(self, key: bytes) -> list[tuple[bytes, int]]:
        """The names that have rules, from `key` itself upwards, each with the number of its rule set."""
        trie, ids = self._trie, self._ids
        prefixes = trie.prefixes(key)
        if not prefixes:
            return []
        prefixes.reverse()
        return [(prefix, ids[trie.key_id(prefix)]) for prefix in prefixes]

    def has_below(self, key: bytes) -> bool:
        """Whether this layer says anything of a name, or of any below it."""
        return any(True for _ in self._trie.iterkeys(key))

    def entries(self) -> Iterator[tuple[bytes, RuleSet]]:
        """Every key with its rule set; the empty one takes away what layers below say of the key."""
        rule_sets, ids = self.rule_sets, self._ids
        for key, number in self._trie.iteritems(b""):
            yield key, rule_sets[ids[number]]

    def members_at(self, key: bytes) -> tuple[Member, ...] | None:
        """All that stands on the name itself; None where this layer says nothing of it."""
        walked = self.walk(key)
        return self.rule_sets[walked[0][1]].members if walked and walked[0][0] == key else None
