"""Memory of a whole tree of processes, also while something goes on."""

from __future__ import annotations

from bench.memory import tree_mib
from prove.background import Background


class Peak(Background):
    """Looks at the memory of a process tree again and again; `mib` is the most that was seen."""

    _PAUSE_SECONDS = 0.25

    def __init__(self, pid: int) -> None:
        super().__init__("memory watch", self._run)
        self.mib = 0.0
        self._pid = pid

    def _run(self) -> None:
        while not self._over.wait(self._PAUSE_SECONDS):
            self.mib = max(self.mib, tree_mib(self._pid))
