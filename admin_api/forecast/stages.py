"""Stages of the roll-out: not begun, watching, forecast ready, enforced; by a group's state and what the trail has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from admin_api.store.audit import AuditRow
from admin_api.store.groups import GroupRow

WATCH_DAYS: Final = 14
"""Days that are watched before a forecast is ready: each day of the week twice."""
MOST_ROWS: Final = 500
"""Rows of the trail about a group that are looked at; with more, its stage began with the oldest of them, or before."""

Stage = Literal["not begun", "watching", "forecast ready", "enforced", "exempt"]


@dataclass(frozen=True, slots=True)
class GroupStage:
    """How far a group is, and since when; `watched_before`: a watch of it has ended, or was enforced."""

    stage: Stage
    since: datetime
    watched_before: bool


def stage_of(group: GroupRow, trail: Sequence[AuditRow], now: datetime, *, has_hits: bool) -> GroupStage:
    """Tell a group's stage; `trail` are the rows of the audit trail about it, the newest first."""
    has_run_out = _has_run_out(group, now)
    is_watching = group.mode == "monitor" or (bool(group.monitor) and not has_run_out)
    since, watched_before = group.created_at, has_run_out
    for row in trail:
        if not isinstance(row.after, dict) or "mode" not in row.after:
            break
        if _watched(row.after) != (is_watching or has_run_out):
            watched_before = watched_before or not is_watching
            break
        since = row.at
    if has_run_out and group.monitor_until is not None:
        since = max(since, group.monitor_until)
    if group.exempt:
        return GroupStage("exempt", since, watched_before)
    if is_watching:
        is_ready = now - since >= timedelta(days=WATCH_DAYS)
        return GroupStage("forecast ready" if is_ready else "watching", since, watched_before)
    return GroupStage("enforced" if watched_before or has_hits else "not begun", since, watched_before)


def _has_run_out(group: GroupRow, now: datetime) -> bool:
    ends = group.monitor_until
    return group.mode != "monitor" and bool(group.monitor) and ends is not None and ends <= now


def _watched(state: Mapping[str, object]) -> bool:
    return state["mode"] == "monitor" or bool(state.get("monitor"))
