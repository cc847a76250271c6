"""A policy in force: immutable, asked once for each query that the answer table does not know."""

from __future__ import annotations

from collections.abc import Sequence

from resolver.policy.decision import Decision, MatchedRule, Verdict
from resolver.policy.groups import DEFAULT_GROUP, Address, Group, Network, network_table, parse_client
from resolver.policy.stack import RuleStack
from resolver.policy.standing import Standing, View, standing_of

_MOST_ROWS = 100_000  # remembered decisions; names of the same rules share one


class PolicySnapshot:
    """One compiled policy. `revision` numbers it; a new one replaces it whole."""

    def __init__(self, revision: int, layer: RuleStack, groups: Sequence[Group], own_vendors: frozenset[str]) -> None:
        self.revision = revision
        self.layer = layer
        index_of = {source.key: index for index, source in enumerate(layer.sources)}
        self.views = tuple(
            View(
                index=number,
                group=group,
                blocked=frozenset(index_of[name] for name in group.block if name in index_of),
                allowed=frozenset(index_of[name] for name in group.allow if name in index_of),
                own_vendors=own_vendors,
            )
            for number, group in enumerate(groups)
        )
        self._untouched = tuple(Decision(Verdict.ALLOW, group.name) for group in groups)
        self._known: dict[tuple[int, ...], tuple[Decision, int]] = {}
        self._networks = network_table(groups)
        self._default = next(view for view in self.views if view.group.name == DEFAULT_GROUP)

    def view_of(self, address: str | Address) -> tuple[View, Network | None]:
        """The view of a client, and the network that gave it (None: the default group). Raises ValueError."""
        parsed = parse_client(address) if isinstance(address, str) else address
        found = self._networks.find(parsed)
        if found is None:
            return self._default, None
        network, index = found
        return self.views[index], network

    def decide(self, view: View, key: bytes) -> Decision:
        """What becomes of the name `key` (see resolver.names) for `view`."""
        layer = self.layer
        walked = layer.walk(key)
        if layer.must_search(walked):
            return decision_of(view.group, standing_of(layer, view, layer.matches(key, walked)))
        if not walked:
            return self._untouched[view.index]
        # Which rule sets stand on and above a name, and whether one is on the name itself, is all that a decision
        # depends on; a million names have few such rows.
        row = (view.index, len(walked[0][0]) == len(key), *[number for _, number in walked])
        known = self._known.get(row)
        if known is None:
            known = self._learn(row, view, key, walked)
        decision, place = known
        rule = decision.rule
        if rule is None:
            return decision
        rule = MatchedRule(rule.list, rule.meaning, walked[place][0], rule.action)
        return Decision(
            decision.verdict, decision.group, rule, decision.service, decision.despite_block, decision.response
        )

    def _learn(
        self, row: tuple[int, ...], view: View, key: bytes, walked: list[tuple[bytes, int]]
    ) -> tuple[Decision, int]:
        """Decide for a row, and where in what was walked the deciding name is."""
        matches = self.layer.matches(key, walked)
        decision = decision_of(view.group, standing_of(self.layer, view, matches)) if matches else None
        decision = decision or self._untouched[view.index]
        rule = decision.rule
        place = next((n for n, (prefix, _) in enumerate(walked) if rule is not None and prefix == rule.key), 0)
        if len(self._known) >= _MOST_ROWS:
            self._known.clear()
        self._known[row] = (decision, place)
        return decision, place


def decision_of(group: Group, standing: Standing) -> Decision:
    """What a group makes of a name's standing."""
    rule = standing.deciding
    service = standing.services[0] if standing.services else None
    if rule is None:
        return Decision(Verdict.ALLOW, group.name, service=service)
    if rule.action == "allow":
        return Decision(Verdict.ALLOW, group.name, rule, service, despite_block=standing.overridden is not None)
    if group.exempt and not standing.is_bypass:
        return Decision(Verdict.EXEMPT, group.name, rule, service, despite_block=True)
    if group.monitor and not group.exempt:  # for an exempt group what is left is bypass, which stays closed
        return Decision(Verdict.MONITOR, group.name, rule, service, despite_block=True)
    return Decision(Verdict.BLOCK, group.name, rule, service, response=standing.forced_response)
