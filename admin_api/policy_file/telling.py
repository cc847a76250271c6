"""A plan as the API tells it: each change with its settings, how many rules, and the first of them."""

from __future__ import annotations

import heapq
from typing import Any

from admin_api.policy_file.planning import Pairs, PlannedChange

_MOST_SHOWN = 20  # rules of a change


def told_change(one: PlannedChange) -> dict[str, Any]:
    """One change."""
    return {
        "action": one.action,
        "object": one.object,
        "before": one.before,
        "after": one.after,
        "added": _some(one.added),
        "removed": _some(one.removed),
    }


def _some(pairs: Pairs) -> dict[str, Any]:
    shown = heapq.nsmallest(_MOST_SHOWN, pairs)
    return {"count": len(pairs), "some": [f"{action} {rule}" for action, rule in shown]}
