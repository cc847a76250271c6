"""Names and networks that the policy in force closes to a group, as lists for firewalls: never more than it closes."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from admin_api.firewall.open_names import OpenNames
from admin_api.firewall.stopping import IsStopped, never, until_stopped
from blocklists.own_networks import OwnNetwork
from resolver.errors import RuleError
from resolver.policy.rule_layer import Source
from resolver.policy.rule_syntax import RuleForm, RuleKind
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View
from resolver.wire.ip_keys import is_ip_key
from resolver.wire.local_data import LocalData
from resolver.wire.names import to_text, wire_of_key

MOST_RULES: Final = 200_000
"""Rules that one list is made of."""

_LISTED = re.compile(r"(?:[a-z0-9_-]+\.)*[a-z0-9_-]*[a-z_-][a-z0-9_-]*\Z")  # the last label of an address is a number


@dataclass(slots=True)
class ClosedNames:
    """Names that are closed: alone, or with all below them. `left_out` counts rules that no list of names can hold.

    Those are patterns, expressions and addresses, rules for what is below a name alone, rules below which something is
    open, and names that a firewall would read as an address.
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
    policy: PolicySnapshot,
    view: View,
    is_wanted: Callable[[Source], bool],
    given: LocalData | None = None,
    is_stopped: IsStopped = never,
) -> ClosedNames:
    """Find the names that rules of some sources close for a view, none of the local names `given` among them.

    Raises RuleError where they are too many, Stopped.
    """
    stack, found = policy.stack, ClosedNames()
    wanted = frozenset(index for index, source in enumerate(stack.sources) if is_wanted(source))
    names: list[tuple[bytes, RuleForm]] = []
    for key, rule_set in until_stopped(stack.entries(), is_stopped):
        blocks = [member for member in rule_set.members if member.source in wanted and not member.allow]
        forms = {member.form for member in blocks if member.kind is RuleKind.NAME and not is_ip_key(key)}
        names += [(key, form) for form in forms]
        found.left_out += sum(member.kind is not RuleKind.NAME or is_ip_key(key) for member in blocks)
        if len(names) > MOST_RULES:
            raise RuleError(f"these are more than {MOST_RULES} rules: ask for a part of them (set=)")
    found.left_out += sum(one.source in wanted and not one.allow for one in stack.layers[-1].regexes)
    open_names = OpenNames(policy, view, given, is_stopped)
    for key, form in until_stopped(names, is_stopped):
        _sort(found, open_names, key, form)
    found.alone -= found.with_below
    return found


def _sort(found: ClosedNames, open_names: OpenNames, key: bytes, form: RuleForm) -> None:
    name = to_text(wire_of_key(key))
    if form is RuleForm.BELOW or not _LISTED.match(name):
        found.left_out += open_names.closes_some(key, form)
    elif form is RuleForm.SUBTREE and open_names.closes(key, form):
        found.with_below.add(name)
    elif open_names.closes(key, RuleForm.EXACT):
        found.alone.add(name)
        found.left_out += form is RuleForm.SUBTREE  # as far as it goes further


def closed_networks(
    policy: PolicySnapshot,
    view: View,
    networks: Sequence[OwnNetwork],
    given: LocalData | None = None,
    is_stopped: IsStopped = never,
) -> list[str]:
    """The networks of vendors of which nothing is open for a view, by a local name neither. Raises Stopped."""
    owners = {one.owner for one in networks}
    vendor_of = {index: source.vendor for index, source in enumerate(policy.stack.sources) if source.vendor in owners}
    open_names = OpenNames(policy, view, given, is_stopped)
    known: set[str | None] = set()
    opened: set[str | None] = set()
    for key, rule_set in until_stopped(policy.stack.entries(), is_stopped):
        for member in rule_set.members:
            vendor = vendor_of.get(member.source)
            if vendor is None or vendor in opened:
                continue
            known.add(vendor)
            is_name = member.kind is RuleKind.NAME
            if not (open_names.closes(key, member.form) if is_name else open_names.closes_pattern(key, member)):
                opened.add(vendor)
    return [one.network for one in networks if one.owner in known - opened]
