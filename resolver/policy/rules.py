"""Rules as compiled: where each comes from, and the index from a name's key to the rules on it and above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

from resolver.names import RuleForm


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

    `source` and `needed_by` are indices into the layer's sources; `response` is an answer mode that is forced.
    """

    source: int
    allow: bool
    form: RuleForm
    needed_by: tuple[int, ...] = ()
    response: str | None = None

    def to_plain(self) -> list[Any]:
        """As it is written into a snapshot."""
        return [self.source, int(self.allow), int(self.form), list(self.needed_by), self.response]

    @classmethod
    def from_plain(cls, plain: Sequence[Any]) -> Member:
        """What `to_plain` wrote."""
        source, allow, form, needed_by, response = plain
        return cls(source, bool(allow), RuleForm(form), tuple(needed_by), response)


RuleSet = tuple[Member, ...]  # all rules on one name


class NameTrie(Protocol):
    """What a layer needs of its trie (marisa_trie.BinaryTrie)."""

    def prefixes(self, key: bytes) -> list[bytes]:
        """Every key in the trie that `key` begins with, shortest first."""

    def key_id(self, key: bytes) -> int:
        """The number of a key in the trie."""


Match = tuple[bytes, RuleSet]  # a name's key, and the rules on it that cover the name asked for


@dataclass(frozen=True, slots=True)
class RuleLayer:
    """An immutable set of rules on names, ready to be asked. `ids[trie.key_id(key)]` numbers the key's rule set."""

    trie: NameTrie
    ids: Sequence[int]
    rule_sets: tuple[RuleSet, ...]
    sources: tuple[Source, ...]

    def matches(self, key: bytes) -> list[Match]:
        """The rules that cover the name `key`, longest name first. One walk, for any number of lists."""
        trie = self.trie
        prefixes = trie.prefixes(key)
        if not prefixes:
            return []
        found = []
        for prefix in reversed(prefixes):
            rule_set = self.rule_sets[self.ids[trie.key_id(prefix)]]
            outside = RuleForm.BELOW if len(prefix) == len(key) else RuleForm.EXACT
            covering = tuple(member for member in rule_set if member.form is not outside)
            if covering:
                found.append((prefix, covering))
        return found
