"""Counter files: what was counted is there, whoever dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resolver.telemetry.counter_file import CELLS, CounterFile, CounterFileError, read_counters, rewrite_keys
from resolver.telemetry.counters import Counters, without_person
from tests.support.programs import program


def test_what_is_counted_is_read_with_its_key(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path)
    for number, key in enumerate(('["a"]', '["é\\u0000"]', "x" * 60_000)):
        cell = file.intern(key)
        assert cell == number
        file.cells[cell] += number + 1
    reading = read_counters(file.path)
    assert reading.keys == ['["a"]', '["é\\u0000"]', "x" * 60_000]
    assert reading.values.tolist() == [1, 2, 3]
    assert reading.is_live
    file.close()
    assert not read_counters(file.path).is_live


def test_a_file_that_nobody_counts_in_gets_other_keys_for_the_same_cells(tmp_path: Path) -> None:
    counters = Counters(CounterFile.create(tmp_path), detailed=True)
    sort = counters.sort("blocked", "openai/chatgpt", "ex-1")
    for number, who in enumerate(("ana", "ben"), 1):
        person = counters.person(who)
        assert person is not None
        counters.cells[counters.person_cell(person, sort)] += number
    (path,) = tmp_path.iterdir()
    counters.store.close()
    before = read_counters(path)
    rewrite_keys(path, lambda key: without_person(key, lambda identity: identity == "ana"))
    after = read_counters(path)
    assert after.values == before.values
    assert [key for key in after.keys if key not in before.keys] == [
        '["identity",null,"blocked","openai/chatgpt","ex-1"]',
    ]
    assert b"ana" not in path.read_bytes()
    assert b"ben" in path.read_bytes()
    path.write_bytes(b"nonsense")
    with pytest.raises(CounterFileError):
        rewrite_keys(path, str)


def test_a_full_file_takes_no_more_keys_and_keeps_room_that_is_reserved(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path)
    while file.intern(f"{file.used}", reserve=CELLS // 2) is not None:
        pass
    assert file.used_share == pytest.approx(0.5, abs=0.01)
    while file.intern(f"{file.used}") is not None:
        pass
    assert len(read_counters(file.path).keys) == file.used == CELLS
    file.close()


def test_what_was_counted_without_a_file_goes_into_one_with_the_same_cells(tmp_path: Path) -> None:
    counters = Counters(detailed=True)
    for number in range(3):
        for _ in range(number + 1):
            counters.cells[
                counters.answer(0, ("default", None, "house", "A", "NOERROR", "udp", None, f"{number}"))
            ] += 1
    before = list(zip(counters.store.keys, counters.cells, strict=False))
    file = CounterFile.create(tmp_path)
    counters.settle(file)
    assert counters.has_file
    counters.cells[counters.answer(0, ("default", None, "house", "A", "NOERROR", "udp", None, "2"))] += 1
    reading = read_counters(file.path)
    after = list(zip(reading.keys, reading.values, strict=True))
    assert after[:-1] == before[:-1]
    assert after[-1] == (before[-1][0], before[-1][1] + 1)


_ON_A_SMALL_DISK = """
import subprocess, sys
from pathlib import Path
from resolver.telemetry.counter_file import CounterFile, MemoryCells, read_counters
folder = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
file = CounterFile.create(folder)
cell = file.intern("first")
with (folder / "filler").open("wb", buffering=0) as filler:
    try:
        while filler.write(bytes(4096)) == 4096:
            pass
    except OSError:
        pass
others = 0
while file.intern(f"{others:01000}", reserve=10) is not None:
    file.cells[others + 1] += 1
    others += 1
file.cells[cell] += 7
reading = read_counters(file.path)
print(others, len(reading.keys), reading.values[0], sum(reading.values[1:]))
(folder / "filler").unlink()
print(file.intern("later") == others + 1)
memory = MemoryCells()
while memory.intern(f"{len(memory.keys):01000}") is not None and len(memory.keys) < 2000:
    pass
file.close()
file.path.unlink()
large = CounterFile.create(folder)
print(large.take_over(memory), list(folder.iterdir()))
"""


def test_without_room_on_the_disk_nobody_is_killed_and_what_is_there_counts_on(tmp_path: Path) -> None:
    namespace = [program("unshare"), "--mount", "--map-root-user", "--"]
    ran = subprocess.run(
        [*namespace, sys.executable, "-c", _ON_A_SMALL_DISK, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    counted, later, taken = ran.stdout.splitlines()
    others, keys, first, sum_of_others = map(int, counted.split())
    assert 200 < others < 300  # of a kilobyte each, in the 256 KiB that were taken beforehand
    assert (keys, first, sum_of_others) == (others + 1, 7, others)
    assert later == "True"
    assert taken == "False []", "a file that cannot hold all is not left behind"


def test_a_killed_writer_has_lost_nothing_of_what_it_counted(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from resolver.telemetry.counter_file import CounterFile\n"
        "file = CounterFile.create(Path(sys.argv[1])); cell = file.intern('key')\n"
        "while True:\n    file.cells[cell] += 1; print(file.cells[cell], flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout
        told = [int(process.stdout.readline()) for _ in range(500)]
        os.kill(process.pid, signal.SIGKILL)
        told += [int(line) for line in process.stdout.read().split() if line]
    (path,) = tmp_path.glob("*.counters")
    reading = read_counters(path)
    assert not reading.is_live
    assert reading.values[0] - told[-1] in (0, 1)  # counted, and killed before it could say so


def test_a_file_that_has_lost_keys_since_it_was_read_is_refused(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path)
    file.intern("key")
    before = read_counters(file.path)
    file.close()
    other = CounterFile.create(tmp_path)
    with pytest.raises(CounterFileError, match="fewer keys"):
        read_counters(other.path, before)
    other.close()


@given(st.binary(max_size=300))
def test_what_is_no_counter_file_is_refused(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.counters"
        path.write_bytes(content)
        with pytest.raises(CounterFileError):
            read_counters(path)


@given(st.lists(st.tuples(st.text(max_size=40), st.integers(0, 2**63)), max_size=30), st.integers(1, 10))
def test_any_keys_and_values_come_back_read_at_once_or_bit_by_bit(cells: list[tuple[str, int]], every: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = CounterFile.create(Path(folder))
        written = [(key.encode("utf-8", "ignore").decode(), value) for key, value in cells]
        reading = None
        for number, (key, value) in enumerate(written, 1):
            cell = file.intern(key)
            assert cell is not None
            file.cells[cell] = value
            if number % every == 0:
                reading = read_counters(file.path, reading)
                assert list(zip(reading.keys, reading.values, strict=True)) == written[:number]
        assert read_counters(file.path, reading).keys == read_counters(file.path).keys == [key for key, _ in written]
        file.close()
