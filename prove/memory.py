"""Memory of a whole tree of processes, also while something goes on."""

from __future__ import annotations

import threading
from types import TracebackType

import psutil


def tree_mib(pid: int) -> float:
    """Memory of a process and its descendants, shared pages counted once (PSS)."""
    total = 0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:
            continue  # it has just ended
    return total / 2**20


class Peak:
    """Looks at the memory of a process tree again and again; `mib` is the most that was seen."""

    _PAUSE_SECONDS = 0.25

    def __init__(self, pid: int) -> None:
        self.mib = 0.0
        self._pid = pid
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory watch")

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._PAUSE_SECONDS):
            self.mib = max(self.mib, tree_mib(self._pid))
