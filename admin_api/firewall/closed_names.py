"""Names and networks that the policy in force closes to a group, as lists for firewalls: never more than it closes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from blocklists.own_networks import OwnNetwork
from resolver.policy.decision import Verdict
from resolver.policy.rule_syntax import RUN, Rule, RuleForm, RuleKind
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View
from resolver.wire.ip_keys import is_ip_key
from resolver.wire.names import key_of, parse_name, to_text, wire_of_key

_PROBE = b"\x07moatdns"  # a label below a name: whether the policy closes what is there


@dataclass(slots=True)
class ClosedNames:
    """Names that are closed: alone, or with all below them. `left_out` counts rules that no list of names can hold.

    Those are patterns and expressions, rules for what is below a name alone, and rules below which something is open.
    """

    alone: set[str] = field(default_factory=set)
    with_below: set[str] = field(default_factory=set)
    left_out: int = 0

    def plain(self) -> list[str]:
        """Names with all below them. Those of `alone` are not in it: most firewalls take a plain name for all below."""
        return sorted(self.with_below)

    def wildcard(self) -> list[str]:
        """Each name, and behind it ``*.NAME`` where all below it is closed."""
        every = sorted(self.with_below | self.alone)
        return [line for name in every for line in ((name, f"*.{name}") if name in self.with_below else (name,))]


def closed_names(
    policy: PolicySnapshot, view: View, known: Collection[tuple[str, Rule]], wanted: Iterable[Rule]
) -> ClosedNames:
    """Find the names that `wanted` rules close for a view; `known` are all rules with their actions: some may open."""
    opened = sorted({rule.key for _, rule in known if _is_name(rule) and not _closes(policy, view, rule.key)})
    unsure = {rule.key for action, rule in known if _may_open(policy, view, action, rule)}
    found = ClosedNames()
    for rule in set(wanted):
        if not _is_name(rule):
            found.left_out += 1
        elif rule.form is RuleForm.BELOW:
            found.left_out += _closes(policy, view, rule.key + _PROBE)
        elif _closes(policy, view, rule.key):
            name = to_text(wire_of_key(rule.key))
            if rule.form is RuleForm.EXACT or not _closes(policy, view, rule.key + _PROBE):
                found.alone.add(name)
            elif _has_below(opened, rule.key) or any(_touch(key, rule.key) for key in unsure):
                found.left_out += 1
            else:
                found.with_below.add(name)
    found.alone -= found.with_below
    return found


def closed_networks(
    policy: PolicySnapshot, view: View, networks: Sequence[OwnNetwork], rules: Iterable[tuple[str, Rule]]
) -> list[str]:
    """The networks of vendors of which nothing is open for a view; `rules` are those of vendors, by their ids."""
    known: set[str] = set()
    opened: set[str] = set()
    for vendor, rule in rules:
        known.add(vendor)
        if _is_name(rule):
            key = rule.key + _PROBE if rule.form is RuleForm.BELOW else rule.key
            if not _closes(policy, view, key):
                opened.add(vendor)
    return [one.network for one in networks if one.owner in known - opened]


def _is_name(rule: Rule) -> bool:
    return rule.kind is RuleKind.NAME and not is_ip_key(rule.key)


def _may_open(policy: PolicySnapshot, view: View, action: str, rule: Rule) -> bool:
    """Whether a pattern or an expression may open names that nobody can list."""
    if rule.kind is RuleKind.NAME or action == "allow":
        return rule.kind is not RuleKind.NAME
    if rule.kind is RuleKind.REGEX or RUN in (rule.written or ""):
        return False  # of lists of one's own: what blocks opens nothing
    name = ("x." if rule.form is RuleForm.BELOW else "") + (rule.written or "").replace("*", "x")
    return not _closes(policy, view, key_of(parse_name(name)))  # of a service that may be open where others are closed


def _touch(one: bytes, other: bytes) -> bool:
    """Whether one of two names is the other, or below it."""
    return one.startswith(other) or other.startswith(one)


def _closes(policy: PolicySnapshot, view: View, key: bytes) -> bool:
    return policy.decide(view, key).verdict is Verdict.BLOCK


def _has_below(keys: Sequence[bytes], above: bytes) -> bool:
    """Whether one of some sorted keys is below a name."""
    place = bisect_left(keys, above + b"\x00")
    return place < len(keys) and keys[place].startswith(above)
