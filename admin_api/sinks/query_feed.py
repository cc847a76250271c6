"""Feed of a sink from the query log: its blocks in the order in which they were written, from where the sink is.

Nothing waits in memory: what is not sent yet is in the log. What the log's bounds remove before it was sent is counted.
All of it is work for a thread.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from admin_api.query_log import files
from admin_api.sinks.filtering import SinkFilter
from admin_api.sinks.marks import DayMark, DayMarks
from admin_api.sinks.records import Records
from admin_api.sinks.rows import SinkRow
from resolver.telemetry.query_block_lines import BlockError
from resolver.telemetry.query_block_reading import QueryBlock

_BLOCKS_AT_ONCE: Final = 40  # some thousand rows: a look takes milliseconds
_NEXT: Final = "SELECT id, newest, count, packed FROM blocks WHERE id >= ? ORDER BY id LIMIT ?"
_COUNTS: Final = "SELECT id, count FROM blocks WHERE id >= ? AND id <= ?"
_COUNTED_SECONDS: Final = 10.0  # between two looks at how much there is, which reads all that is not sent
_SETTLED_NANOSECONDS: Final = 1_000_000_000  # file times are not finer than some milliseconds

Fingerprint = tuple[tuple[int, int] | None, ...]


@dataclass(slots=True)
class FedRows:
    """Rows to be sent; `ids` are theirs. Or counts of others: not sent in time (`passed`), in damaged blocks."""

    day: str = ""
    rows: list[SinkRow] = field(default_factory=list)
    ids: list[int] = field(default_factory=list)
    end: int = 0  # the id behind which the next look goes on
    oldest: int | None = None  # Unix milliseconds of the first row
    passed: int = 0
    unreadable: int = 0
    removed: int = 0  # rows that the log has no longer
    has_more: bool = False

    @property
    def is_loss(self) -> bool:
        """Whether it is about rows that will not be sent."""
        return bool(self.passed or self.unreadable)


class QueryFeed:
    """Feed of one sink. `marks` say how far it is; None: it begins with what is written from now on."""

    def __init__(self, folder: Path, wanted: SinkFilter, records: Records, marks: DayMarks | None) -> None:
        """Raises sqlite3.Error, OSError where there are no marks and a day cannot be read."""
        self._folder = folder
        self._wanted = wanted
        self._records = records
        self._whole: dict[str, Fingerprint] = {}  # days that are done, as their files were then
        self._counted: dict[str, float] = {}  # days that are not, and when it was last looked how much there is
        self.marks: DayMarks = self._marks_of_now() if marks is None else marks

    def take(self, most_rows: int, most_octets: int, *, not_before: int = 0) -> FedRows:
        """The next rows; blocks that are all older than a Unix millisecond are passed over.

        Raises sqlite3.Error, OSError.
        """
        found = FedRows(removed=self._removed())
        for day in sorted(files.days(self._folder)):
            fingerprint = _fingerprint(self._folder, day)
            if self._whole.get(day) == fingerprint:
                continue
            mark = self.marks.setdefault(day, DayMark())
            with closing(files.open_to_read(self._folder, day)) as connection:
                found.removed += self._look(connection, day, mark)
                found.day, found.end = day, mark.done
                is_whole = self._fill(connection, mark.done, found, (most_rows, most_octets), not_before)
            if is_whole and found.end == mark.done:
                if _is_settled(fingerprint):
                    self._whole[day] = fingerprint
                continue
            found.has_more = True
            return found
        return found

    def advance(self, found: FedRows, count: int) -> None:
        """Note that so many of the rows that were found are done; with all of them, what was passed over, too."""
        mark = self.marks.get(found.day)
        if mark is None:
            return
        done = found.end if count >= len(found.rows) else (found.ids[count - 1] if count else mark.done)
        if done <= mark.done:
            return
        with contextlib.suppress(sqlite3.Error), closing(files.open_to_read(self._folder, found.day)) as connection:
            mark.unsent = max(0, mark.unsent - _rows_within(connection, mark.done, min(done, mark.seen)))
        mark.done = done

    def _fill(
        self, connection: sqlite3.Connection, done: int, found: FedRows, most: tuple[int, int], not_before: int
    ) -> bool:
        """Take rows above an id; whether the day's end was reached."""
        if "blocks" not in files.tables(connection):
            return True
        rows_left, octets_left = most
        first = max(files.FIRST_BLOCK, done >> files.PLACE_BITS)
        looked = 0
        for number, newest, count, packed in connection.execute(_NEXT, (first, _BLOCKS_AT_ONCE)):
            looked += 1
            base = number << files.PLACE_BITS
            begin = max(0, done - base + 1)
            if begin >= count:
                continue
            try:
                block = QueryBlock(packed)
                places = self._wanted.places(block, begin)
                if newest < not_before:
                    if found.rows:
                        return False
                    found.passed += len(places)
                elif found.is_loss:
                    return False  # what is lost is noted by itself, so that it is counted once
                else:
                    rows = self._records.queries(block, places[:rows_left], base)
                    for row, place in zip(rows, places, strict=False):
                        octets_left -= len(row.text)
                        if found.rows and octets_left < 0:
                            return False
                        found.rows.append(row)
                        found.ids.append(base | place)
                        found.end = base | place
                    rows_left -= len(rows)
                    if found.oldest is None and rows:
                        found.oldest = int(block.moments_at(places[:1])[0])
                    if len(rows) < len(places):
                        return False
            except BlockError:
                if found.rows:
                    return False
                found.unreadable += count - begin
            found.end = base | count - 1
            if rows_left <= 0:
                return False
        return looked < _BLOCKS_AT_ONCE

    def _look(self, connection: sqlite3.Connection, day: str, mark: DayMark) -> int:
        """Have a mark know all that there is; gives how many rows are gone that it knew of, and that were not sent."""
        last = files.last_id(connection)
        now = time.monotonic()
        is_shorter = mark.done > last
        if not is_shorter and now - self._counted.get(day, -math.inf) < _COUNTED_SECONDS:
            return 0
        self._counted[day] = now
        inode = files.path_of(self._folder, day).stat().st_ino
        if is_shorter and inode != mark.inode:  # another file: the old one was damaged
            gone, mark.done = mark.unsent, 0
        else:
            gone = mark.unsent - _rows_within(connection, mark.done, mark.seen)
            if gone > 0:
                # Whole blocks went, or somebody was taken out of some: in the one that was begun, others moved down.
                mark.done = max(0, (mark.done >> files.PLACE_BITS << files.PLACE_BITS) - 1)
            mark.done = min(mark.done, last)
        mark.inode = inode
        mark.seen, mark.unsent = last, _rows_within(connection, mark.done, last)
        return max(0, gone)

    def _removed(self) -> int:
        """Rows that went with whole days, which are forgotten."""
        there = set(files.days(self._folder))
        gone = [day for day in self.marks if day not in there]
        for known in (self._whole, self._counted):
            for day in known.keys() - there:
                del known[day]
        return sum(self.marks.pop(day).unsent for day in gone)

    def _marks_of_now(self) -> DayMarks:
        marks = {}
        for day in files.days(self._folder):
            with closing(files.open_to_read(self._folder, day)) as connection:
                last = files.last_id(connection)
            marks[day] = DayMark(last, last, inode=files.path_of(self._folder, day).stat().st_ino)
        return marks


def _rows_within(connection: sqlite3.Connection, above: int, to: int) -> int:
    """How many rows have ids above one, up to another."""
    first, last = max(files.FIRST_BLOCK, above >> files.PLACE_BITS), to >> files.PLACE_BITS
    rows = 0
    for number, count in _counts(connection, first, last):
        base = number << files.PLACE_BITS
        rows += max(0, min(count, to - base + 1) - max(0, above - base + 1))
    return rows


def _counts(connection: sqlite3.Connection, first: int, last: int) -> Iterator[tuple[int, int]]:
    if "blocks" in files.tables(connection):
        yield from connection.execute(_COUNTS, (first, last))


def _fingerprint(folder: Path, day: str) -> Fingerprint:
    """Sizes and times of a day's file and of the log beside it, which change when it is written to."""
    path = files.path_of(folder, day)
    return tuple(map(_facts_of, (path, path.with_name(f"{path.name}-wal"))))


def _is_settled(fingerprint: Fingerprint) -> bool:
    """Whether the last write was long enough ago that another would show."""
    return all(facts is None or time.time_ns() - facts[0] > _SETTLED_NANOSECONDS for facts in fingerprint)


def _facts_of(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size
