"""CPU time of a whole process tree, in nanoseconds, as the scheduler counts it (/proc/PID/task/TID/schedstat)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class CpuReading:
    """What each thread of a tree had used at one moment."""

    nanoseconds: Mapping[tuple[int, int], int]  # (pid, tid) → time on a CPU since the thread began

    def since(self, earlier: CpuReading) -> int:
        """Nanoseconds between two readings, threads that began in between included.

        Raises BenchError when a process of the earlier reading is gone: its time would be missing.
        """
        gone = {pid for pid, _ in earlier.nanoseconds} - {pid for pid, _ in self.nanoseconds}
        if gone:
            raise BenchError(f"ended while it was measured: process {', '.join(map(str, sorted(gone)))}")
        return sum(used - earlier.nanoseconds.get(thread, 0) for thread, used in self.nanoseconds.items())


def read_tree(root_pid: int) -> CpuReading:
    """A reading of a process and all its descendants. Raises BenchError when the process is gone.

    A thread that runs at this moment may be up to a scheduler tick behind: read when the load is over.
    """
    try:
        root = psutil.Process(root_pid)
        pids = [root_pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.NoSuchProcess:
        raise BenchError(f"process {root_pid} is gone") from None
    nanoseconds = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends at this moment; `since` sees it
            for task in Path(f"/proc/{pid}/task").iterdir():
                nanoseconds[pid, int(task.name)] = parse_schedstat((task / "schedstat").read_text())
    return CpuReading(nanoseconds)


def parse_schedstat(text: str) -> int:
    """The first of the three numbers: nanoseconds on a CPU (Linux, Documentation/scheduler/sched-stats.rst)."""
    return int(text.split()[0])
