"""Names that a policy leaves open to a group, as far as its rules tell: what a list for firewalls must not close."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from admin_api.firewall.stopping import IsStopped, never, until_stopped
from resolver.errors import RuleError
from resolver.policy.decision import Verdict
from resolver.policy.rule_layer import Member, Rank, RuleSet
from resolver.policy.rule_syntax import RuleForm, RuleKind
from resolver.policy.snapshot import PolicySnapshot
from resolver.policy.standing import View
from resolver.wire.ip_keys import is_ip_key
from resolver.wire.local_data import LocalData
from resolver.wire.names import key_of, parse_name

_PROBE: Final = b"\x01!"  # a label that no rule can name: it stands for all names below another
_NO_LOCAL_NAMES: Final = LocalData(())


class OpenNames:
    """Names that are open to one view, of all that rules in force speak of.

    It is worked out by asking the policy itself: whatever an allow rule, an allowed service, a subscription or an
    exempt group opens is open here. Where patterns and expressions may open more than anybody can list, it counts as
    open. `given` are all local names: they are answered before the policy is asked, and so are open.
    """

    def __init__(
        self, policy: PolicySnapshot, view: View, given: LocalData | None = None, is_stopped: IsStopped = never
    ) -> None:
        """Raises Stopped."""
        self._policy = policy
        self._view = view
        self._given = given or _NO_LOCAL_NAMES
        self._opens: dict[RuleSet, bool] = {}  # few sets are shared by many names
        opened: list[bytes] = []
        unsure = {b""} if any(self._may_open(regex) for regex in policy.stack.layers[-1].regexes) else set()
        for key, rule_set in until_stopped(policy.stack.entries(), is_stopped):
            if is_ip_key(key):
                continue
            if self._speaks_up(rule_set):
                opened += [one for one in (key, key + _PROBE) if not self._closes(one)]
            if rule_set.has_patterns and any(self._may_open(member) for member in rule_set.members):
                unsure.add(key)
        self._opened = sorted(opened)
        self._unsure = frozenset(unsure)
        self._sorted_unsure = sorted(unsure)

    def closes(self, key: bytes, form: RuleForm) -> bool:
        """Whether all that a rule of this form covers is closed."""
        if form is not RuleForm.BELOW and not self._closes(key):
            return False
        return form is RuleForm.EXACT or (
            self._closes(key + _PROBE)
            and not self._given.has_below(key)
            and not _has_below(self._opened, key)
            and not self._is_unsure(key)
        )

    def closes_some(self, key: bytes, form: RuleForm) -> bool:
        """Whether any of what such a rule covers is closed, as far as the rule itself goes."""
        return self._closes(key + _PROBE if form is RuleForm.BELOW else key)

    def closes_pattern(self, key: bytes, member: Member) -> bool:
        """Whether a pattern, whose literal end has that key, covers nothing that is open, as far as is known."""
        is_local = self._given.has_below(key) or self._given.find(key + _PROBE) is not None
        return not (is_local or self._opens_by_pattern(member) or _has_below(self._opened, key) or self._is_unsure(key))

    def _closes(self, key: bytes) -> bool:
        return self._given.find(key) is None and self._policy.decide(self._view, key).verdict is Verdict.BLOCK

    def _speaks_up(self, rule_set: RuleSet) -> bool:
        """Whether names of these rules may be open where those above them are closed."""
        found = self._opens.get(rule_set)
        if found is None:
            found = self._opens[rule_set] = self._view.group.exempt or not all(map(self._only_closes, rule_set.names))
        return found

    def _only_closes(self, member: Member) -> bool:
        """Whether a rule can only close. One of the catalogue may carve an open service out of a closed one."""
        is_of_catalogue = self._policy.stack.sources[member.source].rank is Rank.BUNDLED
        return not (member.allow or is_of_catalogue or member.source in self._view.allowed)

    def _may_open(self, member: Member) -> bool:
        """Whether a pattern or an expression may open names that nobody can list."""
        if member.kind is RuleKind.NAME:
            return False
        if member.allow or member.source in self._view.allowed:
            return member.source in self._view.allowed or member.source in self._view.blocked
        return not self._only_closes(member) and self._opens_by_pattern(member)

    def _opens_by_pattern(self, member: Member) -> bool:
        """Whether a name that a pattern covers is open."""
        name = (member.written or "").replace("*", "x")
        try:
            return not self._closes(key_of(parse_name(f"x.{name}" if member.form is RuleForm.BELOW else name)))
        except RuleError:  # an expression, or too long
            return True

    def _is_unsure(self, key: bytes) -> bool:
        """Whether a pattern that may open has its literal end at a name, above it or below it."""
        return any(one in self._unsure for one in _upwards(key)) or _has_below(self._sorted_unsure, key)


def _upwards(key: bytes) -> Iterator[bytes]:
    """The keys of a name and of all names above it, the root's among them."""
    at = 0
    while at < len(key):
        yield key[:at]
        at += 1 + key[at]
    yield key


def _has_below(keys: list[bytes], above: bytes) -> bool:
    """Whether one of some sorted keys is below a name."""
    place = bisect_left(keys, above + b"\x00")
    return place < len(keys) and keys[place].startswith(above)
