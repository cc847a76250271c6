"""Stages of the roll-out, by a group's state and the rows of the trail about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from admin_api.forecast.stages import GroupStage, stage_of
from admin_api.store.audit import AuditRow
from admin_api.store.groups import GroupRow

NOW = datetime(2026, 5, 30, tzinfo=UTC)
MADE = NOW - timedelta(days=100)


def group(**more: Any) -> GroupRow:
    usual: dict[str, Any] = {
        "id": 1, "name": "staff", "description": "", "networks": (), "exempt": False, "mode": "enforce", "block": None,
        "allow": (), "response": None, "schedule": None, "client_names": (), "monitor": (), "monitor_until": None,
        "origin": "api", "version": 1, "created_at": MADE, "updated_at": MADE,
    }  # fmt: skip
    return GroupRow(**{**usual, **more})


def row(days_ago: int, before: Mapping[str, Any] | None = None, **after: Any) -> AuditRow:
    usual: dict[str, Any] = {"name": "staff", "mode": "enforce", "exempt": False, "block": None, "allow": []}
    state = {**usual, "monitor": [], **after}
    was = None if before is None else {**state, **before}
    return AuditRow(1, NOW - timedelta(days=days_ago), "test", "update", "groups/staff", was, state, None, "")


def stage(made: GroupRow, *trail: AuditRow, has_hits: bool = True, of_default: Sequence[AuditRow] = ()) -> GroupStage:
    return stage_of(made, trail, NOW, has_hits=has_hits, of_default=of_default)


def ago(days: int) -> datetime:
    return NOW - timedelta(days=days)


def iso(days: int) -> str:
    return ago(days).isoformat()


def test_a_group_that_nobody_met_is_not_begun_and_one_that_was_met_is_enforced() -> None:
    assert stage(group(), row(100), has_hits=False) == GroupStage("not begun", MADE, watched_before=False)
    assert stage(group(), row(100)) == GroupStage("enforced", MADE, watched_before=False)


def test_a_watch_is_as_old_as_the_first_row_that_has_it_and_ready_after_two_weeks() -> None:
    trail = (row(5, mode="monitor", description="new"), row(13, mode="monitor"), row(100))
    assert stage(group(mode="monitor"), *trail) == GroupStage("watching", ago(13), watched_before=False)
    ready = (row(14, mode="monitor"), row(100))
    assert stage(group(mode="monitor"), *ready) == GroupStage("forecast ready", ago(14), watched_before=False)


def test_what_was_watched_and_is_enforced_is_so_since_the_change() -> None:
    trail = (row(2, description="new"), row(3), row(20, mode="monitor"), row(100))
    assert stage(group(), *trail, has_hits=False) == GroupStage("enforced", ago(3), watched_before=True)


def test_names_that_are_watched_are_a_watch_until_their_end() -> None:
    watched = row(20, monitor=["clouds"])
    going_on = group(monitor=("clouds",), monitor_until=NOW + timedelta(days=1))
    assert stage(going_on, watched).stage == "forecast ready"
    over = stage(group(monitor=("clouds",), monitor_until=ago(4)), watched, row(100))
    assert over == GroupStage("watch is over", ago(4), watched_before=True)


def test_a_watch_that_goes_on_after_its_end_is_a_new_one() -> None:
    anew = row(3, {"monitor_until": iso(10)}, monitor=["clouds"], monitor_until=iso(-11))
    first = row(30, monitor=["clouds"], monitor_until=iso(10))
    watching = group(monitor=("clouds",), monitor_until=ago(-11))
    assert stage(watching, anew, first, row(100)) == GroupStage("watching", ago(3), watched_before=False)
    later = row(12, {"monitor_until": iso(10)}, monitor=["clouds"], monitor_until=iso(-11))
    assert stage(watching, later, first, row(100)) == GroupStage("forecast ready", ago(30), watched_before=False)


@pytest.mark.parametrize(
    "before",
    [{"block": ["ai"]}, {"allow": ["acme/chat"]}, {"monitor": ["clouds"]}, {"exempt": True}],
)
def test_what_is_watched_since_a_change_is_ready_two_weeks_after_the_change(before: dict[str, Any]) -> None:
    changed = row(2, before, mode="monitor", block=["ai", "lists"])
    trail = (changed, row(30, {"mode": "enforce"}, mode="monitor", block=["ai"]), row(100))
    found = stage(group(mode="monitor", block=("ai", "lists")), *trail)
    assert found == GroupStage("watching", ago(2), watched_before=False, began_anew=True)


def test_a_change_of_other_things_or_of_order_begins_no_watch_anew() -> None:
    other = row(2, {"description": "old", "block": ["lists", "ai"]}, mode="monitor", block=["ai", "lists"])
    trail = (other, row(30, {"mode": "enforce"}, mode="monitor", block=["ai", "lists"]), row(100))
    found = stage(group(mode="monitor", block=("ai", "lists")), *trail)
    assert found == GroupStage("forecast ready", ago(30), watched_before=False)


def test_a_group_that_follows_default_is_watched_anew_when_that_blocks_more() -> None:
    trail = (row(30, {"mode": "enforce"}, mode="monitor"), row(100))
    of_default = (row(1, {"mode": "monitor"}, block=["ai"]), row(4, {"block": ["ai"]}, block=["ai", "clouds"]))
    found = stage(group(mode="monitor"), *trail, of_default=of_default)
    assert found == GroupStage("watching", ago(4), watched_before=False, began_anew=True)
    own = stage(group(mode="monitor", block=("ai",)), *trail, of_default=of_default)
    assert own.stage == "forecast ready"


def test_an_exempt_group_is_none_of_the_roll_out() -> None:
    assert stage(group(exempt=True, mode="monitor")).stage == "exempt"


def test_a_trail_of_other_things_ends_the_look() -> None:
    other = AuditRow(1, ago(1), "test", "update", "groups/staff", None, None, None, "")
    assert stage(group(mode="monitor"), row(7, mode="monitor"), other).since == ago(7)
