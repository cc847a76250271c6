"""Files of marks: whatever they hold, they are marks or damaged."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admin_api.sinks.http import LONGEST_WAIT_SECONDS, wait_of
from admin_api.sinks.marks import DayMark, MarksFile, MarksUnreadable, marks_of

NOW = datetime(2026, 5, 10, 12, tzinfo=UTC)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(st.binary(max_size=50) | JSON.map(lambda value: json.dumps({"version": 1, "days": value}).encode()))
def test_octets_are_marks_or_none(octets: bytes) -> None:
    marks = marks_of(octets)
    assert marks is None or all(isinstance(mark, DayMark) and mark.done >= 0 for mark in marks.values())


@pytest.mark.parametrize("text", ["", "{}", '{"version": 2, "days": {}}', '{"version":1,"days":{"d":[1,2,3]}}'])
def test_a_damaged_file_is_told(tmp_path: Path, text: str) -> None:
    file = MarksFile(tmp_path, "one")
    file.write({})
    file.path.write_text(text)
    with pytest.raises(MarksUnreadable, match="is damaged"):
        file.read()


@given(st.text(max_size=40) | st.integers().map(str))
def test_whatever_a_collector_says_the_wait_is_bounded(header: str) -> None:
    wait = wait_of(header, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT_SECONDS


def test_a_wait_is_told_in_seconds_or_as_a_moment() -> None:
    assert wait_of("7", NOW) == 7
    assert wait_of("Sun, 10 May 2026 12:00:30 GMT", NOW) == 30
    assert wait_of("Sun, 10 May 2020 12:00:30 GMT", NOW) == 0
    assert wait_of("soon", NOW) is None
