"""The table of attacks in docs/reliability.md: each row names a run of `make prove`, or tests, that exist."""

from __future__ import annotations

import re

import pytest

from prove.runs import RUNS

from .test_conformance_page import TESTS, defined_in

PAGE = TESTS.parent / "docs" / "reliability.md"
_TEST = re.compile(r"([\w/]+\.py)::(\w+)")


def rows() -> list[list[str]]:
    """The cells of every row, headings left out."""
    section = PAGE.read_text(encoding="utf-8").partition("\n## Attacks\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines][2:]


def test_the_table_has_a_row_for_each_attack() -> None:
    assert len(rows()) > 30
    assert {len(row) for row in rows()} == {5}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0][:30]}: {row[1][:30]}")
def test_every_row_is_held_by_something_that_exists(row: list[str]) -> None:
    named = re.findall(r"`([^`]+)`", row[4])
    assert named
    for each in named:
        test = _TEST.fullmatch(each)
        assert each in RUNS if test is None else test[2] in defined_in(TESTS / test[1]), each


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0][:30]}: {row[1][:30]}")
def test_a_figure_is_of_a_run_or_of_a_test_and_has_its_target_beside_it(row: list[str]) -> None:
    assert bool(row[2]) >= bool(row[3]), "a target without a figure"
