"""Blocks of the query log that cannot be read: told once a day of the log, counted once each, with a bound."""

from __future__ import annotations

from typing import Any

from admin_api.query_log.unreadable import MOST_UNREADABLE, UnreadableBlocks, lacks_of


class WrittenLog:
    """Log whose warnings are kept."""

    def __init__(self) -> None:
        self.warnings: list[tuple[str, str, int]] = []

    def info(self, event: str, **facts: Any) -> None:
        raise AssertionError(event)

    error = info

    def warning(self, event: str, **facts: Any) -> None:
        self.warnings.append((event, facts["day"], facts["block"]))


def test_each_is_counted_once_and_each_day_logged_once() -> None:
    log = WrittenLog()
    blocks = UnreadableBlocks(log)
    for _ in range(2):
        blocks.note_all([("2026-05-11", 3), ("2026-05-11", 4), ("2026-05-12", 3)])
    assert blocks.count == 3
    assert log.warnings == [
        ("a block of the query log cannot be read", "2026-05-11", 3),
        ("a block of the query log cannot be read", "2026-05-12", 3),
    ]


def test_more_than_the_bound_are_not_remembered() -> None:
    blocks = UnreadableBlocks()
    blocks.note_all(("2026-05-11", number) for number in range(MOST_UNREADABLE + 5))
    assert blocks.count == MOST_UNREADABLE


def test_what_is_missing_is_told_of_the_days_that_are_asked_about() -> None:
    blocks = UnreadableBlocks()
    assert list(blocks.lacks()) == []
    blocks.note_all([("2026-05-11", 3), ("2026-05-12", 3), ("2026-05-12", 4)])
    (of_all,) = blocks.lacks()
    assert of_all.endswith(": 3, each of up to 4096 queries, of 2026-05-11, 2026-05-12")
    (of_one,) = blocks.lacks("2026-05-12", "2026-05-20")
    assert of_one.endswith(": 2, each of up to 4096 queries, of 2026-05-12")
    assert list(blocks.lacks("2026-05-13", "2026-05-20")) == []


def test_many_days_are_named_up_to_ten() -> None:
    (text,) = lacks_of((f"2026-05-{day:02}", 1) for day in range(1, 15))
    assert text.endswith("2026-05-10 and 4 days more")
