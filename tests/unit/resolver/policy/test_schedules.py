"""Weekly windows in a time zone, right across changes of the clocks."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resolver.policy.schedules import DAYS, Schedule, minutes_of
from tests.support.examples import examples

BERLIN = ZoneInfo("Europe/Berlin")


def schedule(*windows: tuple[list[str], str, str], zone: str = "Europe/Berlin") -> Schedule:
    plain = [{"days": days, "start": start, "end": end} for days, start, end in windows]
    return Schedule.from_plain({"time_zone": zone, "windows": plain})


def at(one: Schedule, text: str, fold: int = 0) -> tuple[bool, str]:
    """Whether it enforces, and until when, by the clocks of Berlin."""
    moment = datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)
    enforces, until = one.at(moment.timestamp())
    return enforces, datetime.fromtimestamp(until, BERLIN).isoformat(timespec="minutes")


OFFICE = schedule((list(DAYS[:5]), "08:00", "18:00"))


def test_a_window_begins_and_ends_on_the_minute() -> None:
    assert at(OFFICE, "2026-11-23T07:59:59") == (False, "2026-11-23T08:00+01:00")
    assert at(OFFICE, "2026-11-23T08:00") == (True, "2026-11-23T18:00+01:00")
    assert at(OFFICE, "2026-11-23T18:00") == (False, "2026-11-24T08:00+01:00")
    assert at(OFFICE, "2026-11-27T18:00") == (False, "2026-11-30T08:00+01:00")


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    night = schedule((["fri"], "22:00", "06:00"))
    assert at(night, "2026-11-28T05:59") == (True, "2026-11-28T06:00+01:00")
    assert at(night, "2026-11-27T05:59") == (False, "2026-11-27T22:00+01:00")


def test_windows_that_touch_are_one() -> None:
    weekend = schedule((["sat"], "00:00", "24:00"), (["sun"], "00:00", "24:00"))
    assert at(weekend, "2026-11-28T12:00") == (True, "2026-11-30T00:00+01:00")


def test_a_schedule_of_the_whole_week_never_stops_enforcing() -> None:
    always = schedule((list(DAYS), "00:00", "24:00"))
    enforces, until = always.at(datetime(2026, 11, 23, tzinfo=BERLIN).timestamp())
    assert enforces
    assert always.at(until)[0]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-29T01:59", (False, "2026-03-29T03:00+02:00")),  # 02:30 does not come: the change stands for it
        ("2026-03-29T03:00", (True, "2026-03-29T04:00+02:00")),
        ("2026-10-25T02:29", (False, "2026-10-25T02:30+02:00")),  # 02:30 comes twice: it begins with the first
        ("2026-10-25T02:45", (True, "2026-10-25T04:00+01:00")),
    ],
)
def test_a_window_is_right_on_days_on_which_the_clocks_change(now: str, expected: tuple[bool, str]) -> None:
    assert at(schedule((["sun"], "02:30", "04:00")), now) == expected


def test_an_end_that_comes_twice_is_the_second() -> None:
    enforces, until = at(schedule((["sun"], "01:00", "02:30")), "2026-10-25T01:30")
    assert (enforces, until) == (True, "2026-10-25T02:30+01:00")


_WINDOWS: Any = st.lists(
    st.tuples(
        st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True),
        st.sampled_from(["00:00", "02:30", "08:00", "23:59"]),
        st.sampled_from(["01:00", "02:15", "12:00", "24:00"]),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=examples(60))
@given(
    windows=_WINDOWS,
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"]),
    minutes=st.integers(0, 366 * 24 * 60),
)
def test_the_clocks_of_the_zone_say_whether_a_window_is_open(windows: Any, zone: str, minutes: int) -> None:
    one = schedule(*windows, zone=zone)
    wall = datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC")).timestamp() + minutes * 60
    enforces, until = one.at(wall)
    assert until > wall
    assert one.at(until - 1)[0] == enforces
    local = datetime.fromtimestamp(wall, ZoneInfo(zone))
    day = timedelta(days=1)
    if local.utcoffset() == (local - 2 * day).utcoffset() == (local + 2 * day).utcoffset():  # no change near
        shown = local.hour * 60 + local.minute
        today, yesterday = DAYS[local.weekday()], DAYS[(local - day).weekday()]
        spans = [(days, minutes_of(start), minutes_of(end)) for days, start, end in windows]
        expected = any(
            (today in days and start <= shown < (end if end > start else 24 * 60))
            or (yesterday in days and end <= start and shown < end)
            for days, start, end in spans
        )
        assert enforces == expected


@settings(max_examples=examples(30))
@given(
    windows=_WINDOWS,
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    day=st.integers(0, 366),
    hours=st.integers(1, 24 * 20),
)
def test_open_times_are_those_at_which_it_enforces(windows: Any, zone: str, day: int, hours: int) -> None:
    one = schedule(*windows, zone=zone)
    start = datetime(2026, 1, 1, 12, tzinfo=ZoneInfo("UTC")).timestamp() + day * 86400
    end = start + hours * 3600
    open_seconds, wall = 0.0, start
    while wall < end:
        enforces, until = one.at(wall)
        open_seconds += (min(until, end) - wall) * enforces
        wall = until
    times = list(one.open_times(start, end))
    assert sum(min(closes, end) - max(opens, start) for opens, closes in times) == open_seconds
    assert all(before[1] < after[0] for before, after in itertools.pairwise(times)), "those that touch are one"
