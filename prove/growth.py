"""How memory and file descriptors of processes go over a long time, sample by sample, and whether they grow."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psutil

from prove.background import Background

WARM_SHARE = 0.25  # of the run; what happens before is filling up


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory of a process at a monotonic second. `mib` counts its own pages, and its share of those it shares (PSS)."""

    at: float
    mib: float
    descriptors: int


class Watch(Background):
    """Looks at processes again and again while the context lasts; `samples` has what was seen, by their names.

    `also` is called each time, too, and what it gives is in `others`.
    """

    def __init__(self, pids: Mapping[str, int], every_seconds: float, also: Callable[[], float]) -> None:
        super().__init__("growth watch", self._run)
        self.samples: dict[str, list[Sample]] = {name: [] for name in pids}
        self.others: list[float] = []
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self._every_seconds = every_seconds
        self._also = also

    def _run(self) -> None:
        try:
            while not self._over.wait(self._every_seconds):
                for name, process in self._processes.items():
                    held = process.memory_full_info().pss / 2**20
                    self.samples[name].append(Sample(time.monotonic(), held, process.num_fds()))
                self.others.append(self._also())
        except (psutil.Error, AssertionError, OSError) as error:  # a process has ended, or the API is away
            self._failure = error


def warm(samples: Sequence[Sample]) -> Sequence[Sample]:
    """The samples after the warm-up. Raises ValueError where there are fewer than two."""
    began, ended = samples[0].at, samples[-1].at
    left = [sample for sample in samples if sample.at >= began + (ended - began) * WARM_SHARE]
    if len(left) < 2:
        raise ValueError("too few samples to tell of growth")
    return left


def grown_mib(samples: Sequence[Sample]) -> float:
    """By how much memory grows from the end of the warm-up to that of the run, along the line that fits best."""
    left = warm(samples)
    slope = statistics.linear_regression([sample.at for sample in left], [sample.mib for sample in left]).slope
    return slope * (left[-1].at - left[0].at)


def more_descriptors(samples: Sequence[Sample]) -> int:
    """How many more descriptors are open in the last quarter than in the one after the warm-up: of each the most."""
    left = warm(samples)
    third = max(len(left) // 3, 1)
    return max(s.descriptors for s in left[-third:]) - max(s.descriptors for s in left[:third])
