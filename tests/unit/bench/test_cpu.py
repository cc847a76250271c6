"""CPU time between two readings of a process tree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.cpu import CpuReading, CpuTime, parse_schedstat, read_tree
from bench.errors import BenchError


def test_schedstat_tells_time_on_a_core_and_time_waiting_for_one() -> None:
    assert parse_schedstat("1234567 89 10\n") == CpuTime(ran_nanoseconds=1_234_567, waited_nanoseconds=89)


def test_threads_of_all_processes_are_added_up_and_new_ones_count_from_their_beginning() -> None:
    before = CpuReading({(1, 1): CpuTime(100, 10), (2, 2): CpuTime(50, 5)})
    after = CpuReading({(1, 1): CpuTime(150, 11), (2, 2): CpuTime(80, 7), (2, 3): CpuTime(7, 1)})
    assert after.since(before) == CpuTime(50 + 30 + 7, 1 + 2 + 1)


def test_a_process_that_ended_spoils_the_measurement() -> None:
    before = CpuReading({(1, 1): CpuTime(1), (2, 2): CpuTime(1)})
    with pytest.raises(BenchError, match="process 2"):
        CpuReading({(1, 1): CpuTime(2)}).since(before)


def test_a_running_process_can_be_read() -> None:
    # One of our own: what other tests have started below this process may end at any moment.
    program = "import sys\nfor line in sys.stdin: print(sum(range(1_000_000)), flush=True)"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin
        assert child.stdout
        readings = []
        for _ in range(2):
            child.stdin.write(b"work\n")
            child.stdin.flush()
            child.stdout.readline()
            readings.append(read_tree(child.pid))
        before, after = readings
        assert (child.pid, child.pid) in before.threads
        assert after.since(before).ran_nanoseconds > 0
        child.stdin.close()
