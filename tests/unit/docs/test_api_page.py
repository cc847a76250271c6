"""The page of the API, and the table of bounds: nothing is listed twice, as it is after merges that kept both sides."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_resources_that_other_pages_explain_are_listed_once() -> None:
    page = (ROOT / "docs/api.md").read_text()
    listing = page.split("## Exceptions and the policy as a file\n\n")[1].partition("\n\n")[0]
    counted = Counter(re.findall(r"`(/[^`]+)`", listing))
    assert {"/policy:plan", "/webhooks", "/reports/forecast", "/local", "/firewall/{format}"} <= counted.keys()
    assert {path: times for path, times in counted.items() if times > 1} == {}


def test_each_bound_has_one_row() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text()
    table = page.split("## Bounds\n")[1].partition("\n## ")[0]
    counted = Counter(line.split("|")[1].strip() for line in table.splitlines() if line.startswith("| "))
    assert len(counted) > 40
    assert {what: times for what, times in counted.items() if times > 1} == {}
