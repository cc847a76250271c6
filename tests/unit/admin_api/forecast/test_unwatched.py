"""Gaps of a forecast: groups that were watched for a part of its time, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from admin_api.forecast.stages import GroupStage, Stage
from admin_api.forecast.unwatched import MOST_TOLD, unwatched

END = datetime(2026, 5, 30, 12, tzinfo=UTC)
START = END - timedelta(days=14)


def said(stage: Stage, days_ago: int, *, is_one: bool = False, watched_before: bool = False) -> list[str]:
    found = GroupStage(stage, END - timedelta(days=days_ago), watched_before)
    return unwatched({"staff": found}, START, END, is_one=is_one)


@pytest.mark.parametrize(
    ("stage", "text"),
    [
        ("watching", "group staff is watched as it is now only since 2026-05-25 12:00 UTC"),
        ("watch is over", "the watch of group staff ended at 2026-05-25 12:00 UTC"),
        ("enforced", "group staff is enforced since 2026-05-25 12:00 UTC"),
    ],
)
def test_a_group_that_was_watched_for_a_part_of_the_time_is_told(stage: Stage, text: str) -> None:
    (found,) = said(stage, 5, watched_before=stage != "watching")
    assert found.startswith(text)


def test_a_group_that_was_watched_all_the_time_has_no_gap_and_one_that_never_was_has_if_it_is_asked_for() -> None:
    assert said("forecast ready", 20, is_one=True) == []
    assert said("exempt", 20, is_one=True) == []
    for stage in ("not begun", "enforced"):
        assert said(stage, 5) == []
        assert said(stage, 5, is_one=True) == ["group staff is not watched: what is blocked already is not forecast"]


def test_of_many_groups_a_few_are_told_by_name() -> None:
    stage = GroupStage("watching", END - timedelta(days=1), watched_before=False)
    found = unwatched({f"g{number}": stage for number in range(MOST_TOLD + 3)}, START, END, is_one=False)
    assert len(found) == MOST_TOLD + 1
    assert found[-1] == "3 groups more were watched for a part of that time alone"
