"""One search of the query log, newest first, while its time lasts. What it has found is there at any moment."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from admin_api.query_log import files
from admin_api.query_log.block_search import BlockSearch, Row
from admin_api.query_log.cursors import MOST_ID, START, Marks, SearchPlace
from admin_api.query_log.log_filter import BlockMatcher, LogFilter
from admin_api.query_log.passing import passes
from admin_api.query_log.row_search import Pace, RowSearch
from admin_api.query_log.search_time import SearchTime

_MARKED_DAYS: Final = 2  # what was asked just before midnight is written just after it


class Found(NamedTuple):
    """How many rows there are so far; where to go on, None at the end; and the time down to which was looked."""

    rows: int
    place: SearchPlace | None
    searched_to: float | None


class Search:
    """For at most `limit` rows at a place or below. It is run once, in a thread."""

    def __init__(
        self,
        folder: Path,
        wanted: LogFilter,
        place: SearchPlace,
        limit: int,
        pass_over: Callable[[str, int], None] | None = None,
    ) -> None:
        """`pass_over` is told of blocks that cannot be read, by day and id."""
        self.rows: list[Row] = []  # each as files.FOUND says
        self.found = Found(0, place, None)  # replaced as a whole
        self.newest: Marks | None = None  # when a search from the start began
        self._folder = folder
        self._wanted = wanted
        self._place = place
        self._limit = limit
        self._pass_over = pass_over or (lambda _day, _number: None)
        self._matcher = BlockMatcher(wanted.filters, wanted.aliases)
        self._pace = Pace()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._time = SearchTime()

    def stop(self) -> None:
        """Have it end at once. From any thread."""
        with self._lock:
            self._time.is_stopped = True
            if self._connection is not None:
                self._connection.interrupt()

    def run(self, deadline: float) -> None:
        """Look until that monotonic second, until there is enough, or until there is no more."""
        self._time.deadline = deadline
        days = files.days(self._folder)
        begin = {self._place.day: self._place}
        if self._place == START:
            marks = self._marks(days[:_MARKED_DAYS])
            if marks is None:
                return
            self.newest = marks
            begin = {day: SearchPlace(day, MOST_ID, MOST_ID, mark) for day, mark in marks.items()}
        for day in filter(self._is_in_reach, days):
            place = begin.get(day) or SearchPlace(day, MOST_ID, MOST_ID, MOST_ID)
            try:
                with self._open(day) as connection:
                    if not self._look(connection, place):
                        return
            except sqlite3.Error as error:
                if passes(error):
                    return  # the next page begins where this one had to end
                self._note(SearchPlace(day, 0))  # removed meanwhile, or damaged: the writer sets it aside
            if self._time.is_over and day != days[-1]:
                return
        self._note(None)

    def _marks(self, days: list[str]) -> dict[str, int] | None:
        """The last ids of days; None where they cannot be read now."""
        marks = {}
        for day in days:
            try:
                with self._open(day) as connection:
                    marks[day] = files.last_id(connection)
            except sqlite3.Error as error:
                if passes(error):
                    return None
        return marks

    def _is_in_reach(self, day: str) -> bool:
        wanted = self._wanted
        oldest = "" if wanted.start is None else files.day_of(wanted.start)
        if wanted.after:
            oldest = max(oldest, min(wanted.after))
        newest = self._place.day if wanted.end is None else min(self._place.day, files.day_of(wanted.end))
        return oldest <= day <= newest and (day, 0) != self._place[:2]

    @contextmanager
    def _open(self, day: str) -> Iterator[sqlite3.Connection]:
        with closing(files.open_to_read(self._folder, day)) as connection:
            with self._lock:
                self._connection = connection
            try:
                yield connection
            finally:
                with self._lock:
                    self._connection = None

    def _look(self, connection: sqlite3.Connection, place: SearchPlace) -> bool:
        """Look through a day from a place on; False when there is enough, or the time was over before its end."""
        tables = files.tables(connection)
        mark = (self._wanted.after or {}).get(place.day, 0)
        if mark > files.last_id(connection):
            mark = 0  # it is a new file, the old one was damaged

        if place.at is not None and "blocks" in tables:
            blocks = BlockSearch(
                self._wanted,
                self._matcher,
                self._limit - len(self.rows),
                self._time,
                lambda number: self._pass_over(place.day, number),
                self._take,
            )
            if not blocks.look(connection, place, mark):
                return False
        if "queries" in tables:
            below = place.below if place.at is None else min(place.last + 1, files.FIRST_IN_BLOCKS)
            rows = RowSearch(self._wanted, self._pace, self._limit - len(self.rows), self._time, self._take)
            if not rows.look(connection, SearchPlace(place.day, below), mark):
                return False
        self._note(SearchPlace(place.day, 0))
        return True

    def _take(self, rows: list[Row], place: SearchPlace, searched_to: float) -> None:
        self.rows += rows
        self._note(place, searched_to)

    def _note(self, place: SearchPlace | None, searched_to: float | None = None) -> None:
        self.found = Found(len(self.rows), place, searched_to or self.found.searched_to)
