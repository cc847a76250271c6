"""Writes the query log: events of the workers, through a bounded queue, to one thread that commits batches."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import json
import operator
import queue
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from admin_api.query_log import files
from resolver.config.settings import ControlSettings
from resolver.telemetry.log import Log
from resolver.telemetry.query_events import UNLISTED_HEAD

COMMIT_SECONDS = 0.5
_MOST_DATAGRAMS = 2_000  # that wait for the thread, each of up to 60,000 octets
_DRAINED_AT_ONCE = 32
_DATAGRAM_BYTES = 65_536
_TIDY_SECONDS = 60.0

Row = list[Any]
_AT: Callable[[Row], float] = operator.itemgetter(0)


class QueryLogWriter:
    """One writer. `dropped` counts datagrams that found the queue full, and rows that could not be written."""

    def __init__(
        self,
        events: socket.socket,
        settings: ControlSettings,
        log: Log,
        beside: Callable[[bytes], None] | None = None,
    ) -> None:
        """`beside` takes the datagrams that hold unlisted names instead of queries."""
        self.dropped = 0
        self._events = events
        self._beside = beside
        self._folder = Path(settings.state_dir) / files.FOLDER
        self._settings = settings
        self._log = log
        self._queue: queue.Queue[bytes] = queue.Queue(_MOST_DATAGRAMS)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, name="query log")
        self._connections: dict[str, sqlite3.Connection] = {}
        self._held: list[Row] = []  # in order of time; they are written with the next that come
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
                self.dropped += datagram.count(b"\n")
        return True

    def _write(self) -> None:
        """The thread: commit what came, and tidy up, until told to stop."""
        tidied = 0.0
        while True:
            is_last = self._stop.is_set()
            self._commit(self._in_turn(self._gathered(wait=not is_last), is_last=is_last and self._queue.empty()))
            if time.monotonic() - tidied > _TIDY_SECONDS:
                tidied = time.monotonic()
                with contextlib.suppress(OSError, sqlite3.Error):
                    self._tidy()
            if is_last and self._queue.empty():
                break
        for connection in self._connections.values():
            connection.close()

    def _gathered(self, *, wait: bool) -> list[Row]:
        """Events that come within a moment, parsed."""
        rows: list[Row] = []
        deadline = time.monotonic() + COMMIT_SECONDS
        while len(rows) < 50_000:
            left = deadline - time.monotonic()
            if wait and left <= 0:
                break
            try:
                datagram = self._queue.get(timeout=left) if wait else self._queue.get_nowait()
            except queue.Empty:
                break
            try:
                rows += json.loads(b"[" + b",".join(datagram.splitlines()) + b"]")
            except ValueError:
                self.dropped += 1
            if self._stop.is_set():
                wait = False
        return rows

    def _in_turn(self, rows: list[Row], *, is_last: bool) -> list[Row]:
        """Rows that may be written now, in order of time: each waits a moment for older ones, of other workers."""
        held, self._held = self._held, []
        rows.sort(key=_AT)
        if is_last or not held:
            split = len(rows) if is_last else 0
        else:
            split = bisect.bisect_right(rows, held[-1][0], key=_AT)
        self._held = rows[split:]
        return sorted(held + rows[:split], key=_AT)

    def _commit(self, rows: list[Row]) -> None:
        by_day: dict[str, list[Row]] = {}
        for row in rows:
            row[1] = row[1] or None
            if len(row) == len(files.COLUMNS):
                row.append(row.pop(-2))  # the remark, which events have before the duration
            by_day.setdefault(files.day_of(row[0]), []).append(row)
        for day, some in by_day.items():
            try:
                files.add(self._connection(day), some)
            except (sqlite3.Error, OSError) as error:
                self.dropped += len(some)
                self._trouble(day, error)

    def _connection(self, day: str) -> sqlite3.Connection:
        connection = self._connections.get(day)
        if connection is None:
            for other in [each for each in self._connections if each != day][:-1]:
                self._close(other)
            connection = self._connections[day] = files.open_to_write(self._folder, day)
        return connection

    def _close(self, day: str) -> None:
        if (connection := self._connections.pop(day, None)) is not None:
            connection.close()

    def _trouble(self, day: str, error: Exception) -> None:
        """Tell it, once a minute; what is no database is set aside, and a new file begun."""
        if any(said in str(error) for said in ("malformed", "not a database")):
            self._close(day)
            path = files.path_of(self._folder, day)
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(".damaged"))
        if time.monotonic() - self._told_at > _TIDY_SECONDS:
            self._told_at = time.monotonic()
            self._log.error("the query log cannot be written; rows are dropped", day=day, why=str(error))

    def _tidy(self) -> None:
        """Remove days that are too old, and the oldest while there is too much."""
        oldest = files.day_of(time.time() - (self._settings.retention_days - 1) * 86400)
        days = files.days(self._folder)
        most = self._settings.max_mib << 20
        total = 0
        for day in days:
            total += files.size(self._folder, day)
            if day < oldest or (total > most and day != days[0]):
                self._close(day)
                files.remove(self._folder, day)
        if days and files.size(self._folder, days[0]) > most:
            self._shorten(days[0])

    def _shorten(self, day: str) -> None:
        """Today alone is too much: remove its older half."""
        connection = self._connection(day)
        first, last = files.ids(connection)
        if last:
            middle = (first + last) // 2
            connection.execute("DELETE FROM queries WHERE id <= ?", (middle,))
            connection.execute("DELETE FROM spans WHERE block < ?", (middle >> files.BLOCK_BITS,))
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # else what VACUUM wrote counts twice, in two files
