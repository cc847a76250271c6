"""A policy in force: immutable, asked once for each query that the answer table does not know."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from resolver.policy.decision import Decision, MatchedRule, Verdict
from resolver.policy.groups import DEFAULT_GROUP, Address, CompiledGroup, Network, network_table, parse_client
from resolver.policy.proved_names import is_claimable, proved_by
from resolver.policy.rule_layer import Match
from resolver.policy.rule_syntax import parse_rule
from resolver.policy.stack import RuleStack, Walked
from resolver.policy.standing import Grant, Standing, View, standing_of, watched_block
from resolver.policy.subjects import Exemption
from resolver.wire.ip_keys import keys_of_address
from resolver.wire.local_records import NO_LOCAL_NAMES, PolicyLocalNames

_MOST_ROWS = 100_000  # remembered decisions; names of the same rules share one
_MOST_VIEWS = 50_000  # remembered, beside one a group


class PolicyMemory:
    """How many walks (of names that have rules, on them or above) and decisions (of names, by view) are remembered.

    `dropped` counts those that were forgotten because there were as many.
    """

    __slots__ = ("dropped", "most_decided", "most_walks")

    def __init__(
        self, most_walks: int = 10_000, most_decided: int = 10_000, dropped: Counter[str] | None = None
    ) -> None:
        self.most_walks = most_walks
        self.most_decided = most_decided
        self.dropped: Counter[str] = Counter() if dropped is None else dropped


class Walk:
    """The names from one upwards that have rules, with the numbers of their rule sets.

    `is_whole`: the first is the name itself; `is_searched`: patterns or expressions have to be searched for, too.
    """

    __slots__ = ("is_searched", "is_whole", "numbers", "walked")

    def __init__(self, key: bytes, walked: Walked, *, is_searched: bool) -> None:
        self.walked = walked
        self.numbers = tuple([number for _, number in walked])
        self.is_whole = bool(walked) and len(walked[0][0]) == len(key)
        self.is_searched = is_searched


class PolicySnapshot:
    """One compiled policy. `revision` numbers it; a new one replaces it whole."""

    def __init__(
        self,
        revision: int,
        stack: RuleStack,
        groups: Sequence[CompiledGroup],
        own_vendors: frozenset[str],
        scopes: Mapping[str, Sequence[str]] | None = None,
        local: PolicyLocalNames = NO_LOCAL_NAMES,
        memory: PolicyMemory | None = None,
    ) -> None:
        """`scopes` are the sets, vendors and lists that an exemption may name, with the sources they stand for.

        `local` are names that are answered whatever the rules say (resolver.answering.local_names).
        """
        self.revision = revision
        self.stack = stack
        self.local = local
        self._memory = PolicyMemory() if memory is None else memory
        self._scopes = scopes or {}
        self._index_of = {source.key: index for index, source in enumerate(stack.sources)}
        self._numbers = itertools.count(len(groups))
        self._views: dict[tuple[object, ...], View] = {}
        self.views = tuple(self._view_of_group(number, group, own_vendors) for number, group in enumerate(groups))
        self._untouched = tuple(Decision(Verdict.ALLOW, group.name) for group in groups)
        self._known: dict[tuple[int, bool, tuple[int, ...]], tuple[Decision, int]] = {}
        self._walks: dict[bytes, Walk] = {}
        self._decided: dict[tuple[int, bytes], Decision] = {}  # where that takes long
        self._networks = network_table(groups)
        self._by_name = {view.group.name: view for view in self.views}
        self._by_client_name = {name: view for view in self.views for name in view.group.client_names}
        self._default = next(view for view in self.views if view.group.name == DEFAULT_GROUP)

    def _view_of_group(self, number: int, group: CompiledGroup, own_vendors: frozenset[str]) -> View:
        blocked, allowed, watched = (
            frozenset(self._index_of[name] for name in names if name in self._index_of)
            for names in (group.block, group.allow, group.watch.sources)
        )
        counted = blocked | watched if watched - blocked else frozenset[int]()
        return View(number, number, group, blocked, allowed, own_vendors, blocked_or_watched=counted)

    def view_of(self, address: str | Address) -> tuple[View, Network | None]:
        """The view of a client, and the network that gave it (None: the default group). Raises ValueError."""
        parsed = parse_client(address) if isinstance(address, str) else address
        found = self._networks.find(parsed)
        if found is None:
            return self._default, None
        network, index = found
        return self.views[index], network

    def networks_of(self, address: Address) -> list[tuple[Network, str]]:
        """All networks of groups that hold an address with their groups, the most specific one first."""
        return [(network, self.views[index].group.name) for network, index in self._networks.find_all(address)]

    def view_of_client_name(self, name: str) -> View | None:
        """The view of clients of that name, in its normal form; None where no group has it.

        A name that is proved is one that may be claimed, too; a claimed one is never one that is proved.
        """
        view = self._by_client_name.get(name)
        if view is None and (identity := proved_by(name)) is not None and is_claimable(identity):
            view = self._by_client_name.get(identity)
        return view

    @property
    def has_client_names(self) -> bool:
        """Whether any group has clients by name."""
        return bool(self._by_client_name)

    def view_of_group(self, name: str) -> View | None:
        """The view of a group; None where there is no such group."""
        return self._by_name.get(name)

    def view_with(
        self, view: View, *, is_watched: bool, exemptions: tuple[Exemption, ...], watches: bool = True
    ) -> View:
        """The view of a group as clients have it whose group is only watched, or who hold exemptions.

        `watches`: what the group watches has not come to its end.
        """
        counted = view.blocked_or_watched if watches else frozenset[int]()
        if not is_watched and not exemptions and counted == view.blocked_or_watched:
            return view
        what = (view.index, is_watched, bool(counted), *[(exemption.id, exemption.scope) for exemption in exemptions])
        known = self._views.get(what)
        if known is None:
            if len(self._views) >= _MOST_VIEWS:
                self._views.clear()
            grants = tuple(self.grant_of(exemption) for exemption in exemptions)
            number = next(self._numbers)
            known = replace(view, number=number, is_watched=is_watched, grants=grants, blocked_or_watched=counted)
            self._views[what] = known
        return known

    def grant_of(self, exemption: Exemption) -> Grant:
        """The grant of an exemption under this policy; what its scope names and this policy lacks is nothing."""
        keys: set[str] = set()
        names = []
        for scope in exemption.scope:
            if "." in scope:
                names.append(parse_rule(scope))
            else:
                keys.update(self._scopes.get(scope, (scope,)))
        sources = frozenset(self._index_of[key] for key in keys if key in self._index_of)
        return Grant(exemption.id, sources, tuple(names))

    def decide(self, view: View, key: bytes) -> Decision:
        """Decide on the name `key` (see resolver.wire.names) for `view`."""
        walk = self._walks.get(key)  # what views and types of a name share
        if walk is None:
            stack = self.stack
            walked = stack.walk(key)
            if not walked and not stack.has_regexes:  # as of most names
                return self._untouched[view.index]
            walk = self._walk_of(key, walked)
        walked = walk.walked
        if walk.is_searched or (walked and view.minds_names):
            return self._searched(view, key, walked)
        # Which rule sets stand on and above a name, and whether one is on the name itself, is all that a decision
        # depends on; a million names have few such rows.
        row = (view.number, walk.is_whole, walk.numbers)
        known = self._known.get(row)
        if known is None:
            known = self._learn(row, view, key, walked)
        decision, place = known
        rule = decision.rule
        if rule is None:
            return decision
        rule = MatchedRule(rule.list, rule.meaning, walked[place][0], rule.action)
        return Decision(
            decision.verdict,
            decision.group,
            rule,
            decision.service,
            decision.despite_block,
            decision.response,
            decision.exemption,
        )

    def _walk_of(self, key: bytes, walked: Walked) -> Walk:
        walk = Walk(key, walked, is_searched=self.stack.must_search(walked))
        if walked:
            if len(self._walks) >= self._memory.most_walks:
                self._memory.dropped["policy_walks"] += len(self._walks)
                self._walks.clear()
            self._walks[key] = walk
        return walk

    def _searched(self, view: View, key: bytes, walked: Walked) -> Decision:
        """Decide on a name of whose rules some are patterns, or for which the name itself counts."""
        if not walked:  # expressions are searched for in each name
            return decision_on(self.stack, view, self.stack.matches(key, walked), key)
        name = (view.number, key)
        decision = self._decided.get(name)
        if decision is None:
            if len(self._decided) >= self._memory.most_decided:
                self._memory.dropped["policy_decisions"] += len(self._decided)
                self._decided.clear()
            decision = self._decided[name] = decision_on(self.stack, view, self.stack.matches(key, walked), key)
        return decision

    def decide_address(self, view: View, packed: bytes) -> Decision | None:
        """Decide by rules for addresses on one, in four or sixteen octets, for `view`; None where there is no rule.

        One that holds an IPv4 address (resolver.wire.address_kinds) is judged as that one, where a rule speaks of it.
        """
        for key in keys_of_address(packed):
            walked = self.stack.walk(key)
            if walked:
                return decision_on(self.stack, view, self.stack.matches_of_address(walked), key)
        return None

    def _learn(
        self, row: tuple[int, bool, tuple[int, ...]], view: View, key: bytes, walked: list[tuple[bytes, int]]
    ) -> tuple[Decision, int]:
        """Decide for a row, and where in what was walked the deciding name is."""
        matches = self.stack.matches(key, walked)
        decision = decision_on(self.stack, view, matches, key) if matches else None
        decision = decision or self._untouched[view.index]
        rule = decision.rule
        place = next((n for n, (prefix, _) in enumerate(walked) if rule is not None and prefix == rule.key), 0)
        if len(self._known) >= _MOST_ROWS:
            self._known.clear()
        self._known[row] = (decision, place)
        return decision, place


def decision_on(stack: RuleStack, view: View, matches: list[Match], key: bytes) -> Decision:
    """The decision of a view on the name `key` by the rules that match it, strongest first."""
    standing = standing_of(stack, view, matches)
    watched = watched_block(stack, view, matches, standing)
    decision = counted_decision(view, watched, key) if watched is not None else None
    return decision or decision_of(view, standing, key)


def counted_decision(view: View, watched: Standing, key: bytes) -> Decision | None:
    """The decision on a name that only what the group watches would block.

    None for whom it would not be blocked then either: nothing is let through for them, so they are not told as exempt.
    """
    group = view.group
    if not watched.is_bypass and (group.exempt or any(grant.covers(watched, key) for grant in view.grants)):
        return None
    service = watched.services[0] if watched.services else None
    return Decision(Verdict.MONITOR, group.name, watched.deciding, service, despite_block=True)


def decision_of(view: View, standing: Standing, key: bytes) -> Decision:
    """The decision of a view on the name `key` of that standing."""
    group = view.group
    rule = standing.deciding
    service = standing.services[0] if standing.services else None
    if rule is None:
        return Decision(Verdict.ALLOW, group.name, service=service)
    if rule.action == "allow":
        return Decision(Verdict.ALLOW, group.name, rule, service, despite_block=standing.overridden is not None)
    if not standing.is_bypass:
        if group.exempt:
            return Decision(Verdict.EXEMPT, group.name, rule, service, despite_block=True)
        grant = next((grant for grant in view.grants if grant.covers(standing, key)), None)
        if grant is not None:
            return Decision(Verdict.EXEMPT, group.name, rule, service, despite_block=True, exemption=grant.exemption)
    # For an exempt group what is left is bypass, which stays closed.
    if (group.monitor or view.is_watched) and not group.exempt:
        return Decision(Verdict.MONITOR, group.name, rule, service, despite_block=True)
    return Decision(Verdict.BLOCK, group.name, rule, service, response=standing.forced_response)
