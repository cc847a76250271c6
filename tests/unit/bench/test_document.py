"""The figures' way into the documentation."""

from __future__ import annotations

import pytest

from bench.document import BEGIN, DOCS, END, replaced, told
from bench.errors import BenchError

RUN: dict[str, object] = {
    "command": "python -m bench.compare",
    "date": "2026-11-27T01:02:03+00:00",
    "machine": {"cores": 2, "kernel": "6.1", "python": "3.11.7", "load_average": 0.1},
    "versions": {"unbound": "1.17.1"},
    "effort": {"rounds": 5, "seconds": 0.8},
    "tables": "| a | b |",
}


def test_a_part_says_when_how_and_on_what_it_was_measured() -> None:
    part = told(RUN)
    assert (
        "on 2026-11-27: 2 cores, CPython 3.11.7, Linux 6.1, load average before 0.1; 5 rounds of 0.8 s; unbound 1.17.1."
        in part
    )
    assert part.endswith("| a | b |")


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    page = (DOCS / "performance.md").read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    assert replaced(page, "new") == f"{before}{BEGIN}\n\nnew\n\n{END}{after}"


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(BenchError, match="figures of a run"):
        replaced("# Performance", "new")
