"""ARCHITECTURE.md has the import rule as import-linter holds it; it and CONTRIBUTING.md name files that exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
_MOST_LINES = 12
_NAMED = re.compile(r"`((?:[\w.-]+/)+(?:[\w.{},*-]+)?|[\w-]+/)`")
_ELSEWHERE = (
    "SUBJECT",
    "state_dir/",
    "dist/",
    "./moatdns.yaml",
    "github.com/",
)  # placeholders, and no files of the tree
_FROM = ("", "moatdns/", "admin_api/", "admin_api/api/", "admin_api/pages/", "blocklists/", "resolver/", "deploy/")


def rule() -> list[str]:
    """The lines of the import rule."""
    section = PAGE.partition("\n## Who may import whom\n")[2].partition("\n## ")[0]
    return section.split("```")[1].strip().splitlines()


def contracts(kind: str) -> list[dict[str, Any]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return [contract for contract in settings["contracts"] if contract["type"] == kind]


def as_told(contract: dict[str, Any]) -> str:
    if contract["type"] == "layers":
        container = "".join(f"{name}: " for name in contract.get("containers", ()))
        return container + " > ".join(contract["layers"])
    sources, forbidden = contract["source_modules"], contract["forbidden_modules"]
    if ignored := contract.get("ignore_imports"):
        return f"{forbidden[0]}: {ignored[0].partition(' -> ')[0]} alone"
    return f"{', '.join(sources)}: not {', '.join(forbidden)}"


def test_the_import_rule_is_the_one_that_is_held_and_short() -> None:
    assert rule() == [as_told(contract) for contract in contracts("layers") + contracts("forbidden")]
    assert len(rule()) <= _MOST_LINES


def expanded(name: str) -> list[str]:
    """`a/{b,c}.py` as `a/b.py` and `a/c.py`."""
    before, brace, rest = name.partition("{")
    if not brace:
        return [name]
    choices, _, after = rest.partition("}")
    return [before + choice + after for choice in choices.split(",")]


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"])
def test_every_file_and_folder_that_a_page_names_exists(page: str) -> None:
    named = {one for name in _NAMED.findall((ROOT / page).read_text(encoding="utf-8")) for one in expanded(name)}
    named = {name for name in named if not any(text in name for text in _ELSEWHERE)}
    assert len(named) > 10
    missing = {name for name in named if not any(list(ROOT.glob(prefix + name.rstrip("/"))) for prefix in _FROM)}
    assert not missing
