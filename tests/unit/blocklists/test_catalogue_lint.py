"""The lint finds each kind of mistake; the bundled catalogue has none, and its page is up to date."""

from __future__ import annotations

from pathlib import Path

import pytest

from blocklists.document import document
from blocklists.lint import gaps, mistakes, notes
from blocklists.loading import load_catalogue
from tests.unit.bundled import bundled_catalogue

from .test_catalogue_loader import ACME, write

ROOT = Path(__file__).parents[3]
GOOD = ACME.replace("description: talks}", "description: talks, kind: assistant}").replace(
    "description: writes code}", "description: writes code, kind: coding}"
)


@pytest.mark.slow
def test_the_bundled_catalogue_holds_to_its_rules() -> None:
    assert list(mistakes(bundled_catalogue())) == []
    assert list(gaps(bundled_catalogue())) == []
    assert not [note for note in notes(bundled_catalogue()) if note.endswith("says the same of it")]


def test_the_page_says_what_the_catalogue_says() -> None:
    page = (ROOT / "docs" / "catalogue.md").read_text(encoding="utf-8")
    assert page == document(bundled_catalogue()), "run: python -m blocklists.document > docs/catalogue.md"


@pytest.mark.parametrize(
    ("good", "bad", "said"),
    [
        ("rule: acme.example", "rule: statsig.com", "acme/chat: statsig.com: covers statsig.com"),
        ("rule: acme.example", "rule: hf.space", "covers hf.space"),
        ("rule: acme.example", "rule: googleapis.com", "covers storage.googleapis.com"),
        ("rule: acme.example", 'rule: "=accounts.google.com"', "covers accounts.google.com"),
        ("rule: acme.example", 'rule: "*.googleapis.com"', "covers storage.googleapis.com"),
        ("rule: acme.example", 'rule: "st*.googleapis.com"', "covers storage.googleapis.com"),
        ("rule: acme.example", "rule: files.npmjs.example", "npmjs is a package registry"),
        ("source: somewhere", "source: v2fly/domain-list-community data/acme @1", "source is a third-party list alone"),
        ("source: somewhere", "source: hagezi/dns-blocklists; UT1 2026", "source is a third-party list alone"),
        ("talks, kind: assistant}", "talks}", "acme/chat: no kind of service"),
        ("name: Acme", "name: Acme\nserves_models_of: [nobody]", "acme: serves_models_of: no vendor 'nobody'"),
    ],
)
def test_a_mistake_is_told(tmp_path: Path, good: str, bad: str, said: str) -> None:
    catalogue = load_catalogue(write(tmp_path, GOOD.replace(good, bad, 1)))
    found = [*mistakes(catalogue), *gaps(catalogue)]
    assert any(said in text for text in found), found


def test_a_vendor_without_a_usable_surface_is_told(tmp_path: Path) -> None:
    text = GOOD.replace("surface: web", "surface: docs").replace("surface: api", "surface: telemetry")
    assert list(mistakes(load_catalogue(write(tmp_path, text)))) == [
        "acme: no domain in force is its api, web or install surface"
    ]


def test_a_list_beside_evidence_of_the_vendor_is_no_mistake(tmp_path: Path) -> None:
    text = GOOD.replace("source: somewhere", "source: Acme's documentation; v2fly data/acme", 1)
    assert list(gaps(load_catalogue(write(tmp_path, text)))) == []


def test_a_tenants_own_host_at_a_firm_that_everybody_uses_is_no_mistake(tmp_path: Path) -> None:
    text = GOOD.replace("rule: acme.example", 'rule: "=o1.ingest.sentry.io"')
    assert list(mistakes(load_catalogue(write(tmp_path, text)))) == []


def test_rules_below_others_are_told(tmp_path: Path) -> None:
    repeated = (
        "  - {rule: a.acme.example, service: chat, surface: web, needed_by: [code], source: s, seen: 2026-11-01}\n"
    )
    text = GOOD.replace("shared:\n", f"{repeated}shared:\n")
    assert "acme/chat: a.acme.example is below acme.example of acme/chat, and says the same of it" in list(
        notes(load_catalogue(write(tmp_path, text)))
    )
