"""The table in docs/four-eyes.md is the one of the program."""

from __future__ import annotations

from pathlib import Path

from admin_api.second_owner.ways import document

PAGE = Path(__file__).parents[3] / "docs" / "four-eyes.md"


def test_the_page_has_the_table_of_the_program() -> None:
    assert document() in PAGE.read_text(encoding="utf-8"), "paste the table of admin_api/second_owner/ways.py"
