"""Counts for forecasts are kept for what was asked, for a while, and only so many."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from admin_api.forecast.counting import CountedLog
from admin_api.forecast.kept_counts import KEPT_SECONDS, MOST_KEPT, AskedCount, KeptCounts, TimedCount

AT = datetime(2026, 5, 10, tzinfo=UTC)
ASKED = AskedCount(7, 0, "staff", None, None)
MADE = TimedCount(AT, AT, CountedLog([], None, []))


def test_a_count_is_found_for_the_same_question_and_revision_alone() -> None:
    kept = KeptCounts()
    kept.keep(ASKED, MADE)
    assert kept.find(ASKED) is MADE
    for other in (
        replace(ASKED, revision=8),
        replace(ASKED, erasures=1),
        replace(ASKED, group=None),
        replace(ASKED, start=AT),
        replace(ASKED, end=AT),
    ):
        assert kept.find(other) is None


def test_a_count_is_over_after_a_while_and_when_there_are_too_many() -> None:
    now = [0.0]
    kept = KeptCounts(lambda: now[0])
    kept.keep(ASKED, MADE)
    now[0] = KEPT_SECONDS - 1
    assert kept.find(ASKED) is MADE
    now[0] = KEPT_SECONDS
    assert kept.find(ASKED) is None
    for number in range(MOST_KEPT + 1):
        kept.keep(replace(ASKED, group=f"g{number}"), MADE)
    found = [kept.find(replace(ASKED, group=f"g{number}")) for number in range(MOST_KEPT + 1)]
    assert found == [None] + [MADE] * MOST_KEPT


def test_a_count_from_before_an_erasure_goes_with_the_next_that_is_kept() -> None:
    kept = KeptCounts()
    kept.keep(ASKED, MADE)
    kept.keep(replace(ASKED, erasures=2), MADE)
    assert kept.find(ASKED) is None
