"""Standing of a name: rank first, then the longest name, then allow before block. Groups' modes come later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from resolver.policy.decision import MatchedRule
from resolver.policy.groups import CompiledGroup
from resolver.policy.rule_layer import Match, Member, Rank
from resolver.policy.rule_syntax import Rule, RuleKind
from resolver.policy.stack import RuleStack

BYPASS = "bypass"  # ways round the resolver; they stay closed for exempt clients too


@dataclass(frozen=True, slots=True)
class Grant:
    """Grant of an exemption: the sources (services, lists) and names that it opens."""

    exemption: str  # its id
    sources: frozenset[int]
    names: tuple[Rule, ...]

    def covers(self, standing: Standing, key: bytes) -> bool:
        """Whether a blocked name is let through."""
        rule = standing.deciding
        if rule is not None and rule.meaning.source in self.sources:
            return True
        return not self.sources.isdisjoint(standing.opened_by) or any(name.covers(key) for name in self.names)


@dataclass(frozen=True, slots=True)
class View:
    """View of one client: its group with names resolved. Answers are shared among all clients of a view.

    `number` tells views apart, `index` their groups. `is_watched`: outside its schedule or paused, the group blocks
    nothing. `blocked_or_watched` are the sources that would be in force if the group blocked what it watches; none
    where it watches nothing now.
    """

    number: int
    index: int
    group: CompiledGroup
    blocked: frozenset[int]  # sources in force
    allowed: frozenset[int]  # sources that the group allows
    own_vendors: frozenset[str]  # vendors that bundled and subscribed rules do not touch
    is_watched: bool = False
    grants: tuple[Grant, ...] = ()
    blocked_or_watched: frozenset[int] = frozenset()

    @property
    def minds_names(self) -> bool:
        """Whether names of the same rules may come to different decisions."""
        return bool(self.grants) and any(grant.names for grant in self.grants)


@dataclass(frozen=True, slots=True)
class Standing:
    """Standing of one name with one view, before exemption and mode.

    `overridden` is the block rule that an allow rule was stronger than. `services` are those the name belongs to, the
    blocked ones first, else by name; `opened_by` are the sources of those, and of the services that need the name.
    `forced_response` is an answer mode that the catalogue demands.
    """

    deciding: MatchedRule | None
    overridden: MatchedRule | None
    services: tuple[str, ...]
    forced_response: str | None
    opened_by: frozenset[int] = frozenset()

    @property
    def is_bypass(self) -> bool:
        """Whether the name is a way round the resolver."""
        return any(service.partition("/")[0] == BYPASS for service in self.services)


def standing_of(stack: RuleStack, view: View, matches: list[Match]) -> Standing:
    """Weigh the matching rules (strongest first) for a view."""
    return _weighed(_Judge(stack, view, matches, view.blocked))


def watched_block(stack: RuleStack, view: View, matches: list[Match], standing: Standing) -> Standing | None:
    """The block that would be if the group blocked what it watches; None where there is none.

    A rule that is in force already decides alone, whatever its rank: what is watched changes no answer.
    """
    if standing.deciding is not None or not view.blocked_or_watched:
        return None
    would_be = _weighed(_Judge(stack, view, matches, view.blocked_or_watched))
    return would_be if would_be.deciding is not None and would_be.deciding.action == "block" else None


def _weighed(judge: _Judge) -> Standing:
    own = list(judge.own_rules())
    lower = judge.bundled_block() or judge.subscribed_block()
    if lower is None:
        fed = judge.fed_block()
        if fed is not None and not own:  # then the name belongs to the service that the feed says
            opened_by = judge.opened_by()
            return Standing(fed, None, (fed.list,), fed.meaning.response, opened_by)
        lower = fed
    deciding = own[0] if own else lower
    block = next((rule for rule in own if rule.action == "block"), lower)
    overridden = block if deciding is not None and deciding.action == "allow" else None
    return Standing(deciding, overridden, judge.services(), judge.forced_response(), judge.opened_by())


class _Judge:
    """One name's matches before one view, with the sources `blocked` in force."""

    def __init__(self, stack: RuleStack, view: View, matches: list[Match], blocked: frozenset[int]) -> None:
        self._sources = stack.sources
        self._view = view
        self._blocked = blocked
        self._matches = matches
        self._catalogue_at, self._catalogue = self._strongest_of_catalogue()
        self._is_own_vendors = any(self._sources[m.source].vendor in view.own_vendors for m in self._catalogue)

    def _strongest_of_catalogue(self) -> tuple[int, list[Member]]:
        """The catalogue's strongest match alone says which services a name belongs to: its place, and its members."""
        for place, (_, rule_set) in enumerate(self._matches):
            members = [m for m in rule_set if self._sources[m.source].rank is Rank.BUNDLED]
            if members:
                # The service that is blocked counts before others of the same name, then the first by name.
                members.sort(key=lambda m: (m.source not in self._blocked, self._sources[m.source].name))
                return place, members
        return -1, []

    def services(self) -> tuple[str, ...]:
        return tuple(self._sources[member.source].name for member in self._catalogue)

    def opened_by(self) -> frozenset[int]:
        return frozenset(source for member in self._catalogue for source in (member.source, *member.needed_by))

    def forced_response(self) -> str | None:
        return next((member.response for member in self._catalogue if member.response), None)

    def own_rules(self) -> Iterator[MatchedRule]:
        """The rules of rank 1 in force, strongest first: admins' own lists, and what the group allows."""
        for place, (key, rule_set) in enumerate(self._matches):
            for member in rule_set:
                if self._allows(member, place):
                    yield self._matched(member, key, "allow")
            for member in rule_set:
                if not member.allow and self._is_own_in_force(member):
                    yield self._matched(member, key, "block")

    def _allows(self, member: Member, place: int) -> bool:
        allowed = self._view.allowed
        if self._sources[member.source].rank is Rank.BUNDLED:
            # A service's rule opens only names whose own service it is: a vendor-wide rule must not open the
            # other services that more specific rules carve out of it.
            is_its_own = place == self._catalogue_at
            return is_its_own and (member.source in allowed or not allowed.isdisjoint(member.needed_by))
        return member.source in allowed or (member.allow and self._is_own_in_force(member))

    def _is_own_in_force(self, member: Member) -> bool:
        return self._sources[member.source].rank is Rank.OWN and member.source in self._blocked

    def bundled_block(self) -> MatchedRule | None:
        """The catalogue's block, by the name's own service."""
        if self._is_own_vendors:
            return None
        member = next((member for member in self._catalogue if member.source in self._blocked), None)
        return self._matched(member, self._matches[self._catalogue_at][0], "block") if member else None

    def subscribed_block(self) -> MatchedRule | None:
        """The longest block of the subscriptions; one's allow rule cancels its own blocks only.

        That of a pattern cancels them all: in the formats that have such, an exception is stronger than what it
        is an exception to, although patterns come last here.
        """
        if self._is_own_vendors:
            return None
        judged: set[int] = set()
        for _, rule_set in self._matches:
            judged.update(
                m.source for m in rule_set if m.allow and m.kind is not RuleKind.NAME and self._is_subscribed(m)
            )
        for key, rule_set in self._matches:
            in_force = [m for m in rule_set if self._is_subscribed(m) and m.source not in judged]
            cancelled = {m.source for m in in_force if m.allow}
            block = next((m for m in in_force if m.source not in cancelled), None)
            if block is not None:
                return self._matched(block, key, "block")
            judged |= cancelled
        return None

    def fed_block(self) -> MatchedRule | None:
        """The block of what a feed adds to the catalogue."""
        if self._is_own_vendors:
            return None
        for key, rule_set in self._matches:
            for member in rule_set:
                source = self._sources[member.source]
                is_in_force = source.rank is Rank.FEED and member.source in self._blocked
                if is_in_force and source.vendor not in self._view.own_vendors:
                    return self._matched(member, key, "block")
        return None

    def _is_subscribed(self, member: Member) -> bool:
        return self._sources[member.source].rank is Rank.SUBSCRIPTION and member.source in self._blocked

    def _matched(self, member: Member, key: bytes, action: str) -> MatchedRule:
        return MatchedRule(self._sources[member.source].name, member, key, action)
