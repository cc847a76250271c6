"""A plan as the API tells it: each change with its settings, how many rules, and the first of them."""

from __future__ import annotations

import heapq
from typing import TypedDict

from admin_api.policy_file.planning import Pairs, PlannedChange
from admin_api.store.change_requests import ChangeTold

_MOST_SHOWN = 20  # rules of a change


class SomeRules(TypedDict):
    """Rules that come or go: how many, and the first of them."""

    count: int
    some: list[str]


class ToldChange(ChangeTold):
    """A planned change as the API tells it."""

    added: SomeRules
    removed: SomeRules


def told_change(one: PlannedChange) -> ToldChange:
    """One change."""
    return {
        "action": one.action,
        "object": one.object,
        "before": one.before,
        "after": one.after,
        "added": _some(one.added),
        "removed": _some(one.removed),
    }


def _some(pairs: Pairs) -> SomeRules:
    shown = heapq.nsmallest(_MOST_SHOWN, pairs)
    return {"count": len(pairs), "some": [f"{action} {rule}" for action, rule in shown]}
