"""CPU time of a whole process tree, in nanoseconds, as the scheduler counts it (/proc/PID/task/TID/schedstat)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class CpuTime:
    """CPU time of one thread, or of many together."""

    ran_nanoseconds: int = 0
    waited_nanoseconds: int = 0  # ready to run, while others had the cores

    def __add__(self, other: CpuTime) -> CpuTime:
        return CpuTime(self.ran_nanoseconds + other.ran_nanoseconds, self.waited_nanoseconds + other.waited_nanoseconds)

    def __sub__(self, other: CpuTime) -> CpuTime:
        return CpuTime(self.ran_nanoseconds - other.ran_nanoseconds, self.waited_nanoseconds - other.waited_nanoseconds)


@dataclass(frozen=True, slots=True)
class CpuReading:
    """CPU time of each thread of a process tree at one moment, since it began."""

    threads: Mapping[tuple[int, int], CpuTime]  # by (pid, tid)

    def since(self, earlier: CpuReading) -> CpuTime:
        """All that was used between two readings, by threads that began in between included.

        Raises BenchError when a process of the earlier reading is gone: its time would be missing.
        """
        gone = {pid for pid, _ in earlier.threads} - {pid for pid, _ in self.threads}
        if gone:
            raise BenchError(f"ended while it was measured: process {', '.join(map(str, sorted(gone)))}")
        return sum((used - earlier.threads.get(thread, CpuTime()) for thread, used in self.threads.items()), CpuTime())


def read_tree(root_pid: int) -> CpuReading:
    """A reading of a process and all its descendants. Raises BenchError when the process is gone.

    A thread that runs at this moment may be up to a scheduler tick behind: read when the load is over.
    """
    try:
        root = psutil.Process(root_pid)
        pids = [root_pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.NoSuchProcess:
        raise BenchError(f"process {root_pid} is gone") from None
    threads = {}
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ends at this moment; `since` sees it
            for task in Path(f"/proc/{pid}/task").iterdir():
                threads[pid, int(task.name)] = parse_schedstat((task / "schedstat").read_text())
    return CpuReading(threads)


def parse_schedstat(text: str) -> CpuTime:
    """The first two of three numbers: nanoseconds on a CPU, and waiting for one (Linux, sched-stats.rst)."""
    ran, waited, _ = text.split()
    return CpuTime(int(ran), int(waited))
