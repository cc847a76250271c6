"""What is asked of the servers."""

from __future__ import annotations

from pathlib import Path

from bench.stub import ADDRESS
from bench.workloads import SINKHOLE, unique_names, workloads, write_queries


def test_every_workload_asks_for_as_many_names_as_it_says() -> None:
    known = workloads()
    assert {name: len(set(workload.queries())) for name, workload in known.items()} == {
        "blocked": 90,
        "blocked-many": 10_000,
        "cached": 1_000,
        "mixed": 1_090,
        "missed": 0,  # its names are made for each round
    }


def test_a_fifth_of_the_mixed_queries_is_blocked_evenly_spread() -> None:
    mixed = workloads()["mixed"]
    kinds = [mixed.expected(name) for name in mixed.queries()]
    assert kinds == [ADDRESS, ADDRESS, ADDRESS, ADDRESS, SINKHOLE] * 250


def test_unique_names_come_only_once_in_all_rounds() -> None:
    names = [name for number in range(3) for name in unique_names(100, f"r{number}")]
    assert len(set(names)) == 300


def test_a_data_file_has_one_query_a_line(tmp_path: Path) -> None:
    write_queries(tmp_path / "queries", ["a.example", "b.example"])
    assert (tmp_path / "queries").read_text() == "a.example A\nb.example A\n"
