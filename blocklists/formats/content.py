"""Content of a list: rules in their one normal form, and all that could not be one."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Collection, Set
from dataclasses import dataclass, field
from typing import Literal

from resolver.config.suffixes import is_public_suffix
from resolver.errors import ListError, RuleError
from resolver.policy.rule_syntax import MAX_PATTERNS, RuleKind, is_plain, parse_rule

Action = Literal["block", "allow"]

MOST_RULES = 2_000_000
MOST_PROBLEMS = 100  # that are kept with line and reason; all are counted
MOST_ALIKE = 1000  # patterns with one literal end: names that end so are searched for all of them
MOST_REASONS = 100  # that are told apart: a list may make up as many options as it has lines
_MOST_TEXT = 200
_OTHER = "other things that do not exist in DNS"
AN_ADDRESS = "an address is not a name: DNS cannot block it"
OWN_ADDRESS = "a name with its own address is not a block"
EVERYTHING = "it matches all names"
REGEX = "regular expressions are accepted in own lists only"
_TOO_MANY = f"there are more than {MAX_PATTERNS:,} patterns, or {MOST_ALIKE:,} with one ending, the maximum"
_NOT_QUOTED = "it cannot be read (of a private address nothing is quoted)"
_NOT_NAMED = "DNS cannot express it (of a private address nothing is quoted)"
_SUFFIX = "it is a public suffix: all names below would be blocked"


@dataclass(frozen=True, slots=True)
class UnreadableLine:
    """A line that cannot be read."""

    line: int
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Inexpressible:
    """Lines that mean something which DNS cannot do, or that we do not do: how many, and the first of them."""

    count: int
    line: int


@dataclass(frozen=True, slots=True)
class ListContent:
    """A list that was read. `content` is one rule a line, ``block example.com``, sorted: equal rules, equal bytes."""

    format: str
    content: bytes
    rules: int
    patterns: int
    regexes: int
    lines: int
    comments: int
    duplicates: int
    problem_count: int
    problems: tuple[UnreadableLine, ...] = ()
    inexpressible: dict[str, Inexpressible] = field(default_factory=dict)  # by reason


class Collector:
    """Takes rules one by one. Raises ListError when there are too many.

    Without `quotes` nothing is told of lines that are no rules but their numbers: they may be of some other thing.
    """

    def __init__(self, most_rules: int = MOST_RULES, *, may_have_regexes: bool = False, quotes: bool = True) -> None:
        self._most = most_rules
        self._may_have_regexes = may_have_regexes
        self._quotes = quotes
        self._rules: dict[Action, set[str]] = {"block": set(), "allow": set()}
        self._unusual: set[str] = set()  # rules that are patterns or expressions
        self._alike: Counter[str] = Counter()  # patterns, by their literal ends
        self._taken = 0
        self._duplicates = 0
        self._problems: list[UnreadableLine] = []
        self._inexpressible: dict[str, Inexpressible] = {}
        self.problem_count = 0
        self.comments = 0
        self.lines = 0

    def name(self, line: int, text: str, form: str = "", action: Action = "block") -> None:
        """A name; `form` is the prefix of a rule of ours: nothing, ``=`` or ``*.``."""
        name = text.lower()
        if not is_plain(name):
            self.rule(line, form + name.removesuffix("."), action)
        elif action == "block" and form != "=" and is_public_suffix(name):
            self.problem(line, text, _SUFFIX)
        elif name[-1] in "0123456789" and name.rpartition(".")[2].isdigit():
            self.inexpressible(line, AN_ADDRESS)
        elif "." not in name:
            self.problem(line, text, "it has one label only")
        else:
            self._add(form + name, action)

    def foreign(self, line: int, text: str, action: Action = "block") -> None:
        """A rule that another program's format says; ``**`` in it is any run of characters."""
        if "*" in text.removeprefix("*."):
            self.rule(line, text, action, is_foreign=True)
            return
        form = "*." if text.startswith("*.") else "=" if text.startswith("=") else ""
        self.name(line, text.removeprefix(form), form, action)

    def rule(self, line: int, text: str, action: Action = "block", *, is_foreign: bool = False) -> None:
        """A rule in our own syntax; with `is_foreign` as `foreign` has it."""
        try:
            rule = parse_rule(text, is_foreign=is_foreign)
        except RuleError as error:
            self.problem(line, text, str(error))
            return
        if rule.kind is RuleKind.NAME:
            prefix = {"=": "=", "*": "*."}.get(rule.text[0], "")
            name = rule.text.removeprefix(prefix)
            if action == "block" and prefix != "=" and is_public_suffix(name):
                self.problem(line, text, _SUFFIX)
                return
            if "." not in name:
                self.problem(line, text, "it has one label only")
                return
            if name.rpartition(".")[2].isdigit():
                self.inexpressible(line, AN_ADDRESS)
                return
        elif rule.kind is RuleKind.REGEX and not self._may_have_regexes:
            self.inexpressible(line, REGEX)
            return
        elif rule.kind is RuleKind.PATTERN and self._is_too_wide(rule.written or ""):
            self.problem(line, text, "it would match everything below a public suffix")
            return
        elif rule.kind is RuleKind.PATTERN and rule.text not in self._unusual:
            end = (rule.written or "").rpartition("*")[2]
            if len(self._unusual) >= MAX_PATTERNS or self._alike[end] >= MOST_ALIKE:
                self.inexpressible(line, _TOO_MANY)
                return
            self._alike[end] += is_foreign
        self._add(rule.text, action)
        if rule.kind is not RuleKind.NAME:
            self._unusual.add(rule.text)

    def problem(self, line: int, text: str, reason: str) -> None:
        """A line that cannot be read."""
        self.problem_count += 1
        if not self._quotes:
            text, reason = "", _NOT_QUOTED
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(UnreadableLine(line, _shown(text, _MOST_TEXT), _shown(reason, 2 * _MOST_TEXT)))

    def inexpressible(self, line: int, reason: str) -> None:
        """A line that says something which cannot be done."""
        if not self._quotes:
            reason = _NOT_NAMED
        known = self._inexpressible.get(reason)
        if known is None:
            reason = _shown(reason, _MOST_TEXT) if len(self._inexpressible) < MOST_REASONS else _OTHER
            known = self._inexpressible.get(reason, Inexpressible(0, line))
        self._inexpressible[reason] = Inexpressible(known.count + 1, known.line)

    def taken(self, action: Action) -> Set[str]:
        """The rules so far, as they are written."""
        return self._rules[action]

    def cancel(self, text: str, action: Action) -> None:
        """Take a rule back; one that cannot be read was never taken."""
        with contextlib.suppress(RuleError):
            self._rules[action].discard(parse_rule(text, is_foreign=True).text)

    def let_exceptions_win(self, *, weak: Collection[str], important: Collection[str]) -> None:
        """Let what is allowed be stronger than blocks of names below; among our rules the longer name is.

        The `important` blocks stay, and are stronger than what is allowed there and below. What is allowed by `weak`
        rules is blocked by others all the same.
        """
        block, allow = self._rules["block"], self._rules["allow"]
        for rule in list(allow):
            if (rule in weak and rule in block) or _is_below(rule, important):
                allow.discard(rule)
        trees = {rule for rule in allow if rule[0] not in "=*/" and "*" not in rule} - set(weak)
        below = {rule[2:] for rule in allow if rule.startswith("*.")} - set(weak)
        if not trees and not below:
            return
        # Most names are told apart by their ends alone.
        size = min(len(name) for name in (*trees, *below))
        ends = {name[-size:] for name in (*trees, *below)}
        for rule in [rule for rule in block if rule[-size:] in ends]:
            name = rule.removeprefix("=").removeprefix("*.")
            if "*" in name or rule in important or name[:1] == "/":
                continue
            is_excepted = rule in trees
            while (at := name.find(".")) >= 0 and not is_excepted:
                name = name[at + 1 :]
                is_excepted = name in trees or name in below
            if is_excepted:
                block.discard(rule)

    def finish(self, format_name: str) -> ListContent:
        """All that was taken. Raises ListError for what is no list."""
        meaningful = self._taken + self.problem_count + sum(entry.count for entry in self._inexpressible.values())
        is_nothing = self.problem_count == meaningful
        if self.problem_count and (is_nothing or (meaningful >= 20 and self.problem_count * 2 > meaningful)):
            first = self._problems[0]
            raise ListError(
                f"this does not look like a list: {self.problem_count} of {meaningful} lines cannot be read as "
                f"{format_name}; line {first.line}: {first.reason}"
            )
        block = self._whole_trees(self._rules["block"])
        allow = self._whole_trees(self._rules["allow"])
        unusual = [rule for rules in (block, allow) for rule in rules & self._unusual]
        regexes = sum(rule.startswith("/") for rule in unusual)
        return ListContent(
            format=format_name,
            content=_rows("allow", allow) + _rows("block", block),
            rules=len(allow) + len(block),
            patterns=len(unusual) - regexes,
            regexes=regexes,
            lines=self.lines,
            comments=self.comments,
            duplicates=self._duplicates,
            problem_count=self.problem_count,
            problems=tuple(self._problems),
            inexpressible=dict(self._inexpressible),
        )

    def _add(self, text: str, action: Action) -> None:
        self._taken += 1
        rules = self._rules[action]
        before = len(rules)
        rules.add(text)
        if len(rules) == before:
            self._duplicates += 1
        elif before >= self._most:
            raise ListError(f"this list has more than {self._most:,} rules, the maximum of a list")

    def _whole_trees(self, rules: set[str]) -> set[str]:
        """``=x`` and ``*.x`` together are ``x``."""
        for below in [rule for rule in rules if rule.startswith("*.")]:
            name = below[2:]
            if f"={name}" in rules:
                rules -= {below, f"={name}"}
                rules.add(name)
                if below in self._unusual:
                    self._unusual.add(name)
        return rules

    @staticmethod
    def _is_too_wide(written: str) -> bool:
        head, _, suffix = written.rpartition("*")
        return not head.strip("*.") and is_public_suffix(suffix.lstrip("."))


def _is_below(rule: str, names: Collection[str]) -> bool:
    """Whether all that a rule covers is covered by one of the names with all below them."""
    if not names or rule.startswith("/"):
        return False
    name = rule.removeprefix("=").removeprefix("*.").rpartition("*")[2]
    if "*" in rule.removeprefix("*."):
        name = name.partition(".")[2]
    while name:
        if name in names:
            return True
        name = name.partition(".")[2]
    return False


def _rows(action: Action, rules: set[str]) -> bytes:
    """The rules' lines; no string is made for each, since there may be millions."""
    between = f"\n{action} "
    return f"{action} {between.join(sorted(rules))}\n".encode() if rules else b""


def _shown(text: str, most: int) -> str:
    """Text from a list, fit for a terminal and a log."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:most])
