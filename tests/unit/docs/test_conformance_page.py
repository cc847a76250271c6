"""docs/conformance.md names tests that exist, and each of its rows names one."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[2]
PAGE = TESTS.parent / "docs" / "conformance.md"
_NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The cells of every row, headings left out."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] not in ("RFC", "---")]


@functools.cache
def defined_in(file: Path) -> frozenset[str]:
    """The names of the test functions in a file. It is read, not imported."""
    found = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    functions = (node for node in found if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_the_page_has_rows_of_four_cells_and_their_result_is_that_of_ci() -> None:
    assert len(rows()) > 30
    assert {len(row) for row in rows()} == {4}
    assert {row[3].strip("| ") for row in rows()} == {"CI"}


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row[0]}: {row[1][:40]}")
def test_every_rule_names_tests_that_exist(row: list[str]) -> None:
    named = _NAMED.findall(row[2])
    assert named
    assert len(named) == row[2].count("`") // 2, "a test is named as `path/to/file.py::test_name`"
    missing = [f"{file}::{test}" for file, test in named if test not in defined_in(TESTS / file)]
    assert not missing
