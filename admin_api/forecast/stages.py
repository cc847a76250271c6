"""Stages of the roll-out, from not begun to enforced; by a group's state and what the trail has."""

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

Stage = Literal["not begun", "watching", "forecast ready", "watch is over", "enforced", "exempt"]

_WATCHED: Final = ("mode", "exempt", "block", "allow", "monitor")  # what decides on whom enforcing would hit
_FOLLOWED: Final = ("block",)  # what a group without its own has of `default`


@dataclass(frozen=True, slots=True)
class GroupStage:
    """How far a group is, and since when; `watched_before`: a watch of it has ended, or was enforced.

    `began_anew`: it was watched before `since`, too, but what is watched has changed then.
    """

    stage: Stage
    since: datetime
    watched_before: bool
    began_anew: bool = False


def stage_of(
    group: GroupRow, trail: Sequence[AuditRow], now: datetime, *, has_hits: bool, of_default: Sequence[AuditRow] = ()
) -> GroupStage:
    """Tell a group's stage; `trail` are the rows of the audit trail about it, the newest first.

    `of_default` are those about the group `default`, whose `block` counts where the group has none of its own.
    """
    has_run_out = _has_run_out(group, now)
    is_watching = group.mode == "monitor" or (bool(group.monitor) and not has_run_out)
    since, watched_before, newer = group.created_at, has_run_out, now
    for row in trail:
        if not isinstance(row.after, dict) or "mode" not in row.after:
            break
        if _watched(row.after) != (is_watching or has_run_out):
            watched_before = watched_before or not is_watching
            break
        if is_watching and _ended_before(row.after, newer):
            break
        since = newer = row.at
    if has_run_out and group.monitor_until is not None:
        since = max(since, group.monitor_until)
    if group.exempt:
        return GroupStage("exempt", since, watched_before)
    if is_watching:
        changes = [_last_change(trail, _WATCHED), _last_change(of_default if group.block is None else (), _FOLLOWED)]
        began = max([since, *(at for at in changes if at is not None)])
        is_ready = now - began >= timedelta(days=WATCH_DAYS)
        return GroupStage("forecast ready" if is_ready else "watching", began, watched_before, began_anew=began > since)
    if has_run_out:
        return GroupStage("watch is over", since, watched_before)
    return GroupStage("enforced" if watched_before or has_hits else "not begun", since, watched_before)


def _has_run_out(group: GroupRow, now: datetime) -> bool:
    ends = group.monitor_until
    return group.mode != "monitor" and bool(group.monitor) and ends is not None and ends <= now


def _watched(state: Mapping[str, object]) -> bool:
    return state["mode"] == "monitor" or bool(state.get("monitor"))


def _ended_before(state: Mapping[str, object], moment: datetime) -> bool:
    """Whether the watch of single names, which a state was, had ended when the next state came."""
    ends = state.get("monitor_until")
    return state["mode"] != "monitor" and isinstance(ends, str) and datetime.fromisoformat(ends) <= moment


def _last_change(trail: Sequence[AuditRow], keys: Sequence[str]) -> datetime | None:
    """The moment of the newest row that changed one of these keys; None where none did."""
    for row in trail:
        before, after = row.before, row.after
        if not isinstance(before, dict) or not isinstance(after, dict):
            continue
        if any(_plain(before.get(key)) != _plain(after.get(key)) for key in keys):
            return row.at
    return None


def _plain(value: object) -> object:
    """A value whose order does not count."""
    return sorted(map(str, value)) if isinstance(value, list) else value
