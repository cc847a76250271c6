"""Rows of the query log that a sink is fed, and word of those that are gone."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from admin_api.query_log import files
from admin_api.query_log.day_blocks import DayBlocks
from admin_api.sinks import query_feed
from admin_api.sinks.filtering import SinkFilter
from admin_api.sinks.marks import DayMark, DayMarks, MarksFile
from admin_api.sinks.query_feed import FedRows, QueryFeed
from admin_api.sinks.records import Records
from resolver.config.settings import LogSinkSettings
from tests.support.log_blocks import BlockMaker
from tests.unit.admin_api.sinks.conftest import HOUR, OTHER, WrittenLog

NOON = 1_778_414_400.0  # 2026-05-10
DAY = "2026-05-10"


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_feed, "_COUNTED_SECONDS", 0.0)


def feed_of(log: WrittenLog, marks: DayMarks | None = None, **wanted: tuple[str, ...]) -> QueryFeed:
    return QueryFeed(log.folder, SinkFilter(LogSinkSettings("", **wanted)), Records("plain", "host"), marks)  # type: ignore[arg-type]


def all_of(feed: QueryFeed, most: int = 1000) -> tuple[list[str], FedRows]:
    """All names that it feeds, and the sums of the rest."""
    names: list[str] = []
    sums = FedRows()
    while True:
        found = feed.take(most, 1 << 20)
        sums.removed += found.removed
        sums.unreadable += found.unreadable
        names += [row.text.partition('"name":"n')[2].partition(".")[0] for row in found.rows]
        feed.advance(found, len(found.rows))
        if not found.has_more:
            return names, sums


def texts(numbers: range) -> list[str]:
    return [str(number) for number in numbers]


def test_a_piece_is_never_larger_than_it_may_be_and_all_pieces_are_everything(log: WrittenLog) -> None:
    feed = feed_of(log)
    log.add(range(1000), at=NOON, is_whole=True)
    for most in (1, 7, 300):
        assert len(feed.take(most, 1 << 20).rows) == most
    few = feed.take(1000, 3000)
    assert sum(len(row.text) for row in few.rows) <= 3000
    assert all_of(feed, 130)[0] == texts(range(1000))


def test_of_a_batch_of_which_a_part_was_sent_the_rest_comes_again(log: WrittenLog) -> None:
    feed = feed_of(log)
    log.add(range(10), at=NOON)
    feed.advance(feed.take(10, 1 << 20), 4)
    assert all_of(feed)[0] == texts(range(4, 10))


def test_a_filter_goes_by_verdict_group_list_and_service_or_vendor(log: WrittenLog) -> None:
    feeds = {
        key: feed_of(log, **{key: (value,)})
        for key, value in (("verdicts", "block"), ("groups", "other"), ("lists", "a/b"), ("services", "a"))
    }
    log.add(range(3), at=NOON)
    log.add(range(3, 9), at=NOON, verdict="allow", is_whole=True)
    log.add(range(9, 10), at=NOON)
    found = {key: all_of(feed)[0] for key, feed in feeds.items()}
    blocked = ["0", "1", "2", "9"]
    assert found == {"verdicts": blocked, "groups": [], "lists": blocked, "services": blocked}


def test_days_that_went_before_they_were_sent_are_counted_also_over_a_restart(log: WrittenLog, tmp_path: Path) -> None:
    feed = feed_of(log)
    log.add(range(30), at=NOON)
    log.add(range(30, 40), at=NOON + 24 * HOUR)
    feed.advance(feed.take(5, 1 << 20), 5)
    file = MarksFile(tmp_path, "one")
    file.write(feed.marks)
    files.remove(log.folder, DAY)
    names, sums = all_of(feed_of(log, file.read()))
    assert (names, sums.removed) == (texts(range(30, 40)), 25)


def test_the_older_half_of_a_day_that_went_is_counted(log: WrittenLog) -> None:
    feed = feed_of(log)
    for number in range(4):
        log.add(range(number * 10, number * 10 + 10), at=NOON, is_whole=True)
    feed.advance(feed.take(3, 1 << 20), 3)
    with closing(DayBlocks(log.folder, DAY)) as blocks:
        blocks.shorten()
    names, sums = all_of(feed)
    assert (names, sums.removed) == (texts(range(20, 40)), 17)


def test_where_somebody_was_taken_out_of_the_log_no_other_is_missed(log: WrittenLog) -> None:
    feed = feed_of(log)
    log.add(range(20), at=NOON)
    log.add(range(20, 30), at=NOON, is_whole=True)
    feed.advance(feed.take(15, 1 << 20), 15)
    feed.take(1, 1 << 20)
    with closing(DayBlocks(log.folder, DAY)) as blocks:
        assert blocks.take_out(lambda client: client.address == OTHER) == 6
    names, _ = all_of(feed)
    assert set(texts(range(16, 30))) - {"20", "25"} <= set(names) <= set(texts(range(30))) - {"0", "15", "20"}


def test_rows_of_a_block_that_grows_come_once(log: WrittenLog) -> None:
    feed, maker, names = feed_of(log), BlockMaker(), []
    with closing(DayBlocks(log.folder, DAY)) as blocks:
        for first in range(0, 1200, 40):
            blocks.add([], maker.rows([log.row(number, NOON) for number in range(first, first + 40)]))
            names += all_of(feed, 17)[0]
    assert names == texts(range(1200))


def test_where_all_was_sent_and_somebody_was_taken_out_nothing_comes_again(log: WrittenLog) -> None:
    feed = feed_of(log)
    log.add(range(20), at=NOON)
    all_of(feed)
    with closing(DayBlocks(log.folder, DAY)) as blocks:
        blocks.take_out(lambda client: client.address == OTHER)
    log.add(range(20, 25), at=NOON)
    assert all_of(feed)[0] == texts(range(20, 25))


def test_a_block_that_cannot_be_read_is_passed_over_and_counted(log: WrittenLog) -> None:
    feed = feed_of(log)
    for number in range(3):
        log.add(range(number * 10, number * 10 + 10), at=NOON, is_whole=True)
    with closing(sqlite3.connect(files.path_of(log.folder, DAY))) as day, day:
        day.execute("UPDATE blocks SET packed = 'x' WHERE id = (SELECT min(id) + 1 FROM blocks)")
    names, sums = all_of(feed)
    assert (names, sums.unreadable) == ([*texts(range(10)), *texts(range(20, 30))], 10)


def test_a_day_that_begins_anew_because_its_file_was_damaged_is_read_from_its_beginning(log: WrittenLog) -> None:
    feed = feed_of(log)
    log.add(range(30), at=NOON)
    assert len(all_of(feed)[0]) == 30
    path = files.path_of(log.folder, DAY)
    path.rename(path.with_suffix(".damaged"))
    log.add(range(30, 35), at=NOON)
    assert all_of(feed)[0] == texts(range(30, 35))


def test_what_is_too_old_is_passed_over_and_counted_once(log: WrittenLog) -> None:
    feed = feed_of(log)
    log.add(range(10), at=NOON, is_whole=True)
    log.add(range(10, 15), at=NOON + HOUR, is_whole=True)
    first = feed.take(100, 1 << 20, not_before=round((NOON + 1) * 1000))
    assert (first.passed, first.rows, first.has_more) == (10, [], True)
    feed.advance(first, 0)
    second = feed.take(100, 1 << 20, not_before=round((NOON + 1) * 1000))
    assert (second.passed, len(second.rows)) == (0, 5)


def test_a_day_at_its_end_is_not_opened_again_until_it_grows(log: WrittenLog, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = feed_of(log)
    log.add(range(5), at=NOON)
    monkeypatch.setattr(query_feed, "_SETTLED_NANOSECONDS", 0)
    assert len(all_of(feed)[0]) == 5
    opened: list[str] = []
    really = files.open_to_read
    monkeypatch.setattr(files, "open_to_read", lambda folder, day: opened.append(day) or really(folder, day))
    assert (all_of(feed)[0], opened) == ([], [])
    time.sleep(0.01)  # file times are no finer than some milliseconds
    log.add(range(5, 7), at=NOON)
    assert all_of(feed)[0] == texts(range(5, 7))


def test_marks_are_as_they_were_written(tmp_path: Path) -> None:
    file = MarksFile(tmp_path, "one")
    assert file.read() is None
    marks = {DAY: DayMark(3, 9, 5)}
    file.write(marks)
    assert file.read() == marks == {DAY: replace(marks[DAY])}
