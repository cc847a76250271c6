"""Erasing of clients from the query log: a day a turn, between the writer's commits, until their octets are gone."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from admin_api.query_log import files, set_aside
from admin_api.query_log.day_blocks import DayBlocks
from resolver.telemetry.log import Log
from resolver.telemetry.query_block_lines import BlockClient

PATIENCE_SECONDS: Final = 30.0
"""How long readers are waited for, whose snapshots keep what was erased in a write-ahead log."""

IsTheirs = Callable[[BlockClient], bool]


class ErasureUnfinished(Exception):
    """The rows are gone, but their octets are still in the write-ahead log of some days, which a reader keeps.

    They go with the next turn of tidying up behind that reader. `gone` queries were removed.
    """

    def __init__(self, message: str, gone: int) -> None:
        super().__init__(message)
        self.gone = gone


class QueryLogEnded(Exception):
    """The query log is not written any more."""


@dataclass(slots=True)
class _Erasure:
    """A request: the days that are still to be written anew, and those whose write-ahead log is to be emptied."""

    is_theirs: IsTheirs
    asked: Future[int] = field(default_factory=Future)
    days: deque[str] | None = None  # None before its first turn
    unfolded: list[str] = field(default_factory=list)
    gone: int = 0
    trouble: Exception | None = None
    patient_until: float = 0.0


class Erasures:
    """Requests to erase clients, which any thread makes, and the writer's works on."""

    def __init__(
        self,
        folder: Path,
        log: Log,
        open_day: Callable[[str], DayBlocks],
        close_day: Callable[[str], None],
        patience_seconds: float,
    ) -> None:
        """`open_day` and `close_day` are called by the thread that works."""
        self._folder = folder
        self._log = log
        self._open_day = open_day
        self._close_day = close_day
        self._patience_seconds = patience_seconds
        self._waiting: deque[_Erasure] = deque()
        self._lock = threading.Lock()
        self._has_ended = False

    @property
    def has_days_left(self) -> bool:
        """Whether there is more to do at once than to look whether readers have gone."""
        waiting = self._waiting
        return bool(waiting) and (waiting[0].days is None or bool(waiting[0].days))

    def ask(self, is_theirs: IsTheirs) -> Future[int]:
        """Take a request; its result is how many queries were removed. Raises QueryLogEnded."""
        erasure = _Erasure(is_theirs)
        with self._lock:
            if self._has_ended:
                raise QueryLogEnded("the query log is not written any more")
            self._waiting.append(erasure)
        return erasure.asked

    def work(self) -> None:
        """Do a piece of the oldest request: one day, or a look whether readers have gone."""
        if not self._waiting:
            return
        erasure = self._waiting[0]
        if erasure.days is None:
            if not erasure.asked.set_running_or_notify_cancel():
                self._waiting.popleft()
                return
            self._begin(erasure)
        if erasure.days:
            self._erase(erasure, erasure.days.popleft())
        if not erasure.days and (self._fold(erasure) or time.monotonic() >= erasure.patient_until):
            self._remove_aside(erasure)  # what was set aside meanwhile, too
            self._waiting.popleft()
            self._answer(erasure)

    def end(self, *, is_orderly: bool) -> None:
        """Take no more; finish the requests that there are, without waiting for readers, or refuse them."""
        with self._lock:
            self._has_ended = True
        if is_orderly:
            self._patience_seconds = 0.0
            for erasure in self._waiting:
                erasure.patient_until = 0.0
            while self._waiting:
                self.work()
        for erasure in self._waiting:
            with contextlib.suppress(Exception):  # it may have been cancelled, or be running
                erasure.asked.set_exception(QueryLogEnded("the query log is not written any more"))
        self._waiting.clear()

    def _begin(self, erasure: _Erasure) -> None:
        """Remove what was set aside: it cannot be read, and may hold theirs. Then begin with the days."""
        erasure.days = deque()
        try:
            erasure.days.extend(files.days(self._folder))
        except OSError as error:
            erasure.trouble = error
        self._remove_aside(erasure)

    def _remove_aside(self, erasure: _Erasure) -> None:
        try:
            days = set_aside.days_aside(self._folder)
        except OSError as error:
            erasure.trouble = erasure.trouble or error
            return
        for day in days:
            self._remove_damaged(erasure, day)

    def _erase(self, erasure: _Erasure, day: str) -> None:
        try:
            if files.path_of(self._folder, day).exists():  # else it was too old meanwhile
                erasure.gone += self._open_day(day).take_out(erasure.is_theirs)
                erasure.unfolded.append(day)
        except Exception as error:  # goes to who asked, behind the other days
            if not set_aside.is_damage(error):
                erasure.trouble = erasure.trouble or error
                return
            self._close_day(day)
            self._remove_damaged(erasure, day, is_in_place=True)
        erasure.patient_until = time.monotonic() + self._patience_seconds

    def _remove_damaged(self, erasure: _Erasure, day: str, *, is_in_place: bool = False) -> None:
        try:
            if is_in_place:
                files.remove(self._folder, day)
            else:
                set_aside.remove_aside(self._folder, day)
        except OSError as error:
            erasure.trouble = erasure.trouble or error
        else:
            self._log.warning("a damaged day of the query log is removed: it may hold who is taken out", day=day)

    def _fold(self, erasure: _Erasure) -> bool:
        """Empty write-ahead logs; whether that is done with all."""
        erasure.unfolded = [day for day in erasure.unfolded if not files.fold(self._folder, day)]
        return not erasure.unfolded

    def _answer(self, erasure: _Erasure) -> None:
        if erasure.trouble is not None:
            erasure.asked.set_exception(erasure.trouble)
        elif erasure.unfolded:
            days = ", ".join(erasure.unfolded)
            erasure.asked.set_exception(ErasureUnfinished(f"a reader holds what was erased of {days}", erasure.gone))
        else:
            erasure.asked.set_result(erasure.gone)
