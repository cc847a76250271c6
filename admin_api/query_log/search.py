"""One search of the query log, newest first, while its time lasts. What it has found is there at any moment."""

from __future__ import annotations

import math
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from admin_api.query_log import files
from admin_api.query_log.cursors import MOST_ID, START, Marks, SearchPlace

_CONDITIONS = {
    "client": "client = ?",
    "group": "grp = ?",
    "service": "service = ?",
    "verdict": "verdict = ?",
    "contains": "instr(name, lower(?)) > 0",
}
_SELECT = f"SELECT id, {', '.join(files.COLUMNS)} FROM queries WHERE id < ? AND id >= ?"  # noqa: S608 (names of ours)
_SELECT_OLD = _SELECT.replace(files.COLUMNS[-1], "NULL")  # where a version without remarks wrote the day
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT}
_BLOCK = 1 << files.BLOCK_BITS
_MARKED_DAYS = 2  # what was asked just before midnight is written just after it
_FEWEST_IDS = 1_000  # that are looked through in any case: each page goes on
_AT_A_TIME_SECONDS = 0.02

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Filter of a search: values by field; from `start` to before `end`, Unix seconds; newer than marks."""

    filters: Mapping[str, str]
    start: float | None = None
    end: float | None = None
    after: Marks | None = None


class Found(NamedTuple):
    """How many rows there are so far; where to go on, None at the end; and the time down to which was looked."""

    rows: int
    place: SearchPlace | None
    searched_to: float | None


class Search:
    """For at most `limit` rows at a place or below. It is run once, in a thread."""

    def __init__(self, folder: Path, wanted: LogFilter, place: SearchPlace, limit: int) -> None:
        self._select = _SELECT
        self.rows: list[Row] = []  # each as files.COLUMNS says
        self.found = Found(0, place, None)  # replaced as a whole
        self.newest: Marks | None = None  # when a search from the start began
        self._folder = folder
        self._wanted = wanted
        self._place = place
        self._limit = limit
        self._where, self._values = _where(wanted)
        self._pace = _Pace()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_stopped = False

    def stop(self) -> None:
        """Have it end at once. From any thread."""
        with self._lock:
            self._is_stopped = True
            if self._connection is not None:
                self._connection.interrupt()

    def run(self, deadline: float) -> None:
        """Look until that monotonic second, until there is enough, or until there is no more."""
        days = files.days(self._folder)
        below = {self._place.day: self._place.below}
        if self._place == START:
            marks = self._marks(days[:_MARKED_DAYS])
            if marks is None:
                return
            self.newest = marks
            below = {day: mark + 1 for day, mark in marks.items()}
        for day in filter(self._is_in_reach, days):
            try:
                with self._open(day) as connection:
                    if not self._look(connection, day, below.get(day, MOST_ID), deadline):
                        return
            except sqlite3.Error as error:
                if _passes(error):
                    return  # the next page begins where this one had to end
                self._note(SearchPlace(day, 0))  # removed meanwhile, or damaged: the writer sets it aside
            if self._is_over(deadline) and day != days[-1]:
                return
        self._note(None)

    def _marks(self, days: list[str]) -> dict[str, int] | None:
        """The last ids of days; None where they cannot be read now."""
        marks = {}
        for day in days:
            try:
                with self._open(day) as connection:
                    _, marks[day] = files.ids(connection)
            except sqlite3.Error as error:
                if _passes(error):
                    return None
        return marks

    def _is_in_reach(self, day: str) -> bool:
        wanted = self._wanted
        oldest = "" if wanted.start is None else files.day_of(wanted.start)
        if wanted.after:
            oldest = max(oldest, min(wanted.after))
        newest = self._place.day if wanted.end is None else min(self._place.day, files.day_of(wanted.end))
        return oldest <= day <= newest and (day, 0) != self._place

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

    def _look(self, connection: sqlite3.Connection, day: str, below: int, deadline: float) -> bool:
        """Look through a day's rows with ids below; False when there is enough, or the time was over before its end."""
        first, last = files.ids(connection)
        self._select = _SELECT_OLD if files.lacks_remark(connection) else _SELECT
        mark = (self._wanted.after or {}).get(day, 0)
        low = max(first, mark + 1) if mark <= last else first  # else it is a new file, the old one was damaged
        for bottom, end in _runs(low, min(below, last + 1), self._blocks_beside(connection)):
            top = end
            while top > bottom:
                top = self._take(connection, day, max(bottom, top - self._pace.ids(deadline)), top)
                if len(self.rows) >= self._limit or self._is_over(deadline):
                    return False
        self._note(SearchPlace(day, 0))
        return True

    def _take(self, connection: sqlite3.Connection, day: str, bottom: int, top: int) -> int:
        """Take what matches of the ids from `bottom` to before `top`; gives down to where everything is taken."""
        began = time.monotonic()
        most = self._limit - len(self.rows)
        rows = connection.execute(
            f"{self._select}{self._where} ORDER BY id DESC LIMIT ?", [top, bottom, *self._values, most]
        ).fetchall()
        if len(rows) == most:
            bottom = rows[-1][0]
        (at,) = connection.execute("SELECT at FROM queries WHERE id >= ? ORDER BY id LIMIT 1", [bottom]).fetchone()
        self._pace.took(top - bottom, time.monotonic() - began)
        self.rows += [row[1:] for row in rows]
        self._note(SearchPlace(day, bottom), at)
        return int(bottom)

    def _blocks_beside(self, connection: sqlite3.Connection) -> Collection[int]:
        """The blocks of which no row is in the time window."""
        start, end = self._wanted.start, self._wanted.end
        if start is None and end is None:
            return ()
        query = "SELECT block FROM spans WHERE newest < ? OR oldest >= ?"
        values = (-math.inf if start is None else start, math.inf if end is None else end)
        try:
            return {block for (block,) in connection.execute(query, values)}
        except sqlite3.OperationalError as error:
            if _passes(error):
                raise
            return ()  # a version that kept no spans wrote this day

    def _note(self, place: SearchPlace | None, searched_to: float | None = None) -> None:
        self.found = Found(len(self.rows), place, searched_to or self.found.searched_to)

    def _is_over(self, deadline: float) -> bool:
        return self._is_stopped or time.monotonic() >= deadline


