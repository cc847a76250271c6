"""Search of a day's blocks, newest first: those that overlap in time are read side by side."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from admin_api.query_log import files
from admin_api.query_log.cursors import MOST_ID, SearchPlace
from admin_api.query_log.log_filter import BlockMatcher, LogFilter
from admin_api.query_log.search_time import SearchTime
from resolver.telemetry.query_block_lines import BlockError, client_of, facts_of, name_of, pointed_at
from resolver.telemetry.query_block_reading import QueryBlock
from resolver.telemetry.query_blocks import FACTS

Row = tuple[Any, ...]

_REMARK: Final = FACTS.index("remark")
_IN_REACH = "newest >= ? AND oldest < ? AND oldest <= ? AND id >= ? AND id <= ?"
# By an index, so that what is passed over costs next to nothing; or by id, what was written last, which is little.
_BY_TIME = f"""SELECT id, newest, packed FROM blocks INDEXED BY blocks_by_time
  WHERE {_IN_REACH} ORDER BY newest DESC"""  # noqa: S608 (texts of ours)
_WRITTEN_LAST = f"SELECT id, newest FROM blocks WHERE {_IN_REACH} ORDER BY +newest DESC"  # noqa: S608 (texts of ours)


class FoundRow(NamedTuple):
    """Row that was found, and is given when no block that is unread may have a newer one."""

    at: int
    id: int
    row: Row


class BlockSearch:
    """Search for at most so many rows; `rows` are those found so far, the newest first, `place` is where to go on."""

    def __init__(
        self,
        wanted: LogFilter,
        matcher: BlockMatcher,
        most: int,
        time: SearchTime,
        pass_over: Callable[[int], None],
        tell: Callable[[list[Row], SearchPlace, float], None],
    ) -> None:
        """`pass_over` is told of blocks that cannot be read; `tell` takes more rows, the place behind, and its time."""
        self._wanted = wanted
        self._matcher = matcher
        self._most = most
        self._time = time
        self._pass_over = pass_over
        self._tell = tell
        self._found: list[FoundRow] = []  # ascending
        self._at = 0

    def look(self, connection: sqlite3.Connection, place: SearchPlace, mark: int) -> bool:
        """Look through blocks from a place on, for what is newer than a mark.

        False when there is enough, or the time was over before the end. Raises sqlite3.Error.
        """
        end = self._wanted.end_milliseconds
        self._start, self._end = self._wanted.start_milliseconds, MOST_ID if end is None else end
        self._place, self._mark = place, mark
        self._at = MOST_ID if place.at is None else place.at
        first = max(mark >> files.PLACE_BITS, files.FIRST_BLOCK)
        reach = (self._start, self._end, self._at, first, place.last >> files.PLACE_BITS)
        has_read = False
        for number, newest, packed in _blocks(connection, reach) if mark else connection.execute(_BY_TIME, reach):
            if self._time.is_stopped:
                return False
            # Only when we have come further does it end: else the next page would begin where this one did.
            if newest < self._at and (self._given_above(newest) or (has_read and self._time.is_over)):
                return False
            has_read = True
            try:
                self._read(number, packed)
            except BlockError:
                self._pass_over(number)
        return not self._given_above(-1)

    def _given_above(self, moment: int) -> bool:
        """Give what is newer than a Unix millisecond; whether that is enough."""
        found = self._found
        rows: list[Row] = []
        last = None
        while found and found[-1].at > moment and len(rows) < self._most:
            last = found.pop()
            rows.append(last.row)
        self._most -= len(rows)
        if last is not None and not self._most:
            self._tell(rows, self._place._replace(at=last.at, below=last.id), last.at / 1000)
        elif moment >= 0:
            self._tell(rows, self._place._replace(at=moment, below=MOST_ID), moment / 1000)
        else:
            self._tell(rows, SearchPlace(self._place.day, files.FIRST_IN_BLOCKS), 0.0)
        return not self._most

    def _read(self, number: int, packed: bytes) -> None:
        block = QueryBlock(packed)
        places = self._matcher.matching(block)
        if not places:
            return
        base = number << files.PLACE_BITS
        here = [(at, base | place) for at, place in zip(block.moments_at(places), places, strict=True)]
        bound = (self._at, self._place.below)
        if self._needs_look(block, base, bound):
            here = [
                one
                for one in here
                if one < bound and self._start <= one[0] < self._end and self._mark < one[1] <= self._place.last
            ]
        here.sort()
        del here[: max(0, len(here) - self._most)]
        self._found += rows_of(block, here, base)
        self._found.sort()
        del self._found[: max(0, len(self._found) - self._most)]

    def _needs_look(self, block: QueryBlock, base: int, bound: tuple[int, int]) -> bool:
        head = block.head
        return not (
            (head.newest, base | files.MOST_PLACE) < bound
            and self._start <= head.oldest
            and head.newest < self._end
            and self._mark < base
            and base | files.MOST_PLACE <= self._place.last
        )


def _blocks(connection: sqlite3.Connection, reach: tuple[int, ...]) -> Iterator[tuple[int, int, bytes]]:
    """Give id, newest and octets of blocks that were written last: sorted without the octets, should they be many."""
    for number, newest in connection.execute(_WRITTEN_LAST, reach):
        found = connection.execute("SELECT packed FROM blocks WHERE id = ?", (number,)).fetchone()
        if found is not None:  # else it was removed meanwhile
            yield number, newest, found[0]


def rows_of(block: QueryBlock, wanted: Sequence[tuple[int, int]], base: int) -> list[FoundRow]:
    """Give rows of a block by time and id, each as files.FOUND says. Raises BlockError."""
    columns = block.numbers()
    places = [number - base for _, number in wanted]
    of_names = [columns.names[place] for place in places]
    clients = _lines_at(block.clients_text, [columns.clients[place] for place in places])
    names = _lines_at(block.names_text, of_names)
    facts = _lines_at(block.facts_text, [pointed_at(columns.facts, name) for name in of_names])
    read: dict[int, Sequence[str | None]] = {}
    found = []
    for (at, number), place, name, duration in zip(wanted, places, of_names, block.durations_at(places), strict=True):
        of_facts = columns.facts[name]
        known = read.get(of_facts)
        if known is None:
            known = read[of_facts] = facts_of(facts[of_facts])
        group, qtype, *rest = known[:_REMARK]
        remark = known[_REMARK] if len(known) > _REMARK else None
        client = client_of(clients[columns.clients[place]])
        of_query = (name_of(names[name]), qtype, *rest, float(f"{duration:.3g}"), remark)
        row = (at / 1000, client.address or None, group, *of_query, client.identity)
        found.append(FoundRow(at, number, row))
    return found


def _lines_at(text: bytes, numbers: Sequence[int]) -> list[bytes]:
    """Give the lines of a text down to the last that is wanted. Raises BlockError."""
    last = max(numbers, default=0)
    lines = text.split(b"\n", last + 1)
    pointed_at(lines, last)
    return lines
