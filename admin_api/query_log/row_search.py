"""Search of the rows that older versions wrote into a day, a row a query, newest first, a piece at a time."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, Final

from admin_api.query_log import files
from admin_api.query_log.block_search import Row
from admin_api.query_log.cursors import SearchPlace
from admin_api.query_log.log_filter import LogFilter
from admin_api.query_log.passing import passes
from admin_api.query_log.search_time import SearchTime

SPAN_BITS: Final = 14
"""Rows whose ids are the same but for so many low bits have a row in the table `spans`, of what time they are."""

_CONDITIONS = {
    "client": "client = ?",
    "identity": "NULL = ?",  # those versions did not log whose a client was
    "group": "grp = ?",
    "service": "service = ?",
    "verdict": "verdict = ?",
    "contains": "instr(name, lower(?)) > 0",
}
_SELECT = f"SELECT id, {', '.join(files.COLUMNS)} FROM queries WHERE id < ? AND id >= ?"  # noqa: S608 (names of ours)
_SELECT_OLD = _SELECT.replace(files.COLUMNS[-1], "NULL")  # where a version without remarks wrote the day
_SPAN = 1 << SPAN_BITS
_FEWEST_IDS = 1_000  # that are looked through in any case: each page goes on
_AT_A_TIME_SECONDS = 0.02


class RowSearch:
    """Search for at most so many rows."""

    def __init__(
        self,
        wanted: LogFilter,
        pace: Pace,
        most: int,
        time: SearchTime,
        tell: Callable[[list[Row], SearchPlace, float], None],
    ) -> None:
        """`tell` takes more rows, the place behind, and the time down to which was looked."""
        self._wanted = wanted
        self._pace = pace
        self._most = most
        self._time = time
        self._tell = tell
        self._select = _SELECT
        self._where, self._values = _where(wanted)

    def look(self, connection: sqlite3.Connection, place: SearchPlace, mark: int) -> bool:
        """Look through a day's rows with ids below, for what is newer than a mark.

        False when there is enough, or the time was over before the end. Raises sqlite3.Error.
        """
        # Both in one SELECT would look through all rows: SQLite finds one end of a table at once, not two.
        ends = "SELECT (SELECT min(id) FROM queries), (SELECT max(id) FROM queries)"
        first, last = connection.execute(ends).fetchone()
        if not last:
            return True
        self._select = _SELECT_OLD if _lacks_remark(connection) else _SELECT
        low = max(first, mark + 1)
        for bottom, end in _runs(low, min(place.below, last + 1), self._spans_beside(connection)):
            top = end
            while top > bottom:
                top = self._take(connection, place.day, max(bottom, top - self._pace.ids(self._time.left_seconds)), top)
                if not self._most or self._time.is_over:
                    return False
        return True

    def _take(self, connection: sqlite3.Connection, day: str, bottom: int, top: int) -> int:
        """Take what matches of the ids from `bottom` to before `top`; gives down to where everything is taken."""
        began = time.monotonic()
        rows = connection.execute(
            f"{self._select}{self._where} ORDER BY id DESC LIMIT ?", [top, bottom, *self._values, self._most]
        ).fetchall()
        if len(rows) == self._most:
            bottom = rows[-1][0]
        (at,) = connection.execute("SELECT at FROM queries WHERE id >= ? ORDER BY id LIMIT 1", [bottom]).fetchone()
        self._pace.took(top - bottom, time.monotonic() - began)
        self._most -= len(rows)
        self._tell([(*row[1:], None) for row in rows], SearchPlace(day, bottom), at)
        return int(bottom)

    def _spans_beside(self, connection: sqlite3.Connection) -> Collection[int]:
        """The spans of which no row is in the time window."""
        start, end = self._wanted.start, self._wanted.end
        if start is None and end is None:
            return ()
        query = "SELECT block FROM spans WHERE newest < ? OR oldest >= ?"
        values = (-math.inf if start is None else start, math.inf if end is None else end)
        try:
            return {span for (span,) in connection.execute(query, values)}
        except sqlite3.OperationalError as error:
            if passes(error):
                raise
            return ()  # a version that kept no spans wrote this day


class Pace:
    """How many ids are looked through before the time is looked at."""

    def __init__(self) -> None:
        self._ids = float(_SPAN)
        self._per_second = _SPAN / _AT_A_TIME_SECONDS

    def ids(self, seconds: float) -> int:
        """As many as fit, but some in any case."""
        return max(_FEWEST_IDS, int(min(self._ids, self._per_second * seconds)))

    def took(self, ids: int, seconds: float) -> None:
        """Note how long so many took."""
        self._per_second = ids / max(seconds, 1e-6)
        self._ids = min(self._ids * 4, self._per_second * _AT_A_TIME_SECONDS)


def _lacks_remark(connection: sqlite3.Connection) -> bool:
    """Whether a version that knew of no remarks made the file. Raises sqlite3.Error."""
    return all(row[1] != files.COLUMNS[-1] for row in connection.execute("PRAGMA table_info(queries)"))


def _runs(low: int, below: int, without: Collection[int]) -> Iterator[tuple[int, int]]:
    """The ids from `low` to before `below`, the highest first, in ranges [bottom, top) without some spans."""
    top = bottom = below
    while bottom > low:
        span = (bottom - 1) >> SPAN_BITS
        begin = max(low, span * _SPAN)
        if span in without:
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