class _Pace:
    """How many ids are looked through before the time is looked at."""

    def __init__(self) -> None:
        self._ids = float(_BLOCK)
        self._per_second = _BLOCK / _AT_A_TIME_SECONDS

    def ids(self, deadline: float) -> int:
        """As many as fit, but some in any case."""
        left = self._per_second * (deadline - time.monotonic())
        return max(_FEWEST_IDS, int(min(self._ids, left)))

    def took(self, ids: int, seconds: float) -> None:
        """Note how long so many took."""
        self._per_second = ids / max(seconds, 1e-6)
        self._ids = min(self._ids * 4, self._per_second * _AT_A_TIME_SECONDS)


def _runs(low: int, below: int, without: Collection[int]) -> Iterator[tuple[int, int]]:
    """The ids from `low` to before `below`, the highest first, in ranges [bottom, top) without some blocks."""
    top = bottom = below
    while bottom > low:
        block = (bottom - 1) >> files.BLOCK_BITS
        begin = max(low, block * _BLOCK)
        if block in without:
            if top > bottom:
                yield bottom, top
            top = begin
        bottom = begin
    if top > bottom:
        yield bottom, top


def _where(wanted: LogFilter) -> tuple[str, list[Any]]:
    """The conditions as SQL, with their values."""
    parts: list[str] = []
    values: list[Any] = []
    for name, value in wanted.filters.items():
        if name == "name":
            below = f".{value.strip().rstrip('.').lower()}"
            parts.append("(name = ? OR substr(name, -?) = ?)")
            values += [below[1:], len(below), below]
        else:
            parts.append(_CONDITIONS[name])
            values.append(value)
    for at, sign in ((wanted.start, ">="), (wanted.end, "<")):
        if at is not None:
            parts.append(f"at {sign} ?")
            values.append(at)
    return "".join(f" AND {part}" for part in parts), values


def _passes(error: sqlite3.Error) -> bool:
    """Whether it would be no error a moment later."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _PASSING
