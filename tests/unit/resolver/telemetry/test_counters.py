"""A worker's counters: every query once, by all that it was, also when cells run out."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from resolver.telemetry import counters as counting
from resolver.telemetry.counter_file import CounterFile, MemoryCells, read_counters
from resolver.telemetry.counters import Counters, Facts, Outcome


def facts(domain: str | None = None) -> Facts:
    return ("default", "a/b", "a/b", "A", "NOERROR", "udp", None, domain)


def bump(counters: Counters, domain: str, client: str = "10.0.0.1", times: int = 1) -> None:
    cell = counters.answer(Outcome.BLOCKED, facts(domain))
    first = counters.client(client)
    for _ in range(times):
        counters.cells[cell] += 1
        counters.cells[first] += 1


def values(path: Path) -> dict[str, int]:
    reading = read_counters(path)
    return {key: value for key, value in zip(reading.keys, reading.values, strict=True) if value}


def test_equal_facts_share_a_cell_and_others_have_their_own(tmp_path: Path) -> None:
    file = CounterFile.create(tmp_path)
    counters = Counters(file, detailed=True)
    bump(counters, "a.example", times=2)
    bump(counters, "b.example")
    bump(counters, "a.example", client="10.0.0.2")
    assert values(file.path) == {
        '["answer","blocked","default","a/b","a/b","A","NOERROR","udp",null,"a.example"]': 3,
        '["answer","blocked","default","a/b","a/b","A","NOERROR","udp",null,"b.example"]': 1,
        '["client","10.0.0.1","blocked"]': 3,
        '["client","10.0.0.2","blocked"]': 1,
    }
    assert counters.to_plain()["outcomes"] == {"blocked": 4}
    file.close()


def test_when_cells_run_out_names_are_given_up_before_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_RESERVED_CELLS", 65_536 - 12)
    file = CounterFile.create(tmp_path)
    counters = Counters(file, detailed=True)
    for number in range(50):
        bump(counters, f"n{number}.example", client=f"10.0.0.{number}")
    found = values(file.path)
    assert sum(value for key, value in found.items() if json.loads(key)[0] == "answer") == 50
    assert sum(value for key, value in found.items() if json.loads(key)[0] == "client") == 50
    assert counters.outcomes()["blocked"] == 50
    file.close()


def test_moving_to_a_new_file_loses_no_count_of_either(tmp_path: Path) -> None:
    first, second = CounterFile.create(tmp_path), CounterFile.create(tmp_path)
    counters = Counters(first, detailed=True)
    bump(counters, "a.example", times=3)
    counters.dropped["clients"] += 5
    counters.sync({("upstream", "u", "answered"): 7})
    counters.move(second)
    bump(counters, "a.example", times=4)
    counters.dropped["clients"] += 1
    counters.sync({("upstream", "u", "answered"): 9})
    counters.sync({("upstream", "u", "answered"): 9})
    total: dict[str, int] = {}
    for path in (first.path, second.path):
        for key, value in values(path).items():
            total[key] = total.get(key, 0) + value
    assert total['["answer","blocked","default","a/b","a/b","A","NOERROR","udp",null,"a.example"]'] == 7
    assert total['["dropped","clients"]'] == 6
    assert total['["upstream","u","answered"]'] == 9
    assert counters.outcomes()["blocked"] == 7
    second.close()


def test_without_details_nobody_is_told_apart() -> None:
    counters = Counters(MemoryCells())
    assert counters.client("10.0.0.1") == counters.client("10.0.0.2")
    assert counters.answer(Outcome.BLOCKED, facts("a.example")) == counters.answer(Outcome.BLOCKED, facts("b.example"))


@pytest.mark.parametrize(
    ("seconds", "le"), [(0, "0.001"), (0.001, "0.001"), (0.0011, "0.002"), (5, "5"), (5.1, "+Inf")]
)
def test_a_duration_is_in_the_bucket_that_it_does_not_exceed(seconds: float, le: str) -> None:
    counters = Counters()
    counters.waited(Outcome.FORWARDED, seconds)
    assert f'["seconds","allow","{le}"]' in counters.store.keys


@pytest.mark.parametrize("is_detailed", [False, True], ids=["names are not counted", "no room is left"])
def test_names_without_a_cell_of_their_own_are_not_remembered(tmp_path: Path, is_detailed: bool) -> None:
    store = MemoryCells()
    counters = Counters(store, detailed=is_detailed)
    of_all = counters.answer(Outcome.BLOCKED, facts(None))
    while is_detailed and store.intern("taken", reserve=1) is not None:
        pass
    tracemalloc.start()
    try:
        assert {counters.answer(Outcome.BLOCKED, facts(f"{n}.example")) for n in range(20_000)} == {of_all}
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()
