"""Writes the query log: blocks of the workers, through a bounded queue, to one thread that commits batches."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from admin_api.query_log import files, set_aside
from admin_api.query_log.day_blocks import DayBlocks, StoredBlock, extend, picked
from admin_api.query_log.erasing import PATIENCE_SECONDS, Erasures
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import Log
from resolver.telemetry.query_block_lines import BlockClient, BlockError
from resolver.telemetry.query_block_reading import QueryBlock, read_header
from resolver.telemetry.query_block_rewriting import PackableRows, packable
from resolver.telemetry.query_blocks import pack
from resolver.telemetry.query_events import UNLISTED_HEAD

COMMIT_SECONDS = 0.5
WHOLE_ROWS: Final = 128
"""Rows from which on a block is stored as it came: the fewer, the more of it is what all rows share."""

_MOST_DATAGRAMS = 2_000  # that wait for the thread, each of up to 60,000 octets
_MOST_ROWS = 50_000  # of a batch
_DRAINED_AT_ONCE = 32
_DATAGRAM_BYTES = 65_536
_TIDY_SECONDS = 60.0
_DAY_MILLISECONDS = 86_400_000


@dataclass(slots=True)
class _OfDay:
    """Blocks to be stored as they came, and rows of others."""

    whole: list[StoredBlock] = field(default_factory=list)
    small: PackableRows = field(default_factory=lambda: PackableRows([], [], [], []))

    @property
    def rows(self) -> int:
        return sum(head.rows for head, _ in self.whole) + len(self.small.moments)


class QueryLogWriter:
    """One writer. `dropped` counts queries that found the queue full, could not be read, or could not be written."""

    def __init__(
        self,
        events: socket.socket,
        settings: ControlSettings,
        log: Log,
        beside: Callable[[bytes], None] | None = None,
        *,
        erase_patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`beside` takes the datagrams that hold unlisted names instead of queries."""
        self.dropped = 0
        self._events = events
        self._beside = beside
        self._folder = Path(settings.state_dir) / files.FOLDER
        self._settings = settings
        self._log = log
        self._queue: queue.Queue[bytes] = queue.Queue(_MOST_DATAGRAMS)
        self._erasures = Erasures(self._folder, log, self._blocks_of, self._let_go, erase_patience_seconds)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="query log")
        self._days: dict[str, DayBlocks] = {}
        self._told_at = 0.0

    def start(self) -> None:
        """Begin to take events."""
        self._thread.start()
        asyncio.get_running_loop().add_reader(self._events.fileno(), self._readable)

    async def close(self) -> None:
        """Write down what has come, and end."""
        asyncio.get_running_loop().remove_reader(self._events.fileno())
        while self._readable():
            pass
        self._stop.set()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(b"")  # the thread may be waiting for something to come
        await asyncio.to_thread(self._thread.join)

    async def take_out(self, is_theirs: Callable[[BlockClient], bool]) -> int:
        """Remove the queries of some clients that are written by now from all days; gives how many.

        Damaged days are removed with them: they may hold theirs. `is_theirs` is called in the writer's thread. Raises
        sqlite3.Error, OSError: days may be left then; ErasureUnfinished, QueryLogEnded.
        """
        asked = self._erasures.ask(is_theirs)
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(b"")  # the thread may be waiting for something to come
        return await asyncio.wrap_future(asked)

    def _readable(self) -> bool:
        """Take what waits in the socket; True when there may be more."""
        for _ in range(_DRAINED_AT_ONCE):
            try:
                datagram = self._events.recv(_DATAGRAM_BYTES)
            except OSError:  # nothing waits (BlockingIOError), or the socket is closed
                return False
            if datagram.startswith(UNLISTED_HEAD):
                if self._beside is not None:
                    self._beside(datagram)
                continue
            try:
                self._queue.put_nowait(datagram)
            except queue.Full:
                self._drop(datagram)
        return True

    def _drop(self, datagram: bytes) -> None:
        try:
            self.dropped += read_header(datagram).rows
        except BlockError:
            self.dropped += 1

    def _write(self) -> None:
        """The thread: commit what came, erase, and tidy up, until told to stop."""
        is_orderly = False
        try:
            self._write_on()
            is_orderly = True
        finally:
            self._erasures.end(is_orderly=is_orderly)
            for blocks in self._days.values():
                blocks.close()

    def _write_on(self) -> None:
        tidied = 0.0
        while True:
            is_last = self._stop.is_set()
            for day, some in self._gathered(wait=not is_last and not self._erasures.has_days_left).items():
                self._commit(day, some)
            self._erasures.work()
            if time.monotonic() - tidied > _TIDY_SECONDS:
                tidied = time.monotonic()
                with contextlib.suppress(OSError, sqlite3.Error):
                    self._tidy()
            if is_last and self._queue.empty():
                break

    def _gathered(self, *, wait: bool) -> dict[str, _OfDay]:
        """Blocks that come within a moment, by day."""
        found: dict[str, _OfDay] = defaultdict(_OfDay)
        rows = 0
        deadline = time.monotonic() + COMMIT_SECONDS
        while rows < _MOST_ROWS:
            left = deadline - time.monotonic()
            if wait and left <= 0:
                break
            try:
                datagram = self._queue.get(timeout=left) if wait else self._queue.get_nowait()
            except queue.Empty:
                break
            if self._stop.is_set() or self._erasures.has_days_left:
                wait = False
            if not datagram:
                continue
            try:
                rows += _sort_in(datagram, found)
            except BlockError:
                self._drop(datagram)
        return found

    def _commit(self, day: str, some: _OfDay) -> None:
        try:
            self._blocks_of(day).add(some.whole, some.small)
        except (sqlite3.Error, OSError, BlockError) as error:
            self.dropped += some.rows
            self._trouble(day, error)

    def _blocks_of(self, day: str) -> DayBlocks:
        blocks = self._days.get(day)
        if blocks is None:
            for other in [each for each in self._days if each != day][:-1]:
                self._close(other)
            blocks = self._days[day] = DayBlocks(self._folder, day)
        return blocks

    def _close(self, day: str) -> None:
        if (blocks := self._days.pop(day, None)) is not None:
            blocks.close()

    def _let_go(self, day: str) -> None:
        """Close a day that is damaged: that it cannot be closed well is nothing new."""
        with contextlib.suppress(sqlite3.Error):
            self._close(day)

    def _trouble(self, day: str, error: Exception) -> None:
        """Tell it, once a minute; what is no database is set aside, and a new file begun."""
        if set_aside.is_damage(error):
            self._let_go(day)
            with contextlib.suppress(OSError):
                set_aside.set_aside(self._folder, day)
        if time.monotonic() - self._told_at > _TIDY_SECONDS:
            self._told_at = time.monotonic()
            self._log.error("the query log cannot be written; rows are dropped", day=day, why=str(error))

    def _tidy(self) -> None:
        """Remove days that are too old, and the oldest while there is too much; empty write-ahead logs.

        These may hold what was erased: of a process that was killed, or because a reader was in the way.
        """
        oldest = files.day_of(time.time() - (self._settings.retention.query_log_days - 1) * 86400)
        days = files.days(self._folder)
        most = self._settings.max_mib << 20
        total = 0
        for day in days:
            total += files.size(self._folder, day)
            if day < oldest or (total > most and day != days[0]):
                self._close(day)
                files.remove(self._folder, day)
            else:
                files.fold(self._folder, day)
        for day in set_aside.days_aside(self._folder):
            total += set_aside.size_aside(self._folder, day)
            if day < oldest or total > most:
                set_aside.remove_aside(self._folder, day)
        if days and files.size(self._folder, days[0]) > most:  # today alone is too much
            self._blocks_of(days[0]).shorten()


def _sort_in(datagram: bytes, found: dict[str, _OfDay]) -> int:
    """Put a block to those of its day; gives how many rows it has. Raises BlockError."""
    head = read_header(datagram)
    begins = head.oldest // _DAY_MILLISECONDS
    if head.rows >= WHOLE_ROWS and begins == head.newest // _DAY_MILLISECONDS:
        found[files.day_of(head.oldest / 1000)].whole.append((head, datagram))
        return head.rows
    block = QueryBlock(datagram)
    rows, about = packable(block), block.about()
    by_day: dict[int, list[int]] = defaultdict(list)
    for place, moment in enumerate(rows.moments):
        by_day[moment // _DAY_MILLISECONDS].append(place)
    for number, places in by_day.items():
        of_day = found[files.day_of(number * _DAY_MILLISECONDS / 1000)]
        some = rows if len(by_day) == 1 else picked(rows, places)
        if about:  # it would be lost among rows of others
            packed = pack(*some, about)
            of_day.whole.append((read_header(packed), packed))
        else:
            extend(of_day.small, some)
    return head.rows
