"""Threads that run while a context lasts: what is measured or asked beside a run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self


class Background:
    """Threads from entering to leaving; a subclass ends its work when `_over` is set, or fails with `_failure`."""

    def __init__(self, name: str, *jobs: Callable[[], None]) -> None:
        self._over = threading.Event()
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=job, name=f"{name} {number}") for number, job in enumerate(jobs)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._ended()
        if self._failure is not None and kind is None:
            raise self._failure

    def _ended(self) -> None:
        """Clean up after the threads."""
