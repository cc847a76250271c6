"""A worker's upkeep beside queries: events sent, counts brought to their file, clock and clients watched."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING

from resolver.answering.garbage import Garbage, most_new
from resolver.config.settings import WorkerSettings
from resolver.snapshot.clocks import ClockWatch, now
from resolver.system.channel import MessageChannel
from resolver.system.discards import DISCARDS
from resolver.telemetry.counter_file import CounterFile, MemoryCells
from resolver.telemetry.query_events import FLUSH_SECONDS
from resolver.worker.messages import ClockSet, CountsHaveNoFile
from resolver.worker.parts import AnsweringParts

if TYPE_CHECKING:
    from resolver.listeners.encrypted import EncryptedListeners

_SYNC_SECONDS = 1.0
_TIDY_EVERY = 60  # times of these
_FILE_AGAIN_EVERY = 5  # likewise: while the disk takes no counter file
_DISCARDS_A_TURN = 40  # slices, so long apart
_BETWEEN_DISCARDS_SECONDS = 0.005
_FULL_SHARE = 0.75  # of a counter file; then names and clients of weeks ago make room


class Upkeep:
    """Recurring work of one worker."""

    def __init__(self, settings: WorkerSettings, channel: MessageChannel) -> None:
        self._settings = settings.telemetry
        self._most_new = most_new(settings.limits.answer_table_entries, settings.cache.max_bytes)
        self._channel = channel
        self._watch = ClockWatch()

    async def new_cells(self) -> MemoryCells:
        """Return where to count. A disk that takes no file does not keep anybody from being served."""
        if self._settings.statistics:
            try:
                return await self._new_file()
            except OSError as error:
                self._channel.tell(CountsHaveNoFile(error.strerror or str(error)))
        return MemoryCells()

    async def _new_file(self) -> CounterFile:
        return await asyncio.to_thread(CounterFile.create, Path(self._settings.counters_folder))

    async def begin_counters(self, parts: AnsweringParts) -> None:
        """Count in a new file, and send the query events that wait. Raises OSError where the disk takes no file.

        What was counted in memory meanwhile goes into a file of its own first.
        """
        parts.events.flush()
        counters = parts.counters
        if self._settings.statistics and not counters.has_file:
            counters.settle(await self._new_file())
            if not counters.has_file:
                raise OSError(errno.ENOSPC, "the disk has no room for counts")
        cells = await self._new_file() if self._settings.statistics else MemoryCells()
        parts.sync_counts()
        self._move(parts, cells)

    def _move(self, parts: AnsweringParts, cells: MemoryCells) -> None:
        parts.counters.move(cells)
        parts.pipeline.use(parts.pipeline.snapshot)  # answers and clients know the old cells

    async def run(self, parts: AnsweringParts, encrypted: EncryptedListeners | None) -> None:
        """Send query events, bring counts that are kept elsewhere into cells, begin a new file when one fills up."""
        loop = asyncio.get_running_loop()
        synced = loop.time()
        garbage = Garbage(synced, time.process_time(), self._most_new)
        turns = itertools.count(1)
        counters = parts.counters
        while True:
            await _rest()
            parts.events.flush()
            self._look_at_clock(parts)
            if loop.time() - synced < _SYNC_SECONDS:
                continue
            synced = loop.time()
            garbage.look(synced, time.process_time())
            if parts.unlisted is not None:
                parts.unlisted.flush(synced)
            turn = next(turns)
            if turn % _TIDY_EVERY == 0:
                parts.pipeline.clients.tidy()
            if turn % _FILE_AGAIN_EVERY == 0 and self._settings.statistics and not counters.has_file:
                with contextlib.suppress(OSError):
                    counters.settle(await self._new_file())
            if encrypted is not None:
                await encrypted.look_at_clients()
            parts.sync_counts()
            if counters.store.used_share > _FULL_SHARE:
                self._move(parts, await self.new_cells())

    def _look_at_clock(self, parts: AnsweringParts) -> None:
        by = self._watch.look()
        if by:
            parts.pipeline.clients.clock_was_set()
            moment = now()
            self._channel.tell(ClockSet(by, moment.wall, moment.boot))


async def _rest() -> None:
    """Wait for the next turn; meanwhile free what was given up, bit by bit."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + FLUSH_SECONDS
    for _ in range(_DISCARDS_A_TURN):
        if not DISCARDS.work():
            break
        await asyncio.sleep(_BETWEEN_DISCARDS_SECONDS)
    await asyncio.sleep(max(ends_at - loop.time(), 0))
