"""The rules in force: layers, each over those before it.

A layer's rules for a name replace all that the layers below say of that name; an empty rule set takes them away. So a
small change over a million compiled rules is a small layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

from resolver.policy.rule_layer import Match, Matcher, Member, RuleLayer, RuleSet
from resolver.policy.rule_syntax import RuleForm
from resolver.wire.names import to_text, wire_of_key

Walked = list[tuple[bytes, int]]


class RuleStack:
    """One layer or more, asked as if they were one. The topmost knows all sources."""

    def __init__(self, layers: Sequence[RuleLayer]) -> None:
        self.layers = tuple(layers)
        top = self.layers[-1]
        self.sources = top.sources
        self._regexes = Matcher(top.regexes) if top.regexes else None
        self.has_regexes = bool(top.regexes)
        self._rule_sets = tuple(rule_set for layer in self.layers for rule_set in layer.rule_sets)
        overlays: list[tuple[int, RuleLayer]] = []  # with the number of its first rule set
        first = 0
        for layer in self.layers:
            if first:
                overlays.append((first, layer))
            first += len(layer.rule_sets)
        self.judges_addresses = any(layer.has_addresses for layer in self.layers)
        """Whether there are rules for addresses at all."""
        # No method of this object, which would then refer to itself, and wait for the garbage collector.
        self.walk: Callable[[bytes], Walked] = (
            functools.partial(_walk_all, self.layers[0], overlays) if overlays else self.layers[0].walk
        )
        """The names that have rules, from a key itself upwards, each with the number of its rule set."""

    def members_at(self, key: bytes) -> tuple[Member, ...]:
        """All rules on the name itself."""
        for layer in reversed(self.layers):
            members = layer.members_at(key)
            if members is not None:
                return members
        return ()

    def has_below(self, key: bytes) -> bool:
        """Whether there are rules for a name or any below it, or there were some that an overlay has taken away."""
        return any(layer.has_below(key) for layer in self.layers)

    def entries(self) -> Iterator[tuple[bytes, RuleSet]]:
        """Every key that has rules in force, with its rule set, in no order."""
        said: set[bytes] = set()
        for layer in reversed(self.layers[1:]):
            for key, rule_set in layer.entries():
                if key not in said:
                    said.add(key)
                    if rule_set.members:
                        yield key, rule_set
        for key, rule_set in self.layers[0].entries():
            if key not in said:
                yield key, rule_set

    def must_search(self, walked: Walked) -> bool:
        """Whether patterns or expressions have to be searched for as well."""
        return self._regexes is not None or any(self._rule_sets[number].has_patterns for _, number in walked)

    def matches_of_address(self, walked: Walked) -> list[Match]:
        """The rules that cover an address, strongest first; `walked` is what `walk` gave for its key."""
        return [(prefix, members) for prefix, number in walked if (members := self._rule_sets[number].names)]

    def matches(self, key: bytes, walked: Walked) -> list[Match]:
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


def _walk_all(base: RuleLayer, overlays: list[tuple[int, RuleLayer]], key: bytes) -> Walked:
    walked = base.walk(key)
    for first, layer in overlays:
        over = layer.walk(key)
        if over:
            merged = dict(walked)
            for prefix, number in over:
                if number:
                    merged[prefix] = first + number
                else:
                    merged.pop(prefix, None)
            walked = sorted(merged.items(), key=_by_length, reverse=True)
    return walked


def _by_length(walked: tuple[bytes, int]) -> int:
    return len(walked[0])
