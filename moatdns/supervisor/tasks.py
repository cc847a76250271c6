"""Tasks with an owner: kept, named, and their crashes logged."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from resolver.telemetry.log import Log

_LAST_WORDS_SECONDS = 0.5  # for what ends by itself


class Tasks:
    """The tasks of one owner."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        """Run a task; a crash in it is logged."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("a task of the supervisor failed", task=task.get_name(), error=repr(error))

    def cancel(self) -> None:
        """Cancel all of them."""
        for task in tuple(self._tasks):
            task.cancel()

    async def end(self) -> None:
        """Give them a moment to end by themselves, then cancel what is left."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_LAST_WORDS_SECONDS)
        self.cancel()
