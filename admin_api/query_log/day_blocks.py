"""Blocks of one day, as they are written: whole ones as they came, the rows of small ones in a tail that grows."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from admin_api.query_log import files
from resolver.telemetry.query_block_lines import BlockClient, BlockError
from resolver.telemetry.query_block_reading import BlockHeader, read_header
from resolver.telemetry.query_block_rewriting import PackableRows, without
from resolver.telemetry.query_blocks import pack

FULL_ROWS: Final = 500
"""Rows at which a tail is full, and a new one begun."""

_PUT = "INSERT OR REPLACE INTO blocks (id, oldest, newest, count, packed) VALUES (?, ?, ?, ?, ?)"

StoredBlock = tuple[BlockHeader, bytes]


class DayBlocks:
    """A day's file, open to be written to.

    Rows of small blocks go into the last block of the file, the tail, which is written anew until it is full. Behind a
    whole block a new tail is begun: so that what is written later has the higher ids.
    """

    def __init__(self, folder: Path, day: str) -> None:
        """Raises sqlite3.Error, OSError."""
        self._connection = files.open_to_write(folder, day)
        try:
            last = files.last_id(self._connection)
        except sqlite3.Error:
            self._connection.close()
            raise
        self._next = max(files.FIRST_BLOCK, (last >> files.PLACE_BITS) + 1)  # id of the tail, or of the next block
        self._tail = PackableRows([], [], [], [])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add(self, whole: Sequence[StoredBlock], small: PackableRows) -> None:
        """Write whole blocks, and rows of others, in one transaction. Raises sqlite3.Error; then none is written."""
        at, tail = self._next, self._tail
        found: list[tuple[int, BlockHeader, bytes]] = []
        if small.moments:
            tail = joined(tail, _in_order(small))
            while len(tail.moments) >= FULL_ROWS:
                found.append(_numbered(at, pack(*part(tail, 0, FULL_ROWS))))
                tail = part(tail, FULL_ROWS, len(tail.moments))
                at += 1
            if tail.moments:
                found.append(_numbered(at, pack(*tail)))
        if whole:
            at += bool(tail.moments)
            found += [(number, *block) for number, block in enumerate(whole, at)]
            at, tail = at + len(whole), PackableRows([], [], [], [])
        self._put(found)
        self._next, self._tail = at, tail

    def _put(self, found: Iterable[tuple[int, BlockHeader, bytes]]) -> None:
        with self._transaction() as connection:
            connection.executemany(
                _PUT, [(number, head.oldest, head.newest, head.rows, packed) for number, head, packed in found]
            )

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All of a block or nothing, whatever fails in it."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def shorten(self) -> None:
        """Remove the older half, and give back its room. Raises sqlite3.Error."""
        with self._transaction() as connection:
            files.note_last(connection)
            is_of_rows = "queries" in files.tables(connection)
            if is_of_rows and connection.execute("SELECT 1 FROM queries LIMIT 1").fetchone():
                # A version without blocks has begun this day: its rows are older, and take far more room.
                connection.execute("DELETE FROM queries WHERE id <= (SELECT (min(id) + max(id)) / 2 FROM queries)")
                connection.execute("DROP TABLE IF EXISTS spans")  # of blocks of which some are gone
            else:
                connection.execute("DELETE FROM blocks WHERE id <= (SELECT (min(id) + max(id)) / 2 FROM blocks)")
        if not connection.execute("SELECT 1 FROM blocks WHERE id = ?", (self._next,)).fetchone():
            self._begin_tail()
        connection.execute("VACUUM")
        # Else what VACUUM wrote counts twice, in two files; where a reader is in the way, tidying up does it later.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def take_out(self, is_theirs: Callable[[BlockClient], bool]) -> int:
        """Remove the queries of some clients from all blocks and rows, and overwrite where they were; gives how many.

        Blocks are written anew; one that cannot be read is removed, since it may hold theirs. Ids of what stood behind
        in a block are lower then: a page that goes on in it may have a query of the same millisecond twice, or miss it.
        Their octets are in the write-ahead log until `files.fold` has emptied it. Raises sqlite3.Error, and what
        `is_theirs` raises; then nothing was removed.
        """
        gone = 0
        with self._transaction() as connection:
            files.note_last(connection)
            numbers = [number for (number,) in connection.execute("SELECT id FROM blocks")]
            for number in numbers:
                count, packed = connection.execute(
                    "SELECT count, packed FROM blocks WHERE id = ?", (number,)
                ).fetchone()
                try:
                    left = without(packed, is_theirs)
                except BlockError:
                    left = None
                if left is None:
                    connection.execute("DELETE FROM blocks WHERE id = ?", (number,))
                    gone += count
                elif left is not packed:
                    numbered = _numbered(number, left)
                    connection.execute(_PUT, (number, *_times(numbered[1]), left))
                    gone += count - numbered[1].rows
            gone += self._take_rows_out(is_theirs)
        self._begin_tail()
        return gone

    def _take_rows_out(self, is_theirs: Callable[[BlockClient], bool]) -> int:
        connection = self._connection
        if "queries" not in files.tables(connection):
            return 0
        clients = [client for (client,) in connection.execute("SELECT DISTINCT client FROM queries")]
        theirs = [(client,) for client in clients if is_theirs(BlockClient(client or ""))]
        return connection.executemany("DELETE FROM queries WHERE client IS ?", theirs).rowcount if theirs else 0

    def _begin_tail(self) -> None:
        """Have what comes next go into a new block, behind all."""
        self._next += bool(self._tail.moments)
        self._tail = PackableRows([], [], [], [])


def joined(one: PackableRows, other: PackableRows) -> PackableRows:
    """All rows of two."""
    both = part(one, 0, len(one.moments))
    extend(both, other)
    return both


def extend(rows: PackableRows, more: PackableRows) -> None:
    """Put more behind rows."""
    rows.moments.extend(more.moments)
    rows.clients.extend(more.clients)
    rows.facts.extend(more.facts)
    rows.durations.extend(more.durations)


def part(rows: PackableRows, begin: int, end: int) -> PackableRows:
    """Some of the rows."""
    return PackableRows(
        rows.moments[begin:end], rows.clients[begin:end], rows.facts[begin:end], rows.durations[begin:end]
    )


def picked(rows: PackableRows, places: Iterable[int]) -> PackableRows:
    """The rows at some places, in that order."""
    found = PackableRows([], [], [], [])
    for place in places:
        found.moments.append(rows.moments[place])
        found.clients.append(rows.clients[place])
        found.facts.append(rows.facts[place])
        found.durations.append(rows.durations[place])
    return found


def _in_order(rows: PackableRows) -> PackableRows:
    return picked(rows, sorted(range(len(rows.moments)), key=rows.moments.__getitem__))


def _numbered(number: int, packed: bytes) -> tuple[int, BlockHeader, bytes]:
    return number, read_header(packed), packed


def _times(head: BlockHeader) -> tuple[int, int, int]:
    return head.oldest, head.newest, head.rows
