"""docs/policy.md lists every set and kind that a group may name, and examples that are in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from blocklists.catalogue import SERVICE_KINDS
from resolver.config.references import KIND_PREFIX, SETS
from tests.unit.bundled import bundled_catalogue

PAGE = (Path(__file__).parents[3] / "docs" / "policy.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([a-z:-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE))


def test_every_set_and_kind_has_a_row() -> None:
    kinds = {KIND_PREFIX + kind for kind in SERVICE_KINDS}
    assert {*SETS, *kinds} <= ROWS.keys()


@pytest.mark.parametrize("row", [row for row, text in ROWS.items() if text.rstrip().endswith("…")])
def test_the_examples_of_a_row_are_in_it(row: str) -> None:
    catalogue = bundled_catalogue()
    of_it = set(catalogue.services_of(row))
    unsaid = row.startswith(KIND_PREFIX)  # a service whose kind nobody has said yet may be of this one
    services = [s for s in catalogue.services.values() if s.id in of_it or (unsaid and s.kind is None)]
    names = " ".join(f"{service.name} {catalogue.about[service.vendor].name}" for service in services)
    examples = [each.strip(" …") for each in ROWS[row].partition(": ")[2].split(",")]
    capital = [each for each in examples if each[:1].isupper()]
    assert len(capital) >= 2, row
    assert [each for each in capital if each not in names] == []
